"""JSON bodies over HTTP, in and out, through `msgspec` only."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from server.http_body import read_text
from signaling.errors import Refusal

T = TypeVar("T")
_encoder: Final = msgspec.json.Encoder()


def json_response(
    body: Any,  # noqa: ANN401 - whatever msgspec can encode
    *,
    status: int = 200,
) -> web.Response:
    """`body` as JSON; never cached, since everything here changes."""
    return web.Response(
        status=status,
        body=_encoder.encode(body),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def read_json(request: web.Request, model: type[T]) -> T:
    """The body validated against `model`; an empty body is `{}`. Raises `Refusal`."""
    text = await read_text(request)
    try:
        return msgspec.json.decode(text or "{}", type=model)
    except msgspec.ValidationError as error:
        raise Refusal("bad_message", str(error)) from error
    except msgspec.DecodeError as error:
        raise Refusal("bad_message", "The body is not JSON.") from error
