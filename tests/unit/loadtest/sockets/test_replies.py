"""Replies find their requests."""

from __future__ import annotations

import asyncio

import pytest

from loadtest.sockets.replies import Replies, refused_by
from loadtest.targets.target import Refused


async def test_a_reply_goes_to_its_request_alone() -> None:
    replies = Replies()
    with replies.expect() as (first, one), replies.expect() as (second, two):
        assert first != second
        replies.settle({"type": "ack", "id": second})
        replies.settle({"type": "ack", "id": second})
        replies.settle({"type": "ack", "id": "unknown"})
        assert two.result()["id"] == second
        assert not one.done()
    assert one.cancelled()


async def test_ids_of_two_sockets_differ() -> None:
    with Replies().expect() as (one, _), Replies().expect() as (other, _):
        assert one != other


async def test_a_refusal_without_an_id_is_for_the_newest_request() -> None:
    replies, refused = Replies(), Refused("rate_limited")
    assert not replies.refuse(None, refused)
    with replies.expect() as (first, one), replies.expect() as (_, two):
        assert replies.refuse(None, refused)
        assert two.exception() is refused
        assert not one.done()
        assert not replies.refuse(None, refused)
        assert not replies.refuse("unknown", refused)
        assert replies.refuse(first, refused)
        assert one.exception() is refused


async def test_a_lost_socket_refuses_everybody() -> None:
    replies = Replies()
    with replies.expect() as (key, one), replies.expect() as (_, two):
        replies.settle({"type": "ack", "id": key})
        replies.refuse_all(Refused("closed_1006"))
        assert await one == {"type": "ack", "id": key}
        with pytest.raises(Refused, match="closed_1006"):
            await asyncio.wait_for(two, 1)


def test_what_an_error_says() -> None:
    error = {"type": "error", "code": "rate_limited", "message": "wait", "retry_after_ms": 480}
    refused = refused_by(error)
    assert (refused.code, str(refused), refused.retry_after_s) == ("rate_limited", "wait", 0.48)
    assert refused_by({"code": "forbidden", "message": "no"}).retry_after_s is None
