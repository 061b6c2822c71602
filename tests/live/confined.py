"""`python -m live.confined PROFILE COMMAND...` runs a command under a seccomp profile, as a container runtime does."""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path

LIBRARY = "libseccomp.so.2"

# seccomp.h of libseccomp
_ALLOW = 0x7FFF_0000
_ERRNO = 0x0005_0000
_EPERM = 1
_UNKNOWN = -1


def confine(profile: Path) -> None:
    library = ctypes.CDLL(LIBRARY, use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    wanted = json.loads(profile.read_text(encoding="utf-8"))
    assert (wanted["defaultAction"], wanted["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", _EPERM)
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_ERRNO | _EPERM)))
    for group in wanted["syscalls"]:
        assert group["action"] == "SCMP_ACT_ALLOW"
        for name in group["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number == _UNKNOWN:
                continue  # this library is older than the system call
            failed = library.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, 0)
            assert not failed, name
    assert library.seccomp_load(context) == 0


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
