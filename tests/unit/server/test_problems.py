"""Refusals as problem details: every code has a body, a status and the right headers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from server.problems import (
    PROBLEMS,
    HttpProblem,
    Problem,
    from_http_exception,
    problem_response,
    refusal_response,
)
from signaling.errors import REFUSALS, Refusal


def body(response: web.Response) -> Problem:
    assert response.content_type == "application/problem+json"
    assert isinstance(response.body, bytes)
    return msgspec.json.decode(response.body, type=Problem)


@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal(code: str) -> None:
    response = refusal_response(Refusal(code, retry_after_ms=1500))
    said = body(response)
    assert response.status == said.status == REFUSALS[code].http
    assert said.code == code
    assert said.detail == said.message == REFUSALS[code].message
    assert said.retryable == REFUSALS[code].retryable
    assert ("Retry-After" in response.headers) == said.retryable
    assert ("WWW-Authenticate" in response.headers) == (response.status == 401)


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_problem_of_http(code: str) -> None:
    response = problem_response(HttpProblem(code))
    assert response.status == body(response).status == PROBLEMS[code].http


def test_the_two_registries_share_no_code() -> None:
    assert not PROBLEMS.keys() & REFUSALS.keys()


@pytest.mark.parametrize(("ms", "seconds"), [(None, "2"), (0, "1"), (1, "1"), (1001, "2")])
def test_retry_after_is_whole_seconds_rounded_up(ms: int | None, seconds: str) -> None:
    response = refusal_response(Refusal("rate_limited", retry_after_ms=ms))
    assert response.headers["Retry-After"] == seconds


def test_what_is_not_known_is_left_out() -> None:
    plain = refusal_response(Refusal("forbidden"))
    assert isinstance(plain.body, bytes)
    assert b"retry_after_ms" not in plain.body
    assert b'"retryable":false' in plain.body
    told = body(refusal_response(Refusal("rate_limited", retry_after_ms=7, lane="chat")))
    assert (told.retry_after_ms, told.lane) == (7, "chat")


def test_aiohttps_own_exceptions() -> None:
    refused = web.HTTPMethodNotAllowed("PUT", ["GET", "POST"])
    problem = from_http_exception(refused)
    assert problem.code == "method_not_allowed"
    assert problem_response(problem).headers["Allow"] == refused.headers["Allow"]
    assert from_http_exception(web.HTTPNotFound()).code == "not_found"
    other = from_http_exception(web.HTTPNotAcceptable())
    assert (other.code, other.status) == ("http_error", 406)


def test_every_problem_of_http_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "http.md").read_text()
    for code, kind in PROBLEMS.items():
        status = "any" if code == "http_error" else str(kind.http)
        assert f"| `{code}` | {status} |" in page
