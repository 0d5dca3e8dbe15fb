"""Refusals over HTTP: problem details (RFC 9457) with the one error shape inside (DESIGN 7.10).

Two families end here. A `Refusal` is the rules of the room saying no, with its status in
`signaling.errors`. An `HttpProblem` is HTTP itself saying no (wrong content type, stale ETag) and
never reaches a socket; its codes are registered here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
from aiohttp import web

from signaling.errors import Refusal

CONTENT_TYPE: Final = "application/problem+json"
_BUSY_RETRY_S: Final = 2
"""`Retry-After` of a retryable refusal that names no time of its own."""


class ProblemKind(NamedTuple):
    """Status and default text of a problem of HTTP itself."""

    http: int
    message: str


PROBLEMS: Final[dict[str, ProblemKind]] = {
    "missing_token": ProblemKind(401, "Send a token: Authorization: Bearer <token>."),
    "not_found": ProblemKind(404, "There is nothing at this address."),
    "method_not_allowed": ProblemKind(405, "This address does not take this method."),
    "body_timeout": ProblemKind(408, "The body of the request did not arrive in time."),
    "precondition_failed": ProblemKind(412, "If-Match names an ICE session that is over."),
    "unsupported_media_type": ProblemKind(415, "The content type of the body is not taken here."),
    "bad_fragment": ProblemKind(400, "The body is no SDP fragment (RFC 8840)."),
    "precondition_required": ProblemKind(428, "Send If-Match with the session's ETag."),
    "http_error": ProblemKind(400, "The request was refused."),
}


class HttpProblem(Exception):
    """A problem of HTTP itself; `code` is a key of `PROBLEMS`, `headers` join the response."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        assert code in PROBLEMS, f"unregistered problem code {code}"
        kind = PROBLEMS[code]
        self.code = code
        self.message = message or kind.message
        self.status = status or kind.http
        self.headers = dict(headers or {})
        super().__init__(f"{code}: {self.message}")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body: RFC 9457 members first, then the one error shape."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    message: str
    retryable: bool
    retry_after_ms: int | None = None
    lane: str | None = None


_encoder: Final = msgspec.json.Encoder()


def refusal_response(refusal: Refusal) -> web.Response:
    """The response that says a `Refusal`; adds `Retry-After` and `WWW-Authenticate` as due."""
    headers: dict[str, str] = {}
    if refusal.http == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="lianmai", error="invalid_token"'
    if refusal.retryable:
        headers["Retry-After"] = str(_retry_after_s(refusal.retry_after_ms))
    problem = _problem(refusal.http, refusal.code, refusal.message)
    problem = msgspec.structs.replace(
        problem,
        retryable=refusal.retryable,
        retry_after_ms=refusal.retry_after_ms,
        lane=refusal.lane,
    )
    return _response(problem, headers)


def problem_response(problem: HttpProblem) -> web.Response:
    """The response that says an `HttpProblem`."""
    headers = dict(problem.headers)
    if problem.status == 401:
        # RFC 6750 §3.1: without any credentials there is no error attribute.
        headers.setdefault("WWW-Authenticate", 'Bearer realm="lianmai"')
    return _response(_problem(problem.status, problem.code, problem.message), headers)


def from_http_exception(error: web.HTTPException) -> HttpProblem:
    """aiohttp's own exceptions (no such route, body too large) in our shape."""
    keep = {name: value for name, value in error.headers.items() if name in ("Allow", "Location")}
    match error.status:
        case 404:
            return HttpProblem("not_found", headers=keep)
        case 405:
            return HttpProblem("method_not_allowed", headers=keep)
        case status:
            return HttpProblem("http_error", error.reason, status=status, headers=keep)


def _retry_after_s(retry_after_ms: int | None) -> int:
    """Whole seconds, rounded up and at least one (RFC 9110 §10.2.3 has no fractions)."""
    if retry_after_ms is None:
        return _BUSY_RETRY_S
    return max(1, math.ceil(retry_after_ms / 1000))


def _problem(status: int, code: str, message: str) -> Problem:
    return Problem(
        type=f"urn:lianmai:problem:{code}",
        title=code.replace("_", " "),
        status=status,
        detail=message,
        code=code,
        message=message,
        retryable=False,
    )


def _response(problem: Problem, headers: Mapping[str, str]) -> web.Response:
    return web.Response(
        status=problem.status,
        body=_encoder.encode(problem),
        content_type=CONTENT_TYPE,
        headers={**headers, "Cache-Control": "no-store"},
    )
