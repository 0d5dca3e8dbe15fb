"""Every setting of the program: one strict, frozen model, checked once at start.

`server.settings_sources` fills it (flags > environment `LIANMAI_*` > YAML file); help texts, the
sample file and docs/settings.md are made from the descriptions and units written here.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from media.delay_line import MAX_DELAY_MS
from server.durations import Seconds
from server.turn_url import TurnUrl
from signaling.ids import DEFAULT_SHOP, is_shop_name

MIN_SECRET_CHARS: Final = 32
"""RFC 7518 §3.2: an HS256 key is at least as long as the hash, 256 bits."""
MIN_TURN_SECRET_CHARS: Final = 16
"""Whoever was given a credential may try secrets on it at leisure."""
MIN_TURN_TTL_S: Final = 60.0
"""A clock of the relay may be off by seconds."""
MAX_TURN_TTL_S: Final = 7 * 86400.0
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

Port = Annotated[int, Field(ge=0, le=65535)]


def _split_commas(value: object) -> object:
    """Environment and flags give a list as one text with commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _codec_names(value: object) -> object:
    """Codec names in lower case, as `media.seam.CodecPolicy` has them."""
    names = _split_commas(value)
    return [str(name).lower() for name in names] if isinstance(names, list) else names


TextList = Annotated[list[str], BeforeValidator(_split_commas)]
AudioCodecs = Annotated[list[Literal["opus", "red"]], BeforeValidator(_codec_names)]
VideoCodecs = Annotated[list[Literal["vp8", "h264", "vp9", "av1"]], BeforeValidator(_codec_names)]


# Typed as pydantic's own `Field` is: the field's annotation is what counts.
def _setting(default: Any, text: str, unit: str = "", **limits: Any) -> Any:  # noqa: ANN401
    """A field with what its reader must know: meaning and unit."""
    make: dict[str, Any] = {"default_factory": default} if callable(default) else {}
    if not make:
        make = {"default": default}
    return Field(**make, description=text, json_schema_extra={"unit": unit}, **limits)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TlsSettings(_Section):
    """HTTPS of the front door; `tls: auto` alone is short for `tls: {mode: auto}`."""

    mode: Literal["off", "auto", "files"] = _setting(
        "off",
        "off: plain HTTP (put a proxy with HTTPS in front). auto: a local certificate authority"
        " and a certificate for this machine, for phones on the same network. files: yours.",
    )
    cert: Path | None = _setting(None, "PEM file with the certificate chain, for mode files.")
    key: Path | None = _setting(None, "PEM file with the private key, for mode files.")

    @model_validator(mode="after")
    def _files_are_named(self) -> Self:
        if self.mode == "files" and (self.cert is None or self.key is None):
            raise ValueError("mode files needs both tls.cert and tls.key")
        return self


