"""Errors as RFC 9457 problems."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, TypedDict

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from kindling.errors import InputError, KindlingError

MEDIA_TYPE: Final = "application/problem+json"
#: Where there is nothing to say beyond what the status says (RFC 9457, 4.2.1).
BLANK: Final = "about:blank"

_HINTS: Final = {
    404: "/api/v1/openapi.json lists the paths there are.",
    405: "Everything here is read with GET.",
}


class _Hint(TypedDict, total=False):
    hint: str


class ProblemRecord(_Hint):
    """What went wrong; `hint`: what to do about it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


class Problem(Exception):  # noqa: N818 -- the word of RFC 9457
    """Ends a request. `kind` names the sort of problem where the status does not."""

    def __init__(
        self, status: int, detail: str, *, hint: str = "", kind: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.hint = hint
        self.kind = kind
        self.headers = dict(headers or {})

    def record(self, path: str) -> ProblemRecord:
        record: ProblemRecord = {
            "type": f"urn:kindling:{self.kind}" if self.kind else BLANK,
            "title": self.kind.replace("-", " ").capitalize() if self.kind else HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": path,
        }
        if self.hint:
            record["hint"] = self.hint
        return record

    def response(self, path: str) -> Response:
        # what a client sent as path may hold anything
        body = msgspec.json.encode(self.record(path.encode(errors="replace").decode()))
        return Response(body, self.status, media_type=MEDIA_TYPE, headers={"cache-control": "no-store", **self.headers})


async def answer(request: Request, error: Exception) -> Response:
    """Whatever was raised, as a response."""
    return as_problem(error).response(request.url.path)


def as_problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, InputError):
        return Problem(400, error.message, hint=error.hint, kind="bad-question")
    if isinstance(error, KindlingError):
        return Problem(503, error.message, hint=error.hint)
    if isinstance(error, HTTPException):
        return Problem(
            error.status_code,
            error.detail if error.detail != HTTPStatus(error.status_code).phrase else _sentence(error.status_code),
            hint=_HINTS.get(error.status_code, ""),
            headers=error.headers,
        )
    return Problem(500, "The agent met an error of its own; its log says more.")


def _sentence(status: int) -> str:
    return {404: "There is nothing at this path.", 405: "This path does not take that method."}.get(
        status, HTTPStatus(status).phrase
    )


HANDLERS: Final[dict[Any, Any]] = {
    HTTPException: answer,
    Problem: answer,
    KindlingError: answer,
    500: answer,
}
