// How OpenTelemetry for Go reads baggage and writes it again: a header in hexadecimal per input line, its result per output line.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
)

func text(value string) string {
	return hex.EncodeToString([]byte(value))
}

func main() {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		header, err := hex.DecodeString(lines.Text())
		if err != nil {
			panic(err)
		}
		// net/http leaves a header's bytes unchanged.
		came := http.Header{"Baggage": {string(header)}}
		ctx := propagation.Baggage{}.Extract(context.Background(), propagation.HeaderCarrier(came))
		written := http.Header{}
		propagation.Baggage{}.Inject(ctx, propagation.HeaderCarrier(written))
		var members []string
		for _, member := range baggage.FromContext(ctx).Members() {
			members = append(members, text(member.Key())+"="+text(member.Value()))
		}
		fmt.Fprintf(out, "%s\t%s\n", strings.Join(members, " "), text(written.Get("baggage")))
	}
	if err := lines.Err(); err != nil {
		panic(err)
	}
}
