"""What must not stand in a log: tokens, addresses, names of people.

Secrets become `***`. An address or a name becomes a pseudonym that is stable within one run of the
program, so that lines about the same peer can still be put together, and no longer.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from typing import Final

HIDDEN: Final = "***"
SECRET_FIELDS: Final = frozenset(
    {
        "token",
        "secret",
        "password",
        "pwd",
        "authorization",
        "credential",
        "publish_key",
        "cookie",
        "turn_secret",
    }
)
PERSON_FIELDS: Final = frozenset(
    {"user", "name", "user_name", "display_name", "nickname", "username"}
)

_JWT: Final = re.compile(r"eyJ[\w-]{4,}\.[\w-]+\.[\w-]*")
_BEARER: Final = re.compile(r"(?i)\b(bearer)\s+[^\s\"',;]+")
_URL_USERINFO: Final = re.compile(r"(\w://)[^/\s@\"']*@")
_ASSIGNED: Final = re.compile(r"(?i)\b(token|secret|password|pwd|credential)=[\"']?[^\s&\"']+")
_IPV4: Final = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\.\d)")
# A candidate only; `ipaddress` decides. Times (12:34:56) have too few colons to pass there.
_IPV6: Final = re.compile(r"(?<![\w:])[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?![\w:])")


class Redactor:
    """Redacts texts and fields; `salt` makes pseudonyms unlinkable between runs."""

    def __init__(self, salt: bytes) -> None:
        self._salt: Final = salt

    def text(self, text: str) -> str:
        """`text` without tokens, passwords in URLs, and addresses of peers."""
        text = _JWT.sub(HIDDEN, text)
        text = _BEARER.sub(rf"\1 {HIDDEN}", text)
        text = _URL_USERINFO.sub(rf"\1{HIDDEN}@", text)
        text = _ASSIGNED.sub(rf"\1={HIDDEN}", text)
        text = _IPV4.sub(self._address, text)
        return _IPV6.sub(self._address, text)

    def field(self, name: str, value: object) -> object:
        """The value of a named field as it may be logged (its text is redacted later)."""
        if value is None or value == "":
            return value
        if name in SECRET_FIELDS:
            return HIDDEN
        if name in PERSON_FIELDS:
            return self._pseudonym("person", str(value))
        return value

    def _address(self, match: re.Match[str]) -> str:
        # Punctuation that ends a sentence or a key is no part of an address.
        text = match[0].rstrip(".")
        tail = match[0][len(text) :]
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return match[0]
        if address.is_loopback or address.is_unspecified:
            return match[0]
        return self._pseudonym("ip", address.compressed) + tail

    def _pseudonym(self, kind: str, value: str) -> str:
        digest = hmac.new(self._salt, value.encode(), hashlib.sha256).hexdigest()
        return f"{kind}-{digest[:8]}"
