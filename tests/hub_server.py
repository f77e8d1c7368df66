"""A hub that stands on this machine: as much of its HTTP interface as pushing and pulling a model asks for."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hub:
    """Repositories in memory, and what was asked."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.tokens: set[str | None] = set()
        self.messages: list[str] = []

    def commit(self, name: str) -> str:
        """Name the state of a repository by its content."""
        files = self.repositories[name]
        return hashlib.sha1(b"".join(k.encode() + v for k, v in sorted(files.items()))).hexdigest()

    def describe(self, name: str) -> dict[str, Any]:
        files = self.repositories[name]
        siblings = [{"rfilename": path, "size": len(content)} for path, content in files.items()]
        return {
            "id": name,
            "modelId": name,
            "sha": self.commit(name),
            "private": True,
            "tags": [],
            "siblings": siblings,
        }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self, value: Any, code: int = 200, **headers: str) -> None:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(code)
        for key, text in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(key.replace("_", "-"), text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.hub.tokens.add(self.headers.get("Authorization"))
        if self.path == "/api/repos/create":
            wanted = json.loads(asked)
            name = f"{wanted['organization']}/{wanted['name']}" if "organization" in wanted else wanted["name"]
            self.hub.repositories.setdefault(name, {".gitattributes": b""})
            self.hub.private[name] = wanted.get("visibility") == "private" or bool(wanted.get("private"))
            self.answer({"url": f"http://{self.headers['Host']}/{name}", "id": name, "name": name})
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(asked)["files"]
            ]
            self.answer({"files": files})
        elif "/commit/" in self.path:
            name = "/".join(self.path.split("/")[3:5])
            for line in map(json.loads, asked.decode().splitlines()):
                if line["key"] == "file":
                    self.hub.repositories[name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                elif line["key"] == "header":
                    self.hub.messages.append(line["value"]["summary"])
            url = f"http://{self.headers['Host']}/{name}/commit/{self.hub.commit(name)}"
            self.answer({"success": True, "commitOid": self.hub.commit(name), "commitUrl": url})
        else:
            self.answer({"error": f"unknown {self.path}"}, 404)

    def do_GET(self) -> None:
        self.hub.tokens.add(self.headers.get("Authorization"))
        path = self.path.split("?")[0]
        if path.startswith("/api/models/"):
            name = "/".join(path.split("/")[3:5])
            if name not in self.hub.repositories:
                self.answer({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
            elif "/tree/" in path:
                files = self.hub.repositories[name].items()
                self.answer([{"type": "file", "path": p, "size": len(c), "oid": digest(c)} for p, c in files])
            else:
                self.answer(self.hub.describe(name))
            return
        parts = path.strip("/").split("/")  # owner, name, resolve, revision, file
        name, file = "/".join(parts[:2]), "/".join(parts[4:])
        if name not in self.hub.repositories:
            self.answer({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        elif file not in self.hub.repositories[name]:
            self.answer({"error": "Entry not found"}, 404, X_Error_Code="EntryNotFound")
        else:
            content = self.hub.repositories[name][file]
            self.answer(content, ETag=f'"{digest(content)}"', X_Repo_Commit=self.hub.commit(name))

    do_HEAD = do_GET  # noqa: N815


def digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@contextmanager
def served() -> Iterator[tuple[Hub, str]]:
    """Serve an empty hub; give it and its address."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
