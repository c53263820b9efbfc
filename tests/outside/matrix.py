"""A Matrix server with one user in one room: Synapse, in a directory that goes with it.

Prints where it listens, whom to send as, and then each message in the room as a line of JSON.
"""

import hashlib
import hmac
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

CONFIGURATION = """
server_name: localhost
report_stats: false
suppress_key_server_warning: true
trusted_key_servers: []
signing_key_path: {directory}/signing.key
media_store_path: {directory}/media
pid_file: {directory}/pid
log_config: {directory}/log.yaml
registration_shared_secret: shared
macaroon_secret_key: macaroon
form_secret: form
database:
  name: sqlite3
  args:
    database: {directory}/database
listeners:
  - port: {port}
    bind_addresses: ['127.0.0.1']
    type: http
    tls: false
    resources:
      - names: [client]
rc_message:
  per_second: {per_second}
  burst_count: {burst_count}
"""

LOG = "{version: 1, disable_existing_loggers: false, root: {level: CRITICAL}}"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def call(base, method, path, body=None, token=None):
    request = urllib.request.Request(base + path, method=method)
    if token:
        request.add_header("Authorization", "Bearer " + token)
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(request, data, timeout=60) as answer:
        return json.load(answer)


def register(base):
    path = "/_synapse/admin/v1/register"
    nonce = call(base, "GET", path)["nonce"]
    mac = hmac.new(b"shared", "\0".join([nonce, "hook", "password", "notadmin"]).encode(), hashlib.sha1)
    body = {"nonce": nonce, "username": "hook", "password": "password", "mac": mac.hexdigest()}
    return call(base, "POST", path, body)["access_token"]


def main():
    directory = pathlib.Path(tempfile.mkdtemp(dir=os.environ["DIRECTORY"]))
    port = free_port()
    rate = {"per_second": os.environ.get("PER_SECOND", 1000), "burst_count": os.environ.get("BURST", 1000)}
    (directory / "homeserver.yaml").write_text(CONFIGURATION.format(directory=directory, port=port, **rate))
    (directory / "log.yaml").write_text(LOG)
    command = [sys.executable, "-m", "synapse.app.homeserver", "-c", directory / "homeserver.yaml"]
    subprocess.run([*command, "--generate-keys"], check=True)
    server = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *command], stdout=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    while True:
        try:
            call(base, "GET", "/_matrix/client/versions")
            break
        except (urllib.error.URLError, ConnectionError):
            if server.poll() is not None:
                sys.exit("Synapse has ended")
            time.sleep(0.1)
    token = register(base)
    room = call(base, "POST", "/_matrix/client/v3/createRoom", {}, token)["room_id"]
    print("room", json.dumps([token, room]), flush=True)
    print("listening on", port, flush=True)
    since = ""
    while True:
        synced = call(base, "GET", "/_matrix/client/v3/sync?timeout=1000" + since, token=token)
        since = "&since=" + synced["next_batch"]
        for event in synced.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {}).get("events", []):
            if event["type"] == "m.room.message":
                print(json.dumps(event["content"]), flush=True)


main()
