"""Giving up what is not needed once the programs are attached. Which capability is for what: docs/privileges.md."""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import Final

from kindling.errors import SettingError


class Capability(IntEnum):
    """Numbers of include/uapi/linux/capability.h."""

    SETPCAP = 8
    NET_ADMIN = 12
    SYS_PTRACE = 19
    SYS_ADMIN = 21
    BPF = 39


#: What the running agent uses. PERFMON and NET_ADMIN are for loading and attaching, which is over.
NEEDED: Final = (Capability.BPF, Capability.SYS_PTRACE)

#: Before 5.8 there is no CAP_BPF; bpf(2) asks for this one.
_BEFORE_BPF: Final = Capability.SYS_ADMIN

_VERSION_3: Final = 0x2008_0522
_CAPBSET_DROP, _SET_NO_NEW_PRIVS = 24, 38
_AMBIENT, _AMBIENT_CLEAR_ALL = 47, 4

_libc = ctypes.CDLL(None, use_errno=True)


def keep_only_needed(data: Path) -> list[str]:
    """Drop every other capability of this thread, of what it starts from now on and of what it executes.

    To be called before other threads are started. Returns the names of what is left. Raises SettingError when the data
    directory could not be used afterwards.
    """
    last = _last_capability()
    needed = [each if each <= last else _BEFORE_BPF for each in NEEDED]
    _prctl(_SET_NO_NEW_PRIVS, 1)
    with suppress(OSError):  # since 4.3, and never set for an agent started by root
        _prctl(_AMBIENT, _AMBIENT_CLEAR_ALL)
    if _has(Capability.SETPCAP):
        for number in range(last + 1):
            if number not in needed:
                _prctl(_CAPBSET_DROP, number)
    kept = held() & _mask(needed)
    _set(kept)
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        raise SettingError(
            f"The data directory {data} belongs to somebody else, or lies where only its owner may go.",
            hint="The agent gives up the right to pass over that: use a directory of its own user's.",
        )
    return [each.name.lower() for each in Capability if kept >> each & 1]


def keep_in_thread(capability: Capability) -> None:
    """Give up all others in this thread; it executes nothing."""
    _prctl(_SET_NO_NEW_PRIVS, 1)
    _set(held() & _mask([capability]))


def held() -> int:
    """Return the permitted capabilities of this thread, a bit each."""
    return _get()[1]


def _has(capability: Capability) -> bool:
    return bool(_get()[0] >> capability & 1)


def _get() -> tuple[int, int, int]:
    """Effective, permitted, inheritable; capget(2)."""
    header, data = _room()
    _check(_libc.capget(header, data))
    low_effective, low_permitted, low_inheritable, high_effective, high_permitted, high_inheritable = struct.unpack(
        "<6I", data.raw
    )
    return (
        low_effective | high_effective << 32,
        low_permitted | high_permitted << 32,
        low_inheritable | high_inheritable << 32,
    )


def _set(kept: int) -> None:
    """Effective and permitted alike, nothing to be inherited; capset(2)."""
    header, data = _room()
    low, high = kept & 0xFFFF_FFFF, kept >> 32
    data.raw = struct.pack("<6I", low, low, 0, high, high, 0)
    _check(_libc.capset(header, data))


def _room() -> tuple[ctypes.Array[ctypes.c_char], ctypes.Array[ctypes.c_char]]:
    return ctypes.create_string_buffer(struct.pack("<Ii", _VERSION_3, 0), 8), ctypes.create_string_buffer(24)


def _mask(capabilities: list[Capability]) -> int:
    return sum(1 << each for each in set(capabilities))


def _last_capability(path: Path = Path("/proc/sys/kernel/cap_last_cap")) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return max(Capability)


def _prctl(option: int, argument: int) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(argument), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
