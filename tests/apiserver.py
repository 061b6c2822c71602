"""An API server for tests that behaves on the wire as the real one does, and misbehaves when told to.

Lists in pages with `continue`, watches with resource versions and bookmarks, 410 Gone, tokens, TLS, field selectors,
discovery; objects can be created, also for a dry run, and are validated strictly: kubectl works against it. State and
log may be changed and read from the test's thread.
"""

from __future__ import annotations

import base64
import bisect
import json
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Object = dict[str, Any]

KINDS = {
    "/api/v1/pods": ("v1", "Pod"),
    "/api/v1/services": ("v1", "Service"),
    "/api/v1/nodes": ("v1", "Node"),
    "/api/v1/namespaces": ("v1", "Namespace"),
    "/apis/discovery.k8s.io/v1/endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
}
VERSION = "1.31"
CLUSTER_WIDE = {"/api/v1/nodes", "/api/v1/namespaces"}


@dataclass
class Event:
    version: int
    type: str
    object: Object


@dataclass
class Collection:
    objects: dict[str, Object] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    compacted: int = 0

    def since(self, version: int) -> list[Event]:
        return self.events[bisect.bisect_right(self.events, version, key=lambda event: event.version) :]


@dataclass
class Asked:
    path: str
    parameters: dict[str, str]
    authorization: str


