"""What can be asked: one description of each path makes its route, checks its parameters and documents it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kindling.api.parameters import Parameter, read_query

Call = Callable[[Request, Mapping[str, Any]], Response | Awaitable[Response]]

JSON: Final = "application/json"
TEXT: Final = "text/plain"
EVENTS: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Operation:
    """GET of a path. `call` gets the parameters' values by name."""

    path: str
    name: str
    summary: str
    call: Call
    answer: Any = None
    """Type of the JSON that is answered (what msgspec can describe), or None for other media."""
    parameters: Sequence[Parameter] = ()
    media_type: str = JSON
    answers: Sequence[int] = (200,)
    """Statuses of answers that are no problems."""
    open: bool = False
    """Answered to whoever asks."""

    def route(self) -> Route:
        async def handle(request: Request) -> Response:
            given = read_query(request.scope["query_string"], self.parameters)
            answer = self.call(request, given)
            return await answer if inspect.isawaitable(answer) else answer

        return Route(self.path, handle, name=self.name)