class KeySettings(_Section):
    """One API key: whose tokens it signs, and its secrets while they rotate."""

    secret: SecretStr = _setting(..., "Signs and verifies tokens (HS256).", "32 characters or more")
    shop: str = _setting(str(DEFAULT_SHOP), "The shop whose tokens this key signs.")
    previous_secret: SecretStr | None = _setting(
        None, "Still verifies tokens until previous_until, while the secret is being changed."
    )
    previous_until: datetime | None = _setting(
        None, "When the previous secret stops to count.", "RFC 3339 time"
    )

    @field_validator("secret", "previous_secret")
    @classmethod
    def _secret_is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < MIN_SECRET_CHARS:
            raise ValueError(
                f"a signing secret needs {MIN_SECRET_CHARS} characters or more;"
                " make one with: openssl rand -base64 32"
            )
        return value

    @field_validator("shop")
    @classmethod
    def _shop_is_a_name(cls, value: str) -> str:
        if not is_shop_name(value):
            raise ValueError("a shop is 1-64 letters, digits, _ or -")
        return value

    @field_validator("previous_until")
    @classmethod
    def _has_zone(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value

    @model_validator(mode="after")
    def _rotation_is_whole(self) -> Self:
        if (self.previous_secret is None) != (self.previous_until is None):
            raise ValueError("previous_secret and previous_until come together")
        return self


class RoomSettings(_Section):
    """What every room allows."""

    seats: int = _setting(4, "Seats of a stage, the host's included.", "seats", ge=1, le=16)
    invite_timeout_s: Seconds = _setting(30.0, "How long an invitation to the mic stays open.", "s")
    seat_grace_s: Seconds = _setting(15.0, "A guest who lost the network keeps the seat.", "s")
    host_grace_s: Seconds = _setting(60.0, "A show waits for its lost host, then ends.", "s")
    max_viewers: int = _setting(5000, "Viewers of one room.", "viewers", ge=1)
    guest_viewers: bool = _setting(True, "Visitors without an account may watch, chat and ask.")
    slots_audio: int = _setting(
        4, "Audio slots in a viewer's offer: voices heard at once.", "slots", ge=1, le=16
    )
    slots_video: int = _setting(
        4, "Video slots in a viewer's offer: pictures seen at once.", "slots", ge=1, le=16
    )
    chat_per_s: float = _setting(2.0, "Chat messages a person may send.", "messages/s", gt=0)
    chat_burst: int = _setting(5, "Chat messages a person may send at once.", "messages", ge=1)
    chat_room_per_s: float = _setting(
        300.0,
        "Chat messages of one room on one server that are shown; beyond it those who spoke longest"
        " ago are heard and the others are told. Host and staff are always heard.",
        "messages/s",
        ge=1,
    )
    slow_mode_s: int = _setting(
        0,
        "Slow mode: between two chat messages of one person, until host or staff set another.",
        "s",
        ge=0,
        le=600,
    )
    ask_per_min: float = _setting(10.0, "Questions a person may ask.", "questions/min", gt=0)
    question_ttl_s: Seconds = _setting(604_800.0, "An open question expires after this.", "s")
    detect_questions: bool = _setting(True, "Chat messages that ask become questions, too.")
    detect_questions_not_in: TextList = _setting(
        list, "Rooms in which chat is not searched for questions."
    )
    title_default: str = _setting("", "Title of a show that was given none.", max_length=200)


class CodecSettings(_Section):
    """What publishers may send; a publisher outside it is refused with 422."""

    audio: AudioCodecs = _setting(
        lambda: ["opus"],
        "Audio codecs, best first: opus; [red, opus] repeats each piece of Opus in the next packet,"
        " for links that lose (RFC 2198), at about twice the audio bitrate; who lacks RED gets"
        " Opus.",
        min_length=1,
    )
    video: VideoCodecs = _setting(
        lambda: ["vp8", "h264"], "Video codecs of vp8, h264, vp9, av1, best first.", min_length=1
    )

    @field_validator("audio")
    @classmethod
    def _holds_opus(cls, value: list[str]) -> list[str]:
        if "opus" not in value:
            raise ValueError("red is a wrapping of opus: name opus too")
        return value


class Settings(_Section):
    """The whole. Secrets (`keys`, `redis`, `turn_secret`) are taken from no flag."""

    host: str = _setting("0.0.0.0", "Address that HTTP and WebSocket listen on.")
    port: Port = _setting(7880, "TCP port of HTTP and WebSocket; 0 takes a free one.")
    udp_port: Port = _setting(7882, "The one port of all media, UDP and TCP; 0 takes a free one.")
    media_tcp: bool = _setting(
        True, "Takes media by TCP on udp_port, too, from clients whose network blocks UDP."
    )
    media_workers: int = _setting(
        0,
        "Processes for media beside the front, each with a port of its own: udp_port, udp_port + 1"
        " and so on. 0: media runs in the front's own event loop.",
        "processes",
        ge=0,
        le=64,
    )
    public_ip: TextList = _setting(
        list, "Addresses that clients reach this machine by, when they are not its own (NAT)."
    )
    data_dir: Path = _setting(Path("data"), "Folder of the store, the signing keys, certificates.")
    redis: SecretStr | None = _setting(
        None,
        "Redis >= 7 or Valkey to use instead of the embedded store:"
        " redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH.",
    )
    durability: Literal["fsync", "everysec", "memory"] = _setting(
        "fsync",
        "What an acknowledgement of the embedded store means. fsync: on disk. everysec: a power"
        " failure loses up to a second. memory: a restart loses everything.",
    )
    tls: TlsSettings = _setting(TlsSettings, "HTTPS of the front door.")
    keys: dict[str, KeySettings] = _setting(
        dict,
        "API keys by id, each {secret, shop, previous_secret, previous_until}."
        " Empty: one is made at first start in the data folder.",
    )
    room: RoomSettings = _setting(RoomSettings, "What every room allows.")
    max_viewers: int = _setting(
        20_000,
        "Sockets of this server, all rooms together; more are refused, host and staff are not.",
        "viewers",
        ge=1,
    )
    codecs: CodecSettings = _setting(CodecSettings, "What publishers may send.")
    stun_servers: TextList = _setting(
        list, "STUN servers told to clients; not needed to reach this server."
    )
    turn_servers: TextList = _setting(
        list,
        "TURN servers for clients whose network blocks the direct way:"
        " turn:HOST:3478?transport=udp (or tcp), turns:HOST:5349?transport=tcp."
        " They must be able to reach udp_port.",
    )
    turn_secret: SecretStr | None = _setting(
        None,
        "Shared with the TURN servers (coturn: use-auth-secret, static-auth-secret); credentials"
        " are made with it for each person at each join.",
        "16 characters or more",
    )
    turn_ttl_s: Seconds = _setting(
        6 * 3600.0, "How long TURN credentials open new relays, 1m to 7d.", "s"
    )
    origins: TextList = _setting(
        list,
        "Web origins (https://shop.example) whose pages may use the API and the socket."
        " Empty: any, because only a token opens anything, never a cookie.",
    )
    internal_port: Port | None = _setting(
        None, "Port on 127.0.0.1 for /metrics and /debug, taken off the main port."
    )
    projector: Literal["on", "off", "only"] = _setting(
        "on",
        "The process that folds engagement events into profiles. on: beside the server."
        " off: another machine runs it. only: this one runs nothing else.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting("info", "Least level shown.")
    log_format: Literal["auto", "text", "json"] = _setting(
        "auto", "auto: text on a terminal, one JSON object a line elsewhere."
    )
    debug_forward_delay_ms: int = _setting(
        0,
        "Holds everything that media receives for so long. For load tests only: the server is"
        " slowed on purpose, and warns about it when it starts.",
        "ms",
        ge=0,
        le=MAX_DELAY_MS,
    )

    @field_validator("tls", mode="before")
    @classmethod
    def _short_tls(cls, value: object) -> object:
        # YAML 1.1 reads a bare `off` as false.
        if value is False:
            return {"mode": "off"}
        return {"mode": value} if isinstance(value, str) else value

    @field_validator("projector", mode="before")
    @classmethod
    def _yaml_on_off(cls, value: object) -> object:
        # YAML 1.1 reads bare on and off as booleans.
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value

    @field_validator("public_ip")
    @classmethod
    def _are_addresses(cls, value: list[str]) -> list[str]:
        for text in value:
            try:
                ipaddress.ip_address(text)
            except ValueError as error:
                raise ValueError(f"{text!r} is no IP address") from error
        return value

    @field_validator("turn_servers")
    @classmethod
    def _are_turn_urls(cls, value: list[str]) -> list[str]:
        for url in value:
            TurnUrl.parse(url)
        return value

    @field_validator("turn_secret")
    @classmethod
    def _turn_secret_is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < MIN_TURN_SECRET_CHARS:
            raise ValueError(
                f"needs {MIN_TURN_SECRET_CHARS} characters or more; make one with:"
                " openssl rand -hex 32"
            )
        return value

    @field_validator("turn_ttl_s")
    @classmethod
    def _turn_ttl_is_bounded(cls, value: float) -> float:
        if not MIN_TURN_TTL_S <= value <= MAX_TURN_TTL_S:
            raise ValueError("must be 1m to 7d")
        return value

    @field_validator("redis")
    @classmethod
    def _is_store_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must be redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH")
        return value

    @field_validator("keys")
    @classmethod
    def _key_ids_fit(cls, value: dict[str, KeySettings]) -> dict[str, KeySettings]:
        for key_id in value:
            if not _KEY_ID.fullmatch(key_id):
                raise ValueError(f"key id {key_id!r} must be 1-64 letters, digits, _ or -")
        return value

    @model_validator(mode="after")
    def _turn_is_whole(self) -> Self:
        if self.turn_servers and self.turn_secret is None:
            raise ValueError("turn_servers needs turn_secret, the secret they share with us")
        return self

    @property
    def media_ports(self) -> tuple[int, ...]:
        """The port of every media worker, or the one of all media; 0 takes a free one."""
        count = max(self.media_workers, 1)
        return tuple(self.udp_port + n for n in range(count)) if self.udp_port else (0,) * count

    @model_validator(mode="after")
    def _workers_have_ports(self) -> Self:
        if self.media_ports[-1] > 65535:
            raise ValueError("media_workers needs as many ports from udp_port on, up to 65535")
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.internal_port and self.internal_port == self.port:
            raise ValueError("internal_port and port must differ")
        return self