class ApiServer:
    """`with ApiServer() as server`: listens on 127.0.0.1 until the block is left."""

    def __init__(self, certificate: Path | None = None, key: Path | None = None, port: int = 0) -> None:
        self.version = 1000
        self.tokens: set[str] | None = None
        """None: nobody is asked for one."""
        self.delay = 0.0
        self.bookmark_seconds = 0.2
        self.refuse = 0
        """HTTP status with which everything is answered, 0: as it should be."""
        self.expire_pages = False
        """Whether `continue` is answered with 410."""
        self.always_gone = False
        """Whether each watch is answered with 410: a server whose past is shorter than a list takes."""
        self.watch_seconds = 600.0
        """After which each watch ends."""
        self.asked: list[Asked] = []
        self._collections = {path: Collection() for path in KINDS}
        self._changed = threading.Condition()
        self._epoch = 0
        self._http = _Server(("127.0.0.1", port), _Handler)
        self._http.api = self
        self.tls = certificate is not None
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if certificate:
            self.show(certificate, key)
            self._http.socket = self._context.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.drop_watches()
        self._http.shutdown()
        self._http.server_close()

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    def show(self, certificate: Path, key: Path | None) -> None:
        """To all who come from now on."""
        self._context.load_cert_chain(certificate, key)

    # --- what the cluster does --------------------------------------------------------------

    def put(self, path: str, found: Object) -> Object:
        """Creates or replaces; fills in kind, uid and resource version."""
        collection = self._collections[path]
        api, kind = KINDS[path]
        with self._changed:
            self.version += 1
            metadata = found.setdefault("metadata", {})
            key = _key(found)
            old = collection.objects.get(key)
            metadata.setdefault("uid", old["metadata"]["uid"] if old else str(uuid.uuid4()))
            metadata["resourceVersion"] = str(self.version)
            stored: Object = json.loads(json.dumps({"apiVersion": api, "kind": kind, **found}))
            collection.objects[key] = stored
            collection.events.append(Event(self.version, "MODIFIED" if old else "ADDED", stored))
            self._changed.notify_all()
        return stored

    def delete(self, path: str, name: str, namespace: str = "") -> None:
        collection = self._collections[path]
        with self._changed:
            self.version += 1
            gone = collection.objects.pop(f"{namespace}/{name}")
            gone = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self.version)}}
            collection.events.append(Event(self.version, "DELETED", gone))
            self._changed.notify_all()

    def send(self, path: str, event: str, found: Object) -> None:
        """An event as it is: repeated, late, or odd."""
        with self._changed:
            self.version += 1
            self._collections[path].events.append(Event(self.version, event, found))
            self._changed.notify_all()

    def compact(self) -> None:
        """Old resource versions are gone: who asks for one gets 410."""
        with self._changed:
            for collection in self._collections.values():
                collection.compacted = self.version
                collection.events.clear()
            self.version += 1

    def drop_watches(self) -> None:
        """Open watches end without a word."""
        with self._changed:
            self._epoch += 1
            self._changed.notify_all()

    def lists(self, path: str) -> int:
        """How often the first page was asked for."""
        return sum(
            a.path == path and "watch" not in a.parameters and "continue" not in a.parameters for a in self.asked
        )

    def watches(self, path: str) -> int:
        return sum(a.path == path and "watch" in a.parameters for a in self.asked)

    # --- what the handlers need -------------------------------------------------------------

    def one(self, path: str, namespace: str) -> tuple[int, Object]:
        collection, _, name = path.rpartition("/")
        with self._changed:
            found = self._collections[collection].objects.get(f"{namespace}/{name}")
        return (200, found) if found else (404, _status(404, "NotFound", f"{name} not found"))

    def create(self, path: str, found: Object, *, dry: bool) -> tuple[int, Object]:
        """Refuses what is no valid object of its kind, unknown fields too."""
        problem = _problem(found)
        if problem:
            return 422, _status(422, "Invalid", problem)
        return 201, found if dry else self.put(path, found)

    def page(self, path: str, parameters: dict[str, str]) -> tuple[int, Object]:
        with self._changed:
            found = [
                each for key, each in sorted(self._collections[path].objects.items()) if _selected(each, parameters)
            ]
            version = str(self.version)
        begin = 0
        if "continue" in parameters:
            if self.expire_pages:
                return 410, _status(410, "Expired", "The provided continue parameter is too old")
            begin = int(base64.b64decode(parameters["continue"]))
        end = begin + int(parameters.get("limit") or len(found) or 1)
        metadata: Object = {"resourceVersion": version}
        if end < len(found):
            metadata["continue"] = base64.b64encode(str(end).encode()).decode()
            metadata["remainingItemCount"] = len(found) - end
        api, kind = KINDS[path]
        return 200, {"apiVersion": api, "kind": f"{kind}List", "metadata": metadata, "items": found[begin:end]}

    def watch(self, path: str, parameters: dict[str, str]) -> Iterator[Object]:
        collection = self._collections[path]
        version = int(parameters.get("resourceVersion") or 0)
        end = time.monotonic() + min(float(parameters.get("timeoutSeconds", 600)), self.watch_seconds)
        bookmarks = parameters.get("allowWatchBookmarks") == "true"
        with self._changed:
            epoch = self._epoch
            if version < collection.compacted or self.always_gone:
                yield {"type": "ERROR", "object": _status(410, "Expired", "too old resource version")}
                return
        marked = time.monotonic()
        while time.monotonic() < end:
            with self._changed:
                ready = collection.since(version)
                if not ready and self._epoch == epoch:
                    self._changed.wait(min(self.bookmark_seconds, max(0.0, end - time.monotonic())))
                    ready = collection.since(version)
                if self._epoch != epoch:
                    return
                current = self.version
            for event in ready:
                version = event.version
                if _selected(event.object, parameters):
                    yield {"type": event.type, "object": event.object}
            if bookmarks and not ready and time.monotonic() - marked >= self.bookmark_seconds:
                marked = time.monotonic()
                version = max(version, current)
                api, kind = KINDS[path]
                bookmark = {"apiVersion": api, "kind": kind, "metadata": {"resourceVersion": str(version)}}
                yield {"type": "BOOKMARK", "object": bookmark}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: ApiServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        path, namespace, parameters = self._asked()
        api = self.server.api
        if self._refused():
            return
        if path in KINDS:
            if namespace:
                parameters["namespace"] = namespace
            if parameters.get("watch") in {"1", "true"}:
                self._stream(api.watch(path, parameters))
            else:
                self._answer(*api.page(path, parameters))
        elif path.rpartition("/")[0] in KINDS:
            self._answer(*api.one(path, namespace))
        else:
            self._answer(*_discovery(path))

    def do_POST(self) -> None:
        path, _, parameters = self._asked()
        found: Object = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._refused():
            self._answer(*self.server.api.create(path, found, dry=parameters.get("dryRun") == "All"))

    def _asked(self) -> tuple[str, str, dict[str, str]]:
        """Collection or object of all namespaces, the namespace, the parameters."""
        parts = urlsplit(self.path)
        parameters = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        path, namespace = _collection(parts.path)
        self.server.api.asked.append(Asked(path, parameters, self.headers.get("Authorization", "")))
        return path, namespace, parameters

    def _refused(self) -> bool:
        api = self.server.api
        if api.delay:
            time.sleep(api.delay)
        if api.refuse:
            self._answer(api.refuse, _status(api.refuse, "Refused", "told to"))
        elif api.tokens is not None and self.headers.get("Authorization", "").removeprefix("Bearer ") not in api.tokens:
            self._answer(401, _status(401, "Unauthorized", "Unauthorized"))
        else:
            return False
        return True

    def _answer(self, status: int, body: Object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: Iterator[Object]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for event in events:
            data = json.dumps(event).encode() + b"\n"
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name in the base class
        """Quiet."""


def _key(found: Object) -> str:
    metadata = found["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def _selected(found: Object, parameters: dict[str, str]) -> bool:
    namespace = parameters.get("namespace")
    if namespace and found["metadata"].get("namespace") != namespace:
        return False
    for selector in filter(None, parameters.get("fieldSelector", "").split(",")):
        name, _, value = selector.partition("=")
        at: Any = found
        for step in name.split("."):
            at = at.get(step, "") if isinstance(at, dict) else ""
        if at != value:
            return False
    return True


def _collection(path: str) -> tuple[str, str]:
    """The collection of all namespaces, and the namespace that was asked for."""
    parts = path.split("/")
    if "namespaces" in parts and parts.index("namespaces") + 2 < len(parts):
        at = parts.index("namespaces")
        return "/".join(parts[:at] + parts[at + 2 :]), parts[at + 1]
    return path, ""


def _status(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def _problem(found: Object) -> str:
    """What the schemas of Kubernetes say against an object; "" for nothing."""
    import kubernetes_validate

    try:
        kubernetes_validate.validate(found, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{found['kind']}: {'.'.join(map(str, error.path))}: {error.message}"
    return ""


def _discovery(path: str) -> tuple[int, Object]:
    if path == "/version":
        major, minor = VERSION.split(".")
        return 200, {"major": major, "minor": minor, "gitVersion": f"v{VERSION}.0"}
    if path.startswith("/openapi/v3"):
        return _openapi(path.removeprefix("/openapi/v3").strip("/"))
    if path == "/api":
        return 200, {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        names = sorted({p.split("/")[2] for p in KINDS if p.startswith("/apis/")})
        versions = {name: {"groupVersion": f"{name}/v1", "version": "v1"} for name in names}
        groups = [{"name": name, "versions": [one], "preferredVersion": one} for name, one in versions.items()]
        return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    found = [
        (p.rpartition("/")[2], kind, p in CLUSTER_WIDE) for p, (_, kind) in KINDS.items() if p.startswith(f"{path}/")
    ]
    if not found:
        return 404, _status(404, "NotFound", "the server could not find the requested resource")
    resources = [
        {
            "name": name,
            "singularName": kind.lower(),
            "namespaced": not wide,
            "kind": kind,
            "verbs": ["create", "get", "list", "patch", "watch"],
        }
        for name, kind, wide in found
    ]
    api = path.removeprefix("/apis/").removeprefix("/api/")
    return 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api, "resources": resources}


def _openapi(group: str) -> tuple[int, Object]:
    """That dry runs and validation are understood; schemas are not told."""
    parents = {path: path.rpartition("/")[0].strip("/") for path in KINDS}
    if not group:
        return 200, {"paths": {each: {"serverRelativeURL": f"/openapi/v3/{each}"} for each in parents.values()}}
    options = [{"name": name, "in": "query"} for name in ("dryRun", "fieldValidation")]
    paths = {}
    for path, (api, kind) in KINDS.items():
        if parents[path] == group:
            name, _, version = api.rpartition("/")
            of = {"group": name, "version": version, "kind": kind}
            patch = {"parameters": options, "x-kubernetes-group-version-kind": of, "responses": {}}
            paths[f"{path}/{{name}}"] = {"patch": patch}
    return 200, {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": VERSION}, "paths": paths}
