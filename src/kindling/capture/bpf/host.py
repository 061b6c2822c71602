"""What this host, and the rights of this process, allow. Each returns a detail worth showing, or "", and raises OSError
or KindlingError where something is missing.
"""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path
from typing import Final

from kindling.capture.bpf import cgroup, drops, syscall
from kindling.capture.bpf.syscall import MapType


def root() -> str:
    os.close(cgroup.open_root())
    return ""


_CAPABILITIES: Final = {
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}


def _held(status: Path = Path("/proc/self/status")) -> set[str]:
    line = next(line for line in status.read_text().splitlines() if line.startswith("CapEff:"))
    bits = int(line.split()[1], 16)
    return {name for name, number in _CAPABILITIES.items() if bits >> number & 1}


def privilege() -> str:
    held = _held()
    missing = {"CAP_NET_ADMIN"} - held
    if "CAP_SYS_ADMIN" not in held:
        missing |= {"CAP_BPF", "CAP_PERFMON"} - held
    if missing:
        raise OSError(errno.EPERM, f"missing: {', '.join(sorted(missing))}")
    return ""


def other_processes() -> str:
    if "CAP_SYS_PTRACE" not in _held():
        raise OSError(errno.EPERM, "missing: CAP_SYS_PTRACE")
    return ""


def memlock() -> str:
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if limit == resource.RLIM_INFINITY:
        return "unlimited"
    # 8 MiB, if maps are counted at all: more than the usual limit
    os.close(syscall.map_create(MapType.ARRAY, 4, 1 << 20, 8, name="kd_try"))
    return f"{limit >> 10} KiB, not enforced on maps"


def jit(path: Path = Path("/proc/sys/net/core/bpf_jit_enable")) -> str:
    try:
        text = path.read_text().strip()
    except OSError:
        return "always on"
    if text == "0":
        raise OSError(errno.ENOTSUP, "net.core.bpf_jit_enable is 0")
    return ""


def kernel_types() -> str:
    size = Path("/sys/kernel/btf/vmlinux").stat().st_size
    return f"{size >> 10} KiB"


def drop_reasons() -> str:
    reasons = drops.read_reasons()
    return f"{len(reasons)} reasons"
