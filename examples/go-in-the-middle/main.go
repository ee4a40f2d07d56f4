// B, the commodity center, in Go: calls C through a Lane gateway, which chooses the instance by the tag that OpenTelemetry forwards.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
)

func main() {
	// Carries the tag from the inbound request to outbound ones.
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))

	listener, err := net.Listen("tcp", "127.0.0.1:"+or(os.Getenv("PORT"), "0"))
	if err != nil {
		log.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	client := &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport), Timeout: 5 * time.Second}

	http.Handle("/b", otelhttp.NewHandler(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		answer, err := askC(client, request)
		if err != nil {
			http.Error(response, err.Error(), http.StatusBadGateway)
			return
		}
		fmt.Fprintf(response, "%s[127.0.0.1:%d] -> %s", or(os.Getenv("NAME"), "B"), port, answer)
	}), "/b"))

	if err := register(port); err != nil {
		log.Fatal(err)
	}
	log.Printf("spring-cloud-b registered as 127.0.0.1:%d", port)
	log.Fatal(http.Serve(listener, nil))
}

// askC calls C through the gateway, with the request's context, which holds the tag.
func askC(client *http.Client, inbound *http.Request) (string, error) {
	request, err := http.NewRequestWithContext(inbound.Context(), http.MethodGet, os.Getenv("LANE_GATEWAY")+"/c", nil)
	if err != nil {
		return "", err
	}
	request.Host = "spring-cloud-c"
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// register registers this instance through Nacos' HTTP API, and keeps it alive with heartbeats.
func register(port int) error {
	metadata := map[string]string{}
	if tag := os.Getenv("TAG"); tag != "" {
		metadata["lane"] = tag
	}
	asJSON, err := json.Marshal(metadata)
	if err != nil {
		return err
	}
	beat, err := json.Marshal(map[string]any{
		"serviceName": "DEFAULT_GROUP@@spring-cloud-b", "ip": "127.0.0.1", "port": port, "weight": 1, "cluster": "DEFAULT", "metadata": metadata,
	})
	if err != nil {
		return err
	}
	fields := url.Values{"serviceName": {"spring-cloud-b"}, "ip": {"127.0.0.1"}, "port": {strconv.Itoa(port)}}
	with := func(key string, value []byte) url.Values {
		all := url.Values{key: {string(value)}}
		for name, values := range fields {
			all[name] = values
		}
		return all
	}
	if err := send(http.MethodPost, "/nacos/v1/ns/instance", with("metadata", asJSON)); err != nil {
		return err
	}
	go func() {
		for range time.Tick(5 * time.Second) {
			// Ignore errors while Nacos is down: it tolerates a few missed beats.
			_ = send(http.MethodPut, "/nacos/v1/ns/instance/beat", with("beat", beat))
		}
	}()
	return nil
}

func send(method, path string, fields url.Values) error {
	request, err := http.NewRequest(method, "http://"+or(os.Getenv("NACOS_SERVER"), "127.0.0.1:8848")+path+"?"+fields.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	return nil
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
