"""Products of a room over HTTP: listed by the shop's back end, pinned from anywhere."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from server.app_keys import DOORKEEPER, ROOMS
from server.http_auth import room_of
from server.http_json import json_response, read_json
from signaling.errors import Refusal
from signaling.texts import clean_text
from signaling.views import ProductView

MAX_TITLE_CHARS: Final = 100
MAX_URL_CHARS: Final = 500
MAX_PRICE_MINOR: Final = 10**12

_SKU: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_URL_CHARS: Final = re.compile(r"[!-~]*")
"""Visible ASCII: everything else is to be percent-encoded (RFC 3986 §2)."""
_PATH: Final = re.compile(r"/(?![/\\])[^\\]*")
"""A path of this server. `//host` and `/\\host` are other hosts to a browser."""

Url = Annotated[str, msgspec.Meta(max_length=MAX_URL_CHARS)]


class NewProduct(msgspec.Struct, frozen=True):
    """`price_minor` counts the smallest unit of `currency` (2990 of CNY is 29.90 yuan).
    `picture_url`: `https://…` or a path of this server. `link`: `http://…` or `https://…`."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TITLE_CHARS)]
    price_minor: Annotated[int, msgspec.Meta(ge=0, le=MAX_PRICE_MINOR)]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    picture_url: Url = ""
    link: Url = ""


async def put_product(request: web.Request) -> web.Response:
    """List a product, or change the one with this sku. A pinned card changes at once."""
    who = await request.app[DOORKEEPER].caller(request, room_of(request), grant="api")
    product = _product(_sku_of(request), await read_json(request, NewProduct))
    await request.app[ROOMS].shelves.put(who, product)
    return json_response(product)


async def list_products(request: web.Request) -> web.Response:
    """Every product of the room, in the order of listing, and the pinned one's sku."""
    who = await request.app[DOORKEEPER].caller(request, room_of(request), grant="api")
    return json_response(await request.app[ROOMS].shelves.view(who.ref))


async def remove_product(request: web.Request) -> web.Response:
    """Take a product off the shelf, and its card off every page."""
    who = await request.app[DOORKEEPER].caller(request, room_of(request), grant="api")
    await request.app[ROOMS].shelves.remove(who, _sku_of(request))
    return web.Response(status=204)


async def pin_product(request: web.Request) -> web.Response:
    """Show the product's card on every page, instead of the one before."""
    who = await request.app[DOORKEEPER].caller(request, room_of(request), grant="manage_stage")
    await request.app[ROOMS].shelves.pin(who, _sku_of(request))
    return web.Response(status=204)


async def unpin_product(request: web.Request) -> web.Response:
    """Take the card down; without effect when another product is pinned."""
    who = await request.app[DOORKEEPER].caller(request, room_of(request), grant="manage_stage")
    await request.app[ROOMS].shelves.unpin(who, _sku_of(request))
    return web.Response(status=204)


def _sku_of(request: web.Request) -> str:
    sku = request.match_info["sku"]
    if _SKU.fullmatch(sku) is None:
        raise Refusal("bad_message", "sku: 1-64 letters, digits, _ . or -")
    return sku


def _product(sku: str, given: NewProduct) -> ProductView:
    """A product whose title can be seen and whose addresses lead where they say."""
    title = clean_text(given.title, "title", MAX_TITLE_CHARS)
    if not title:
        raise Refusal("empty_text", "title: nothing of it can be seen.")
    if given.picture_url and not is_picture(given.picture_url):
        raise Refusal("bad_message", "picture_url: not an https address or a path of this server.")
    if given.link and not _is_address(given.link, {"http", "https"}):
        raise Refusal("bad_message", "link: not an http or https address.")
    return ProductView(
        sku=sku,
        title=title,
        price_minor=given.price_minor,
        currency=given.currency,
        picture_url=given.picture_url,
        link=given.link,
    )


def is_picture(url: str) -> bool:
    """Pages are shown over https, where a browser loads no picture over http."""
    is_path = _PATH.fullmatch(url) is not None and _URL_CHARS.fullmatch(url) is not None
    return is_path or _is_address(url, {"https"})


def _is_address(url: str, schemes: set[str]) -> bool:
    """An absolute address of one of `schemes`, with a host and without user and password."""
    if _URL_CHARS.fullmatch(url) is None or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and has_host and "@" not in parts.netloc
