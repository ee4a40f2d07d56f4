"""A minimal Nacos client for this example: the HTTP API, without an SDK."""

import json
import threading
import urllib.parse
import urllib.request

BEAT_SECONDS = 5


class Nacos:
    def __init__(self, server):
        self.url = f"http://{server}/nacos/v1/ns/instance"

    def register(self, service, ip, port, metadata):
        """Registers an instance, and keeps it alive with heartbeats."""
        instance = {"serviceName": service, "ip": ip, "port": port, "metadata": json.dumps(metadata)}
        self._send("POST", self.url, instance)
        beat = {"serviceName": f"DEFAULT_GROUP@@{service}", "ip": ip, "port": port, "weight": 1, "cluster": "DEFAULT", "metadata": metadata}
        again = threading.Event()

        def keep_alive():
            while not again.wait(BEAT_SECONDS):
                try:
                    self._send("PUT", f"{self.url}/beat", {"serviceName": service, "ip": ip, "port": port, "beat": json.dumps(beat)})
                except OSError:
                    pass  # Nacos is down: it tolerates a few missed beats

        threading.Thread(target=keep_alive, daemon=True).start()

    @staticmethod
    def _send(method, url, fields):
        request = urllib.request.Request(f"{url}?{urllib.parse.urlencode(fields)}", method=method)
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.read()
