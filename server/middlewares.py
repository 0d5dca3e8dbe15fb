"""What every request passes: cross-origin headers, then errors in the one shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from server.app_keys import METRICS, SETTINGS
from server.logs import get_log
from server.problems import HttpProblem, from_http_exception, problem_response, refusal_response
from signaling.errors import Refusal

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log: Final = get_log(__name__)

_CORS_PATHS: Final = ("/whip/", "/whep/", "/api/")
_EXPOSED: Final = "Location, ETag, Link, Retry-After, Accept-Post, Accept-Patch, WWW-Authenticate"
_ALLOWED_METHODS: Final = "GET, HEAD, POST, PATCH, DELETE, OPTIONS"
_ALLOWED_HEADERS: Final = "Authorization, Content-Type, If-Match"
_PREFLIGHT_S: Final = 7200
"""Two hours: the longest that Chromium keeps a preflight."""


@web.middleware
async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let pages of other origins use what only a Bearer token opens (Fetch standard §3.2).

    Credentials are never allowed, so `*` is safe where the operator lists no origins.
    """
    if not request.path.startswith(_CORS_PATHS):
        return await handler(request)
    origin = request.headers.get(hdrs.ORIGIN)
    if request.method == hdrs.METH_OPTIONS and origin is not None and request.path[:5] == "/api/":
        # WHIP and WHEP answer OPTIONS themselves; the API has no OPTIONS but preflights.
        response: web.StreamResponse = web.Response(status=204)
    else:
        response = await handler(request)
    if origin is not None and not response.prepared:
        _add_cors_headers(response, request, origin)
    return response


def _add_cors_headers(response: web.StreamResponse, request: web.Request, origin: str) -> None:
    allowed = request.app[SETTINGS].origins
    response.headers.add(hdrs.VARY, hdrs.ORIGIN)
    if allowed and origin not in allowed:
        return
    headers = response.headers
    headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin if allowed else "*"
    headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED
    if request.method == hdrs.METH_OPTIONS:
        headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = _ALLOWED_METHODS
        headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = _ALLOWED_HEADERS
        headers[hdrs.ACCESS_CONTROL_MAX_AGE] = str(_PREFLIGHT_S)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refusals, HTTP problems and our own bugs as problem details, each counted by code."""
    counts = request.app[METRICS].counters.http_refusals
    try:
        return await handler(request)
    except Refusal as refusal:
        counts[refusal.code] += 1
        return refusal_response(refusal)
    except HttpProblem as problem:
        counts[problem.code] += 1
        return problem_response(problem)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        if error.status == 413:
            counts["too_large"] += 1
            return refusal_response(Refusal("too_large"))
        said = from_http_exception(error)
        counts[said.code] += 1
        return problem_response(said)
    except ConnectionResetError:
        # The client left while we answered. aiohttp gives up quietly on a response that cannot be
        # sent; the exception itself it would log as an error of ours, address included.
        return web.Response()
    except Exception:
        # A bug of ours ends this request only (STYLE §7); it is logged whole and counted.
        _log.exception("request_failed", method=request.method, route=_route(request))
        counts["internal"] += 1
        return refusal_response(Refusal("internal"))


def _route(request: web.Request) -> str:
    """The route's pattern, which names no room and no session."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"
