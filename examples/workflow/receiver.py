#!/usr/bin/python3
"""Receives webhooks and takes those that are signed as Standard Webhooks says (docs/webhooks.md); without any package.

Tells its port, then reads the secret (a line), then tells each event that it took, once, as a line of JSON. What is not signed by that
secret, or is older than five minutes, is answered with 401 and told as refused.
"""

import base64
import hashlib
import hmac
import http.server
import json
import sys
import threading
import time

TOLERANCE = 300


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    key = b""
    known = threading.Event()
    seen = set()
    gate = threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.known.wait()
        number = self.headers.get("webhook-id", "")
        is_signed = self.is_signed(number, body)
        with self.gate:
            if not is_signed:
                print(json.dumps({"refused": number}), flush=True)
            elif number not in self.seen:  # at least once: the id says which it is
                self.seen.add(number)
                event = json.loads(body)
                print(json.dumps({"id": number, "type": event["type"], "task": event.get("subject")}), flush=True)
        self.send_response(204 if is_signed else 401)
        self.send_header("content-length", "0")
        self.end_headers()

    def is_signed(self, number, body):
        stamp = self.headers.get("webhook-timestamp", "")
        if not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE:
            return False
        mac = base64.b64encode(hmac.digest(self.key, f"{number}.{stamp}.".encode() + body, hashlib.sha256)).decode()
        return any(hmac.compare_digest(given, "v1," + mac) for given in self.headers.get("webhook-signature", "").split())

    def log_message(self, *_):
        pass


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    print(json.dumps({"port": server.server_port}), flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Receiver.key = base64.b64decode(sys.stdin.readline().strip()[len("whsec_"):])
    Receiver.known.set()
    sys.stdin.read()  # until whoever started it has enough


if __name__ == "__main__":
    main()
