"""Asking a running agent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlencode, urlsplit

from kindling.errors import BusyError, InputError, PrivilegeError, SettingError, UnreachableError

if TYPE_CHECKING:
    import http.client
    import ssl

#: Where an agent listens unless told otherwise: `config.DEFAULT_LISTEN`, without importing every setting.
DEFAULT_URL = "http://127.0.0.1:9500"
TIMEOUT_SECONDS = 10

Parameters = Mapping[str, str | int] | Iterable[tuple[str, str | int]]

#: As OpenSSL calls an answer in plain text.
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Agent:
    """Where an agent answers, and what it wants to see before it does."""

    url: str = DEFAULT_URL
    token_file: Path | None = None
    ca_file: Path | None = None
    """Authorities to trust instead of the system's."""
    cert_file: Path | None = None
    key_file: Path | None = None


def fetch(agent: Agent | str, path: str, parameters: Parameters = ()) -> dict[str, Any]:
    """JSON of an agent. The environment's proxies are not asked: agents are near.

    Raises UnreachableError: nobody answers, or no agent; PrivilegeError: it wants a token or a certificate;
    InputError: it does not understand the question; BusyError: it cannot answer now.
    """
    import http.client
    import ssl

    agent = Agent(agent) if isinstance(agent, str) else agent
    parts = _split(agent.url)
    target = f"{parts.path.rstrip('/')}{path}"
    if query := urlencode(list(parameters.items() if isinstance(parameters, Mapping) else parameters)):
        target += f"?{query}"
    headers = {"accept": "application/json", **_authorization(agent.token_file)}
    connection = _connection(agent, parts)
    try:
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        body = response.read()
    except ssl.SSLCertVerificationError as error:
        problem = UnreachableError(agent.url, error.verify_message)
        problem.hint = "Name the authority of its certificate with --ca-file."
        raise problem from None
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(agent.url, error) from None
    finally:
        connection.close()
    return _decode(agent.url, response.status, body)


def _unreachable(url: str, error: Exception) -> UnreachableError:
    """With a hint where one side speaks TLS and the other does not."""
    import http.client
    import ssl

    reason, hint = _reason(error), ""
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        reason, hint = "what answers there speaks no TLS", f"Try http://{url.partition('://')[2]}."
    elif isinstance(error, http.client.RemoteDisconnected) and url.startswith("http:"):
        hint = f"If the agent has a certificate, try https://{url.partition('://')[2]}."
    problem = UnreachableError(url, reason)
    problem.hint = hint or problem.hint
    return problem


def agent_port(url: str) -> int:
    """Port of an agent, as its address says."""
    parts = _split(url)
    return parts.port or _DEFAULT_PORTS[parts.scheme]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.scheme in _DEFAULT_PORTS and parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise SettingError(f"{url!r} is not the address of an agent.", hint=f"Write it like {DEFAULT_URL}.")


def _connection(agent: Agent, parts: SplitResult) -> http.client.HTTPConnection:
    import http.client

    host = str(parts.hostname)
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_SECONDS, context=_trust(agent))
    if agent.ca_file or agent.cert_file or agent.key_file:
        raise SettingError(f"Certificates are of no use at {agent.url}.", hint="Write https:// for TLS.")
    return http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_SECONDS)


def _trust(agent: Agent) -> ssl.SSLContext:
    import ssl

    try:
        context = ssl.create_default_context(cafile=agent.ca_file)
        if agent.cert_file:
            context.load_cert_chain(agent.cert_file, agent.key_file)
    except OSError as error:  # ssl.SSLError is one: a file that holds no certificate
        files = ", ".join(str(file) for file in (agent.ca_file, agent.cert_file, agent.key_file) if file)
        raise SettingError(f"The certificates ({files}) cannot be used: {_reason(error)}.") from None
    return context


def _authorization(token_file: Path | None) -> dict[str, str]:
    """The first token of a file: one a line, as the agent's own file, which may hold several while they change."""
    if token_file is None:
        return {}
    try:
        lines = token_file.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"The token file {token_file} cannot be read: {_reason(error)}.") from None
    tokens = [line for each in lines if (line := each.strip()) and not line.startswith("#")]
    if not tokens or not tokens[0].isprintable():
        raise SettingError(f"The token file {token_file} holds no token.", hint="A line of ASCII is expected.")
    return {"authorization": f"Bearer {tokens[0]}"}


def _reason(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def _decode(url: str, status: int, body: bytes) -> dict[str, Any]:
    """The answer, or as an error what the agent says is wrong (RFC 9457)."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise UnreachableError(url, f"what answers there is no Kindling agent: HTTP status {status}")
    if status == 200:
        return answer
    default = f"The agent at {url} answered with HTTP status {status}."
    said = str(answer.get("detail") or answer.get("error") or answer.get("title") or default)
    hint = str(answer.get("hint") or "")
    if status in {401, 403}:
        raise PrivilegeError(
            f"The agent at {url} does not let you in: {said}",
            hint="Name its token with --token-file (or KINDLING_TOKEN_FILE), or your certificate with --cert-file.",
        )
    if 400 <= status < 500 and status != 429:
        raise InputError(said, hint=hint)
    raise BusyError(said, hint=hint or "Try again in a moment.")
