#!/bin/sh
# Sends a request to base and one to the canary. ENTRY: host:port of the Ingress controller, or of a node with the Services' node ports.
set -eu
: "${ENTRY:?host:port of the entry, see kubectl get ingress}"
curl -fsS -H "Host: www.aliyundoc.com" "http://${ENTRY}/a"; echo
curl -fsS -H "Host: www.example.com" "http://${ENTRY}/a"; echo
