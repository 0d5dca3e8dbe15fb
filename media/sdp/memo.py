"""Offers of one browser differ in a few lines: what is the same is parsed once for all of them.

Reading Chromium's offer costs some 4 ms and makes 16 KiB of codecs. Yet two viewers with the same
browser differ in ICE credentials, fingerprint, candidates and session id alone. These *personal*
values are taken out and numbered placeholders put in their place, which makes the *template*; it
is parsed as any offer (`media/sdp/parse.py`) and remembered, and the personal values go into a copy
of the result. Only values in their plain form are taken out. Whatever else a line says stays in the
template, so that what is accepted, what is refused and what it means are the parser's alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

from media.certificate import Fingerprint
from media.sdp import parse
from media.sdp.offer import Offer
from media.transport import RemoteTransport

MAX_TEMPLATES: Final = 64
"""Browsers, versions and kinds of offers in use at a time; strangers can only crowd them out."""
MAX_TEMPLATE_CHARS: Final = 32_768
"""Longer offers are parsed each time: bounds the memory of the templates to a few megabytes.
Chromium 156 with four video and four audio slots makes 24 kB."""

_PERSONAL: Final = re.compile(
    r"^(?:(?P<origin>o=)[ -~]{1,200}"
    r"|(?P<ufrag>a=ice-ufrag:)(?P<ufrag_value>[A-Za-z0-9+/=_-]{4,256})"
    r"|(?P<pwd>a=ice-pwd:)(?P<pwd_value>[A-Za-z0-9+/=_-]{22,256})"
    r"|(?P<digest>a=fingerprint:[A-Za-z0-9-]{1,20} )"
    r"(?P<digest_value>[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){1,63})"
    r"|(?P<candidate>a=candidate:)(?P<candidate_value>[A-Za-z0-9+/]{1,32} [12] (?:udp|tcp|UDP|TCP)"
    r" \d{1,10} [0-9A-Za-z.:-]{1,80} \d{1,5} typ [a-z]{1,8}(?: raddr [0-9A-Za-z.:-]{1,80}"
    r"| rport \d{1,5}| (?:tcptype|generation|ufrag|network-id|network-cost) [!-~]{1,40}){0,8}))"
    r"(?=\r?\n|\r|\Z)",
    re.MULTILINE,
)


def parse_offer_untrusted(text: str) -> Offer:
    """`media.sdp.parse.parse_offer_untrusted`, cheap for an offer like one that came before."""
    if len(text) > MAX_TEMPLATE_CHARS:
        return parse.parse_offer_untrusted(text)
    values: dict[str, str] = {}

    def take_out(match: re.Match[str]) -> str:
        name = match.lastgroup or ""
        if name == "origin":
            return "o=- 1 1 IN IP4 0.0.0.0"
        prefix = match[name.removesuffix("_value")]
        placeholder = _placeholder(prefix, len(values))
        values[placeholder] = match[name]
        return prefix + placeholder

    template = _PERSONAL.sub(take_out, text)
    return _with_personal(_parse_template(template), values)


def _placeholder(prefix: str, number: int) -> str:
    """A value that the parser takes in the place of a personal one, another for each number."""
    if prefix == "a=candidate:":
        return f"{number} 1 udp 1 0.0.0.0 9 typ host"
    if prefix.startswith("a=fingerprint:"):
        return f"{number:064X}".encode().hex(":").upper()
    return f"placeholder-of-personal-{number}"


@lru_cache(maxsize=MAX_TEMPLATES)
def _parse_template(template: str) -> Offer:
    # The memo of a pure function; offers are frozen, refusals are not remembered.
    return parse.parse_offer_untrusted(template)


def _with_personal(offer: Offer, values: Mapping[str, str]) -> Offer:
    """A copy with the values in the places of their placeholders."""
    remote = offer.remote
    return replace(
        offer,
        remote=RemoteTransport(
            values.get(remote.ufrag, remote.ufrag),
            values.get(remote.pwd, remote.pwd),
            tuple(
                Fingerprint(each.algorithm, values.get(each.value, each.value).upper())
                for each in remote.fingerprints
            ),
        ),
        candidates=tuple(values.get(each, each) for each in offer.candidates),
    )
