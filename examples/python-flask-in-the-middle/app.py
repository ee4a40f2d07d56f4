"""B, the commodity center: calls an instance of C that it chooses by the tag in OpenTelemetry's baggage."""

import os
import random

import requests
from flask import Flask
from opentelemetry import baggage

from nacos import Nacos

NAME = os.environ.get("NAME", "B")
TAG = os.environ.get("TAG")
nacos = Nacos(os.environ.get("NACOS_SERVER", "127.0.0.1:8848"))
app = Flask(__name__)


def choose(service):
    """Chooses an instance as Lane does: one of the request's lane, or else a base one."""
    instances = nacos.instances(service)
    tag = baggage.get_baggage("lane")
    lane = [one for one in instances if tag is not None and one["metadata"].get("lane") == tag]
    return random.choice(lane or [one for one in instances if "lane" not in one["metadata"]])


@app.get("/b")
def b():
    c = choose("spring-cloud-c")
    answer = requests.get(f"http://{c['ip']}:{c['port']}/c", timeout=5)
    return f"{NAME}[127.0.0.1:{port}] -> {answer.text}"


if __name__ == "__main__":
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", int(os.environ.get("PORT", "0")), app, threaded=True)
    port = server.server_port
    nacos.register("spring-cloud-b", "127.0.0.1", port, {"lane": TAG} if TAG else {})
    print(f"spring-cloud-b registered as 127.0.0.1:{port}", flush=True)
    server.serve_forever()
