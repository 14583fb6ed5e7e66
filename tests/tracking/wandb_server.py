"""A server that plays as much of wandb's API as its client asks for, and keeps what it is sent."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Received:
    """One run as the server has it."""

    group: str = ""
    job_type: str = ""
    display_name: str = ""
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    history: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    summary: dict[str, Any] = field(default_factory=dict[str, Any])
    log: dict[int, str] = field(default_factory=dict[int, str])
    files: dict[str, str] = field(default_factory=dict[str, str])
    exit_code: int | None = None


@dataclass
class Server:
    """What was sent, by the ids of runs; `status` other than 200 is what every request gets."""

    url: str = ""
    runs: dict[str, Received] = field(default_factory=dict[str, Received])
    keys: set[str] = field(default_factory=set[str])
    requests: int = 0
    status: int = 200
    seconds: float = 0.0

    def graphql(self, name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        if name == "UpsertBucket":
            return self._upsert(variables)
        if name == "CreateRunFiles":
            run, names = variables["run"], variables["files"]
            files = [{"name": one, "uploadUrl": f"{self.url}/put/{run}/{one}"} for one in names]
            return {"createRunFiles": {"runID": run, "uploadHeaders": [], "files": files}}
        return {
            "viewer": {"id": "V", "entity": "me", "flags": "{}"},
            "serverInfo": {"features": []},
        }

    def _upsert(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        run = self.runs.setdefault(variables["name"], Received())
        run.group = variables.get("groupName") or run.group
        run.job_type = variables.get("jobType") or run.job_type
        run.display_name = variables.get("displayName") or run.display_name
        given = json.loads(variables.get("config") or "{}")
        run.config |= {name: value["value"] for name, value in given.items() if name != "_wandb"}
        project = {"id": "P", "name": variables["project"], "entity": {"id": "E", "name": "me"}}
        bucket = {
            "id": "B", "name": variables["name"], "displayName": run.display_name,
            "description": "", "config": "{}", "sweepName": None, "historyLineCount": 0,
            "project": project,
        }  # fmt: skip
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def stream(self, run_id: str, sent: Mapping[str, Any]) -> None:
        run = self.runs.setdefault(run_id, Received())
        for name, chunk in (sent.get("files") or {}).items():
            lines = enumerate(chunk["content"], chunk["offset"])
            if name == "wandb-history.jsonl":
                run.history |= {place: json.loads(line) for place, line in lines}
            elif name == "wandb-summary.json":
                run.summary = json.loads(chunk["content"][-1])
            elif name == "output.log":
                run.log |= dict(lines)
        if sent.get("complete"):
            run.exit_code = sent["exitcode"]


@contextmanager
def wandb_server() -> Generator[Server]:
    """Have a server beside the body."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def body(self) -> bytes:
            data = self.rfile.read(int(self.headers.get("content-length") or 0))
            return gzip.decompress(data) if self.headers["content-encoding"] == "gzip" else data

        def answer(self, said: Mapping[str, Any]) -> None:
            data = json.dumps(said).encode()
            self.send_response(server.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def handle_any(self) -> None:
            server.requests += 1
            server.keys.add(self.headers["authorization"] or "")
            body = self.body()
            time.sleep(server.seconds)
            if server.status != 200:
                self.answer({"error": "out of order"})
            elif self.path == "/graphql":
                asked = json.loads(body)
                said = server.graphql(asked["operationName"], asked.get("variables") or {})
                self.answer({"data": said})
            elif self.path.endswith("/file_stream"):
                server.stream(self.path.split("/")[-2], json.loads(body))
                self.answer({"exitcode": None, "limits": {}})
            elif not self.path.startswith("/put/"):
                self.send_error(404)
            else:
                _, _, run, name = self.path.split("/", 3)
                server.runs.setdefault(run, Received()).files[name] = body.decode()
                self.answer({})

        do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    class Calm(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: clients are killed in these tests."""

    with Calm(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield server
        http.shutdown()
        thread.join()
