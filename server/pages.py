"""The web pages and what protects them: content security policy, permissions, revalidation.

Pages hold no data and no secrets: a token travels in the URL fragment, which browsers never send.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from server.app_keys import TLS
from server.http_auth import room_of
from server.problems import HttpProblem

WEB_DIR: Final = Path(__file__).parent / "web"

PAGES: Final[dict[str, str]] = {
    "/": "lobby.html",
    "/room/{room}": "viewer.html",
    "/console/{room}": "console.html",
    "/obs/{room}": "obs.html",
    "/guide/phone": "phone.html",
}

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob: https:",  # products are pictured at the shop,
        "media-src 'self' blob: mediastream:",
        "connect-src 'self' ws: wss:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)

_PAGE_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""Said here, not by the machine: a module with another type is not run by browsers."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def page(name: str) -> Handler:
    """A handler that sends one page, revalidated at every visit so that an update is seen."""

    async def send(request: web.Request) -> web.StreamResponse:
        if "room" in request.match_info:
            room_of(request)
        return web.FileResponse(WEB_DIR / name, headers=_PAGE_HEADERS)

    return send


def static_files() -> dict[str, Path]:
    """Everything below `/static/`, by its path there. A table made at start, so that no spelling
    of a path can lead out of the folder."""
    return {
        path.relative_to(WEB_DIR).as_posix(): path
        for path in WEB_DIR.rglob("*")
        if path.suffix in _TYPES and path.is_file()
    }


def static(files: Mapping[str, Path]) -> Handler:
    """A handler that sends one of `files`."""

    async def send(request: web.Request) -> web.StreamResponse:
        path = files.get(request.match_info["path"])
        if path is None:
            raise HttpProblem("not_found")
        return web.FileResponse(path, headers={hdrs.CONTENT_TYPE: _TYPES[path.suffix]})

    return send


async def certificate(request: web.Request) -> web.StreamResponse:
    """The certificate of our own authority, for a phone to trust (`--tls auto` only)."""
    tls = request.app[TLS]
    certificate = tls.ca_der if tls is not None else None
    if certificate is None:
        raise HttpProblem("not_found", "This server has no certificate authority of its own.")
    return web.Response(
        body=certificate,
        headers={
            hdrs.CONTENT_TYPE: "application/x-x509-ca-cert",
            hdrs.CONTENT_DISPOSITION: 'attachment; filename="lianmai-ca.crt"',
            hdrs.CACHE_CONTROL: "no-cache",
        },
    )


async def protect(request: web.Request, response: web.StreamResponse) -> None:
    """On every response: no type sniffing, no referrer; files are revalidated by their ETag."""
    response.headers[hdrs.SERVER] = "lianmai"
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    if isinstance(response, web.FileResponse):
        response.headers.setdefault(hdrs.CACHE_CONTROL, "no-cache")


def add_routes(app: web.Application) -> None:
    for path, name in PAGES.items():
        app.router.add_get(path, page(name))
    app.router.add_get("/ca.crt", certificate)
    app.router.add_get("/static/{path:.+}", static(static_files()))
    app.on_response_prepare.append(protect)
