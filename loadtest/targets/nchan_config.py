"""The configuration of a private nginx with Nchan: a core, text in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

CONNECTIONS: Final = 20_000
"""Of each worker, at most."""
_SPARE_FILES: Final = 100

_TEXT: Final = """\
load_module {module};
daemon off;
worker_processes {workers};
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_body_buffer_size 256k;
    client_max_body_size 1m;
    nchan_shared_memory_size 256M;
    server {{
        listen {host}:{port} backlog=4096;
        location = /status {{ nchan_stub_status; }}
        location ~ ^/publish/(.+)$ {{
            nchan_publisher http;
            nchan_channel_id $1;
            # A room keeps some history, too.
            nchan_message_buffer_length 200;
            nchan_message_timeout 1m;
        }}
        location ~ ^/subscribe/(.+)$ {{
            nchan_subscriber websocket;
            nchan_channel_id $1;
            nchan_subscriber_first_message newest;
            nchan_websocket_ping_interval 20;
        }}
    }}
}}
"""


def config(folder: Path, *, module: Path, host: str, port: int, workers: str, files: int) -> str:
    """`/publish/CHANNEL` takes POSTs, `/subscribe/CHANNEL` WebSockets, `/status` says how it is.
    `workers`: a number, or `auto` for one a core; each may have so many `files` open. Everything
    that it writes goes into `folder`."""
    connections = min(CONNECTIONS, files - _SPARE_FILES)
    return _TEXT.format(
        folder=folder,
        module=module,
        host=f"[{host}]" if ":" in host else host,
        port=port,
        workers=workers,
        connections=connections,
        files=connections + _SPARE_FILES,
    )
