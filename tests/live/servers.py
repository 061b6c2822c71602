"""Real servers, configured for one test."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from live.netns import Link, Process

HTTP = 80

_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
user root;
events {{ worker_connections 4096; }}
http {{
    log_format counted "$request_length $bytes_sent $status $request_uri";
    access_log {log};
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    client_max_body_size 0; keepalive_requests 100000000; keepalive_timeout 600s; sendfile on;
    server {{
        {listens}
        root {folder}/www;
        location / {{ return 200 "hello\\n"; }}
        location /files/ {{ }}
        location /missing {{ return 404; }}
        location /broken {{ return 503; }}
        location /put/ {{ dav_methods PUT; }}
        {more}
    }}
}}
"""


class Place(Protocol):
    """Where a server runs: a network namespace, or a container in one."""

    def start(self, *command: str, **options: Any) -> Process: ...

    def wait_open(self, port: int, kind: str = "tcp") -> None: ...


def nginx(
    net: Link,
    folder: Path,
    *,
    listens: tuple[str, ...] = (),
    option: str = "",
    log: bool = False,
    more: str = "",
) -> Process:
    """One worker on port 80 of every address; `files/` below the folder's `www/` are sent as they are.

    With `log`, `access.log` has a line for each request: bytes of request and response, status, target.
    """
    wanted = listens or (str(HTTP), f"[::]:{HTTP}")
    return nginx_in(net.server, folder, listens=wanted, option=option, log=log, more=more)


def nginx_in(
    place: Place,
    folder: Path,
    *,
    listens: tuple[str, ...],
    port: int = HTTP,
    option: str = "",
    log: bool = False,
    more: str = "",
) -> Process:
    """The same anywhere; `port`: that it is waited for."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    for name in ("files", "put"):
        (folder / "www" / name).mkdir(parents=True, exist_ok=True)
    (folder / "error.log").touch()
    config = folder / "nginx.conf"
    config.write_text(
        _NGINX.format(
            folder=folder,
            log=f"{folder}/access.log counted" if log else "off",
            listens=" ".join(f"listen {each} {option};" for each in listens),
            more=more,
        ),
        encoding="ascii",
    )
    process = place.start("nginx", "-c", str(config), "-e", str(folder / "error.log"))
    place.wait_open(port)
    return process
