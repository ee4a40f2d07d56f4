"""Baggage as OpenTelemetry for Python reads it and writes it anew: one header in hexadecimal a line in, its answer a line out."""
import logging
import sys

from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context

logging.disable()
propagator = W3CBaggagePropagator()


def text(value):
    return str(value).encode("utf-8", "surrogatepass").hex()


for line in sys.stdin:
    # WSGI and ASGI servers decode a header's bytes as Latin-1.
    context = propagator.extract({"baggage": [bytes.fromhex(line.strip()).decode("latin-1")]}, Context())
    written = {}
    propagator.inject(written, context)
    members = " ".join(f"{text(key)}={text(value)}" for key, value in baggage.get_all(context).items())
    print(members, text(written.get("baggage", "")), sep="\t")
