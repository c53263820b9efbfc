"""Receives with the libraries gidgethub, gidgetlab and standardwebhooks, each at a path of its name.

Prints the port it listens on, then a line of JSON for each event a library accepted. One that a library refuses is
answered with 400 and the library's reason. The secret is in the variable SECRET.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import gidgethub
import gidgetlab
import gidgetlab.sansio
import standardwebhooks
from gidgethub.sansio import Event

SECRET = os.environ["SECRET"]


def by_gidgethub(headers, body):
    event = Event.from_http(headers, body, secret=SECRET)
    return {"id": event.delivery_id, "event": event.event, "payload": event.data}


def by_gidgetlab(headers, body):
    event = gidgetlab.sansio.Event.from_http(headers, body, secret=SECRET)
    return {"id": headers["idempotency-key"], "event": event.event, "payload": event.data}


def by_standardwebhooks(headers, body):
    payload = standardwebhooks.Webhook(SECRET).verify(body, headers)
    return {"id": headers["webhook-id"], "event": None, "payload": payload}


LIBRARIES = {"/gidgethub": by_gidgethub, "/gidgetlab": by_gidgetlab, "/standardwebhooks": by_standardwebhooks}
REFUSALS = (gidgethub.GitHubException, gidgetlab.GitLabException, standardwebhooks.WebhookVerificationError)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            accepted = LIBRARIES[self.path](headers, body)
        except REFUSALS as refusal:
            self.answer(400, str(refusal))
        else:
            # One write: print would let another connection's line in before the end of this one.
            sys.stdout.write(json.dumps(accepted) + "\n")
            sys.stdout.flush()
            self.answer(200, "")

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        """Standard output is for events alone."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
