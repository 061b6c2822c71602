"""Bearer tokens of a file."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Final

from kindling.errors import SettingError

#: A token is guessed otherwise.
SHORTEST: Final = 16
#: Of the file; and a header is no longer either.
_LARGEST_BYTES: Final = 64 << 10
_HOW: Final = "Make one with `head -c 32 /dev/urandom | base64 > FILE; chmod 600 FILE`."


def read_tokens(path: Path) -> tuple[bytes, ...]:
    """One a line; empty lines and those that begin with # are none. Raises SettingError."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise SettingError(f"The token file {path} cannot be read: {error.strerror}.", hint=_HOW) from None
    if len(text) > _LARGEST_BYTES:
        raise SettingError(f"The token file {path} is larger than {_LARGEST_BYTES} bytes.", hint=_HOW)
    tokens = [line.strip() for line in text.splitlines()]
    tokens = [token for token in tokens if token and not token.startswith(b"#")]
    if not tokens:
        raise SettingError(f"The token file {path} holds no token.", hint=_HOW)
    for number, token in enumerate(tokens, 1):
        if len(token) < SHORTEST or not token.isascii() or not all(0x21 <= byte <= 0x7E for byte in token):
            raise SettingError(
                f"Token {number} of {path} is no token: {SHORTEST} or more letters, digits and signs are expected.",
                hint=_HOW,
            )
    return tuple(tokens)


class Tokens:
    """Those of a file as it is now. A file that cannot be read lets nobody in."""

    def __init__(self, path: Path) -> None:
        """Raises SettingError."""
        self._path = path
        self._digests = self._read()
        self._state = self._look()

    def fits(self, header: str) -> bool:
        """Whether an Authorization header shows one of them: "Bearer TOKEN", or "Basic" with it as password."""
        shown = _shown(header)
        if shown is None:
            return False
        digest = sha256(shown).digest()
        # all are compared, each in a time that does not depend on where it differs
        return sum([hmac.compare_digest(digest, each) for each in self._now()]) > 0

    def _now(self) -> tuple[bytes, ...]:
        state = self._look()
        if state != self._state:
            self._state = state
            try:
                self._digests = self._read()
            except SettingError:
                self._digests = ()
        return self._digests

    def _look(self) -> tuple[int, ...]:
        try:
            status = self._path.stat()
        except OSError:
            return ()
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino

    def _read(self) -> tuple[bytes, ...]:
        return tuple(sha256(token).digest() for token in read_tokens(self._path))


def _shown(header: str) -> bytes | None:
    scheme, _, rest = header.strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer":
        return rest.encode(errors="replace")
    if scheme.lower() == "basic":
        try:
            return b64decode(rest, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return None
    return None
