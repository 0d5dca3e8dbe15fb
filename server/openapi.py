"""The OpenAPI 3.1 description of everything HTTP, made from the operations and their models."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

import msgspec

from server.commands import version
from server.problems import CONTENT_TYPE as PROBLEM_TYPE
from server.problems import Problem
from server.rest import OPERATIONS, Operation
from server.sdp_sessions import FRAGMENT_TYPE, SDP_TYPE
from signaling.errors import REFUSALS

_REF: Final = "#/components/schemas/{name}"
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_PARAMETER_TEXT: Final = {
    "room": "1-64 letters, digits, _ or -",
    "session": "from the Location header of the POST",
    "subject": "pseudonym of a person",
    "key_id": "id of a publish key",
    "sku": "1-64 letters, digits, _ . or -",
}


@cache
def document() -> dict[str, Any]:
    """The whole document as plain JSON values; built once."""
    models = _models()
    _, components = msgspec.json.schema_components(models, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        item = paths.setdefault(operation.path, _path_item(operation.path))
        item[operation.method.lower()] = _operation(operation)
    paths |= _sdp_paths("whip", "publish", "Bearer token with the grant publish")
    paths |= _sdp_paths("whep", "play", "Bearer token, or none where guests may watch")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lianmai",
            "version": version(),
            "description": "Rooms over HTTP. The room socket is described in docs/protocol.md.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


def _models() -> list[type[Any]]:
    used = {model for op in OPERATIONS for model in (op.takes, op.returns) if model is not None}
    return [Problem, *sorted(used, key=lambda model: model.__name__)]


def _ref(model: type[Any]) -> dict[str, str]:
    return {"$ref": _REF.format(name=model.__name__)}


def _path_item(path: str) -> dict[str, Any]:
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PARAMETER_TEXT[name],
            "schema": {"type": "string"},
        }
        for name in _PARAMETER.findall(path)
    ]
    return {"parameters": parameters} if parameters else {}


def _operation(operation: Operation) -> dict[str, Any]:
    description: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.handler.__doc__,
        "security": _security(operation.auth),
        "responses": {str(operation.status): _success(operation)} | _refused(operation),
    }
    if operation.takes is not None:
        description["requestBody"] = {
            "content": {"application/json": {"schema": _ref(operation.takes)}}
        }
    return description


def _security(auth: str) -> list[dict[str, list[str]]]:
    match auth:
        case "none":
            return []
        case "optional":
            return [{}, {"bearer": []}]
        case _:
            return [{"bearer": []}]


def _success(operation: Operation) -> dict[str, Any]:
    response: dict[str, Any] = {"description": operation.summary}
    if operation.returns is not None:
        response["content"] = {"application/json": {"schema": _ref(operation.returns)}}
    elif operation.status != 204:
        response["content"] = {"application/json": {"schema": {"type": "object"}}}
    return response


def _refused(operation: Operation) -> dict[str, Any]:
    """One response per status, naming the codes that lead to it."""
    by_status: dict[int, list[str]] = {429: ["rate_limited"]}
    if operation.auth != "none":
        by_status[401] = ["bad_token", "token_expired"]
    for code in operation.refusals:
        codes = by_status.setdefault(REFUSALS[code].http, [])
        if code not in codes:
            codes.append(code)
    return {str(status): _problem(", ".join(by_status[status])) for status in sorted(by_status)}


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {PROBLEM_TYPE: {"schema": _ref(Problem)}}}


def _sdp_paths(door: str, verb: str, who: str) -> dict[str, Any]:
    endpoint, session = f"/{door}/{{room}}", f"/{door}/{{room}}/{{session}}"
    sdp: dict[str, Any] = {"content": {SDP_TYPE: {"schema": {"type": "string"}}}}
    fragment: dict[str, Any] = {"content": {FRAGMENT_TYPE: {"schema": {"type": "string"}}}}
    security = _security("bearer" if door == "whip" else "optional")
    etag = {"ETag": {"schema": {"type": "string"}}}
    location = {"Location": {"schema": {"type": "string"}}, "Link": {"schema": {"type": "string"}}}
    return {
        endpoint: _path_item(endpoint)
        | {
            "post": {
                "operationId": f"{door}Offer",
                "summary": f"Start to {verb}: SDP offer in, answer out. {who}",
                "security": security,
                "requestBody": {"required": True, **sdp},
                "responses": {
                    "201": {"description": "The answer", "headers": etag | location, **sdp},
                    **{
                        status: _problem(text)
                        for status, text in {
                            "400": "bad_sdp",
                            "401": "bad_token, token_expired",
                            "403": "wrong_room, forbidden",
                            "409": "not_live, source_taken",
                            "413": "too_large",
                            "415": "unsupported_media_type",
                            "422": "unsupported_codec, too_many_tracks, not_bundled",
                            "429": "rate_limited",
                            "503": "too_many_peers, store_unavailable, shutting_down",
                        }.items()
                    },
                },
            },
            "get": _probe(f"{door}Probe"),
            "options": _probe(f"{door}Options"),
        },
        session: _path_item(session)
        | {
            "patch": {
                "operationId": f"{door}Patch",
                "summary": "Trickled candidates (If-Match: etag) or an ICE restart (If-Match: *)",
                "security": security,
                "requestBody": {"required": True, **fragment},
                "responses": {
                    "200": {"description": "ICE restarted", "headers": etag, **fragment},
                    "204": {"description": "Taken"},
                    "400": _problem("bad_fragment"),
                    "404": _problem("unknown_peer"),
                    "412": _problem("precondition_failed"),
                    "415": _problem("unsupported_media_type"),
                    "428": _problem("precondition_required"),
                },
            },
            "delete": {
                "operationId": f"{door}Delete",
                "summary": "End the session",
                "security": security,
                "responses": {
                    "200": {"description": "Ended"},
                    "404": _problem("unknown_peer"),
                },
            },
            "get": _probe(f"{door}SessionProbe"),
            "options": _probe(f"{door}SessionOptions"),
        },
    }


def _probe(name: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": "2xx without content",
        "security": [],
        "responses": {"2XX": {"description": "There is such an address"}},
    }
