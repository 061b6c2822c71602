"""The OpenAPI 3.1 document, made of the operations and the types of their answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

import kindling
from kindling.api.answers import REF
from kindling.api.field_texts import FIELD_TEXTS
from kindling.api.operations import EVENTS, JSON, Operation
from kindling.api.parameters import Parameter
from kindling.api.problems import MEDIA_TYPE, ProblemRecord
from kindling.config import NO_FILE, Server

Json = dict[str, Any]

#: What any request may meet, by status.
_PROBLEMS: Final = {
    400: "The question cannot be understood.",
    401: "No token, a wrong one, or no client certificate.",
    403: "The agent does not answer to the name in the Host header.",
    404: "There is nothing at this path.",
    405: "The path does not take this method.",
    413: "The request has a body.",
    429: "Too many requests of this peer; Retry-After says when to ask again.",
    431: "The request's head is too large.",
    500: "The agent met an error of its own.",
    503: "The agent cannot answer now.",
}


def document(operations: Sequence[Operation], parts: Iterable[type], settings: Server) -> bytes:
    """As JSON. `parts`: types that the answers only name."""
    types = [*(operation.answer for operation in operations if operation.answer), ProblemRecord, *parts]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    by_type = dict(zip(map(id, types), schemas, strict=True))
    for component in components.values():
        _describe(component)
    described: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Kindling agent",
            "version": kindling.__version__,
            "summary": "Who talks to whom on this host, and what it reaches outside.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            operation.path: {
                "get": _operation(operation, by_type.get(id(operation.answer)), by_type[id(ProblemRecord)])
            }
            for operation in operations
        },
        "components": {"schemas": components, "securitySchemes": _schemes(settings)},
    }
    if settings.asks:
        described["security"] = [{name: []} for name in _schemes(settings)]
    return msgspec.json.encode(described)


def _schemes(settings: Server) -> Json:
    schemes: Json = {}
    if settings.token_file != NO_FILE:
        schemes["token"] = {"type": "http", "scheme": "bearer"}
    if settings.client_ca != NO_FILE:
        schemes["certificate"] = {"type": "mutualTLS"}
    return schemes


def _operation(operation: Operation, schema: Json | None, problem: Json) -> Json:
    responses: Json = {str(status): _answer(operation, schema) for status in operation.answers}
    for status, text in _PROBLEMS.items():
        responses.setdefault(str(status), {"description": text, "content": {MEDIA_TYPE: {"schema": problem}}})
    return {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": responses,
    }


def _answer(operation: Operation, schema: Json | None) -> Json:
    media: Json = {"schema": schema if schema and operation.media_type == JSON else {"type": "string"}}
    described: Json = {"description": operation.summary, "content": {operation.media_type: media}}
    if operation.media_type == EVENTS and schema:
        described["description"] = (
            f"{operation.summary}. The `data` of each event is {schema['$ref'].rpartition('/')[2]}."
        )
    return described


def _parameter(parameter: Parameter) -> Json:
    schema: Any = dict(parameter.schema)
    if parameter.many:
        schema = {"type": "array", "items": schema, "maxItems": 64}
    elif parameter.default not in {None, ""}:
        schema["default"] = parameter.default
    return {"name": parameter.name, "in": "query", "description": parameter.text, "schema": schema}


def _describe(component: Json) -> None:
    """What fields mean; and that there are no others."""
    properties = component.get("properties")
    if not properties:
        return
    component["additionalProperties"] = False
    for name, schema in properties.items():
        if (text := FIELD_TEXTS.get(name)) and "$ref" not in schema:
            schema["description"] = text
        if schema.get("type") == "integer":
            schema["format"] = "int64"
