"""Real servers, configured for one test."""

from __future__ import annotations

from pathlib import Path

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
    folder.chmod(0o755)
    for name in ("files", "put"):
        (folder / "www" / name).mkdir(parents=True, exist_ok=True)
    (folder / "error.log").touch()
    config = folder / "nginx.conf"
    wanted = listens or (str(HTTP), f"[::]:{HTTP}")
    config.write_text(
        _NGINX.format(
            folder=folder,
            log=f"{folder}/access.log counted" if log else "off",
            listens=" ".join(f"listen {each} {option};" for each in wanted),
            more=more,
        ),
        encoding="ascii",
    )
    process = net.server.start("nginx", "-c", str(config), "-e", str(folder / "error.log"))
    net.server.wait_open(HTTP)
    return process
