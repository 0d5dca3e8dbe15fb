"""The typed keys under which the application's parts are found (aiohttp `web.AppKey`).

The types are imported for the checker only: parts that are found by a key may use keys themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from media.worker import LocalMedia
    from server.health import Health
    from server.http_auth import Doorkeeper
    from server.media_workers import MediaWorkers
    from server.metrics import Metrics
    from server.publish_keys import PublishKeys
    from server.rate_limit import Limits
    from server.retention.producer import Producer
    from server.settings import Settings
    from server.signing import SigningKeys
    from server.store import Store
    from server.tls import ServerTls
    from signaling.service import ProfileSource, RoomService

SETTINGS: Final[web.AppKey[Settings]] = web.AppKey("settings")
SIGNING: Final[web.AppKey[SigningKeys]] = web.AppKey("signing")
STORE: Final[web.AppKey[Store]] = web.AppKey("store")
MEDIA: Final[web.AppKey[LocalMedia | MediaWorkers]] = web.AppKey("media")
PRODUCER: Final[web.AppKey[Producer]] = web.AppKey("producer")
ROOMS: Final[web.AppKey[RoomService]] = web.AppKey("rooms")
PUBLISH_KEY: Final[web.RequestKey[str]] = web.RequestKey("publish_key")
"""Of a request: id of the publish key that it showed as its token."""
PROFILES: Final[web.AppKey[ProfileSource]] = web.AppKey("profiles")
DOORKEEPER: Final[web.AppKey[Doorkeeper]] = web.AppKey("doorkeeper")
PUBLISH_KEYS: Final[web.AppKey[PublishKeys]] = web.AppKey("publish_keys")
LIMITS: Final[web.AppKey[Limits]] = web.AppKey("limits")
METRICS: Final[web.AppKey[Metrics]] = web.AppKey("metrics")
TLS: Final[web.AppKey[ServerTls | None]] = web.AppKey("tls")
"""None while `--tls` is off."""
HEALTH: Final[web.AppKey[Health]] = web.AppKey("health")
