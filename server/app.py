"""The application: its parts in the order they need each other, and every route.

Parts are opened and closed in `cleanup_ctx`, last opened first closed:

    store -> TLS -> signing, identities -> retention producer -> projector child -> media -> rooms
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from media.seam import CodecPolicy
from media.worker import LocalMedia, MediaUnavailable, advertised_addresses
from server import health, metrics, pages, part_metrics, rest, socket, whep, whip
from server.app_keys import (
    DOORKEEPER,
    HEALTH,
    LIMITS,
    MEDIA,
    METRICS,
    PRODUCER,
    PROFILES,
    PUBLISH_KEYS,
    ROOMS,
    SETTINGS,
    SIGNING,
    STORE,
    TLS,
)
from server.children import Child
from server.errors import TlsError, UserError
from server.health import Health
from server.http_auth import Doorkeeper
from server.http_body import MAX_BODY_BYTES
from server.identity import Identities
from server.logs import get_log
from server.media_worker_metrics import media_worker_metrics
from server.media_workers import MediaWorkers, WorkerOptions
from server.metrics import Metrics
from server.middlewares import cors, errors
from server.publish_keys import PublishKeys
from server.rate_limit import Limits
from server.retention.producer import Producer
from server.retention.profile import Profiles
from server.settings import Settings
from server.signing import SigningKeys
from server.store import Store, open_store
from server.tls import CHECK_EVERY_S, ServerTls, open_tls
from signaling.clock import SystemClock
from signaling.options import RoomOptions
from signaling.service import RoomService
from signaling.turn import TurnServers
from signaling.views import IceServer

DRAIN_WITHIN_S: Final = 5.0
"""Half of `server.serve.STOP_WITHIN_S`: a room that hangs must not keep the store from closing."""

log = get_log(__name__)


def create_app(settings: Settings) -> web.Application:
    """The whole front with its parts; nothing runs before aiohttp starts it."""
    app = web.Application(middlewares=[cors, errors], client_max_size=MAX_BODY_BYTES)
    app[SETTINGS] = settings
    app[METRICS] = Metrics()
    app[HEALTH] = Health()
    app[LIMITS] = Limits()
    app.cleanup_ctx.extend(
        (
            store_part,
            tls_part,
            people_part,
            retention_part,
            projector_part,
            media_part,
            rooms_part,
            lag_part,
        )
    )
    app.on_shutdown.append(drain)
    whip.DOOR.add_routes(app)
    whep.DOOR.add_routes(app)
    socket.add_routes(app)
    rest.add_routes(app)
    health.add_routes(app)
    if settings.internal_port is None:
        metrics.add_routes(app)
    pages.add_routes(app)
    return app


def create_internal_app(main: web.Application) -> web.Application:
    """`/metrics` and health for a port of their own (`--internal-port`)."""
    app = web.Application()
    app[METRICS] = main[METRICS]
    app[HEALTH] = main[HEALTH]
    metrics.add_routes(app)
    health.add_routes(app)
    return app


async def drain(app: web.Application) -> None:
    """First step of stopping: take nobody new, send every socket away with `shutting_down`."""
    app[HEALTH].is_draining = True
    try:
        async with asyncio.timeout(DRAIN_WITHIN_S):
            await app[ROOMS].close()
    except TimeoutError:
        log.error("drain_timed_out", limit_s=DRAIN_WITHIN_S)  # the other parts still close in order


async def store_part(app: web.Application) -> AsyncIterator[None]:
    """The embedded store, or the connection to another one."""
    async with open_store(app[SETTINGS]) as store:
        app[STORE] = store
        app[HEALTH].add("store", lambda: store_check(store))
        yield


async def store_check(store: Store) -> str | None:
    """What is wrong with the store, if anything."""
    try:
        await store.ping()
    except Exception as error:  # whatever it is, the answer to /readyz is that sentence
        return f"the store does not answer: {type(error).__name__}"
    return None


async def people_part(app: web.Application) -> AsyncIterator[None]:
    """Keys, and what turns tokens into people."""
    store = app[STORE].client
    signing = SigningKeys.load(app[SETTINGS])
    publish_keys = PublishKeys(store=store, signing=signing)
    app[SIGNING] = signing
    app[PUBLISH_KEYS] = publish_keys
    app[DOORKEEPER] = Doorkeeper(
        signing=signing, identities=Identities(store=store), publish_keys=publish_keys
    )
    yield


async def tls_part(app: web.Application) -> AsyncIterator[None]:
    """The certificate, looked at every hour: a renewed one is used without a restart."""
    tls = open_tls(app[SETTINGS])
    app[TLS] = tls
    if tls is None:
        yield
        return
    task = asyncio.create_task(_keep_certificate(tls), name="tls-refresh")
    try:
        yield
    finally:
        await _end(task)


async def _keep_certificate(tls: ServerTls) -> None:
    while True:
        await asyncio.sleep(CHECK_EVERY_S)
        try:
            await asyncio.to_thread(tls.refresh)
        except TlsError as error:
            log.error("certificate_not_renewed", error=str(error))  # the old one stays in use


async def retention_part(app: web.Application) -> AsyncIterator[None]:
    """Engagement events out, profiles in."""
    store = app[STORE].client
    producer = Producer(store, spool_dir=app[SETTINGS].data_dir / "spool")
    app[PRODUCER] = producer
    app[PROFILES] = Profiles(store)
    await producer.start()
    try:
        yield
    finally:
        await producer.close()


async def projector_part(app: web.Application) -> AsyncIterator[None]:
    """The projector process, unless another machine runs it."""
    if app[SETTINGS].projector == "off":
        yield
        return
    async with projector_child(app[STORE]):
        yield


def projector_child(store: Store) -> Child:
    """The projector, supervised; the store's URL travels in its environment (it may hold a
    password, and arguments are there for everybody to read)."""
    return Child(
        "projector",
        (sys.executable, "-m", "server.retention.projector"),
        env={**os.environ, **store.child_environment()},
    )


async def media_part(app: web.Application) -> AsyncIterator[None]:
    """Media: in this event loop, or in worker processes."""
    media = make_media(app[SETTINGS])
    try:
        await media.start()
    except MediaUnavailable as error:
        raise UserError(str(error)) from error
    app[MEDIA] = media
    app[HEALTH].add("media", lambda: media_check(media))
    try:
        yield
    finally:
        await media.close()


def make_media(settings: Settings) -> LocalMedia | MediaWorkers:
    """Media as the settings want it, not started yet."""
    if not settings.media_workers:
        return LocalMedia(
            host=settings.host,
            port=settings.udp_port,
            advertised=media_addresses(settings),
            tcp=settings.media_tcp,
            debug_forward_delay_ms=settings.debug_forward_delay_ms,
        )
    return MediaWorkers(
        WorkerOptions(
            count=settings.media_workers,
            host=settings.host,
            udp_port=settings.udp_port,
            advertised=media_addresses(settings),
            tcp=settings.media_tcp,
            debug_forward_delay_ms=settings.debug_forward_delay_ms,
        )
    )


def media_addresses(settings: Settings) -> tuple[str, ...]:
    """What answers offer as candidates: the public addresses where the operator knows them."""
    return tuple(settings.public_ip) or advertised_addresses(settings.host)


async def media_check(media: LocalMedia | MediaWorkers) -> str | None:
    """Whether a media port is bound. One worker of several that is down keeps nobody away."""
    if media.is_bound:
        return None
    if isinstance(media, LocalMedia):
        return "the UDP port is not bound"
    return "no media worker is up; they are being started again"


async def rooms_part(app: web.Application) -> AsyncIterator[None]:
    """The rooms, closed by `drain` when the server stops in order."""
    rooms = RoomService(
        store=app[STORE].client,
        media=app[MEDIA],
        sink=app[PRODUCER],
        profiles=app[PROFILES],
        options=room_options(app[SETTINGS]),
        node=secrets.token_hex(4),
        clock=SystemClock(),
    )
    await rooms.start()
    app[ROOMS] = rooms
    media, producer, metrics = app[MEDIA], app[PRODUCER], app[METRICS]
    metrics.add_source(lambda: part_metrics.room_metrics(rooms.stats()))
    metrics.add_source(lambda: part_metrics.quality_metrics(rooms.figures))
    metrics.add_source(lambda: part_metrics.media_metrics(media.totals(), media.udp_stats))
    metrics.add_source(lambda: part_metrics.media_tcp_metrics(media.tcp_stats))
    workers = media if isinstance(media, MediaWorkers) else None
    metrics.add_source(lambda: media_worker_metrics(workers))
    metrics.add_source(lambda: part_metrics.retention_metrics(producer.stats()))
    try:
        yield
    finally:
        await rooms.close()


def room_options(settings: Settings) -> RoomOptions:
    """The part of the settings that rooms know."""
    room = settings.room
    return RoomOptions(
        seats=room.seats,
        invite_timeout_ms=round(room.invite_timeout_s * 1000),
        seat_grace_ms=round(room.seat_grace_s * 1000),
        host_grace_ms=round(room.host_grace_s * 1000),
        max_viewers=room.max_viewers,
        max_viewers_node=settings.max_viewers,
        slow_mode_s=room.slow_mode_s,
        slots_audio=room.slots_audio,
        slots_video=room.slots_video,
        chat_per_s=room.chat_per_s,
        chat_burst=room.chat_burst,
        chat_room_per_s=room.chat_room_per_s,
        ask_per_min=room.ask_per_min,
        question_ttl_ms=round(room.question_ttl_s * 1000),
        detect_questions=room.detect_questions,
        undetected_rooms=frozenset(room.detect_questions_not_in),
        title_default=room.title_default,
        policy=CodecPolicy(audio=tuple(settings.codecs.audio), video=tuple(settings.codecs.video)),
        ice_servers=tuple(IceServer(urls=(url,)) for url in settings.stun_servers),
        turn=turn_servers(settings),
    )


def turn_servers(settings: Settings) -> TurnServers | None:
    """The relays with the secret we share with them, if there are any."""
    if not settings.turn_servers or settings.turn_secret is None:
        return None
    return TurnServers(
        urls=tuple(settings.turn_servers),
        secret=settings.turn_secret.get_secret_value(),
        ttl_s=round(settings.turn_ttl_s),
    )


async def lag_part(app: web.Application) -> AsyncIterator[None]:
    """The measurement of the event loop's lag."""
    task = asyncio.create_task(app[METRICS].watch_loop(), name="loop-lag")
    try:
        yield
    finally:
        await _end(task)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
