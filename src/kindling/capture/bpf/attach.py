"""Attaching programs to a cgroup, so that they are gone when nobody holds them any more.

By a BPF link (5.7 and later): the kernel detaches when its last descriptor closes, also after SIGKILL, unless it is
pinned (`pins.py`). Without links a program stays until somebody detaches it; then what an agent left behind is detached
before ours is attached.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from kindling.capture.bpf import syscall
from kindling.capture.bpf.loader import failure
from kindling.capture.bpf.program import ProgramSpec
from kindling.errors import KindlingError, PrivilegeError

NAME_PREFIX = "kd_"
"""Of the name of every program of the probe; nobody else's programs are ever detached."""

# Life of sockets before their packets: what a packet's program looks for is there.
_ORDER = ("cgroup/sock_create", "cgroup/sock_release", "cgroup/connect4", "cgroup/connect6", "sockops")


@dataclass(slots=True)
class Attached:
    """Programs attached to one cgroup; detached when closed."""

    target: int
    links: dict[str, int] = field(default_factory=dict)
    """By name of the program; the first ones first attached."""
    unlinked: list[tuple[int, int]] = field(default_factory=list)
    """Without a link: descriptor of the program, attach type."""

    def __len__(self) -> int:
        return len(self.links) + len(self.unlinked)

    def close(self) -> None:
        """Detach all; packets first, so that no program misses what another one made."""
        for link in reversed(list(self.links.values())):
            os.close(link)
        for program, kind in reversed(self.unlinked):
            syscall.program_detach(program, self.target, kind)
        self.links.clear()
        self.unlinked.clear()


def attach(programs: Iterable[tuple[ProgramSpec, int]], target: int) -> Attached:
    """Attach each program (with its descriptor) to the cgroup. All, or none when one fails."""
    attached = Attached(target)
    try:
        for spec, fd in sorted(programs, key=lambda each: _place(each[0])):
            _attach_one(attached, spec, fd)
    except BaseException:
        attached.close()
        raise
    return attached


def exchange(programs: Iterable[tuple[ProgramSpec, int]], attached: Attached) -> None:
    """Let other programs run where links of an earlier agent are; what has none is attached, what is left detached."""
    wanted = sorted(programs, key=lambda each: _place(each[0]))
    for name in attached.links.keys() - {spec.name for spec, _ in wanted}:
        os.close(attached.links.pop(name))
    for spec, fd in wanted:
        if spec.name not in attached.links:
            _attach_one(attached, spec, fd)
            continue
        try:
            syscall.link_update(attached.links[spec.name], fd)
        except OSError as error:
            raise refusal(error, spec) from error


def _place(spec: ProgramSpec) -> int:
    return _ORDER.index(spec.section) if spec.section in _ORDER else len(_ORDER)


def _attach_one(attached: Attached, spec: ProgramSpec, fd: int) -> None:
    try:
        attached.links[spec.name] = syscall.link_create(fd, attached.target, spec.attach)
        return
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, 524}:  # 524: the kernel's own ENOTSUPP
            raise refusal(error, spec) from error
    try:
        detach_leftovers(attached.target, spec.attach)
        syscall.program_attach(fd, attached.target, spec.attach)
    except OSError as error:
        raise refusal(error, spec) from error
    attached.unlinked.append((fd, spec.attach))


def detach_leftovers(target: int, kind: int) -> int:
    """Detach programs of an agent that died without links. Returns how many."""
    count = 0
    for number in syscall.program_query(target, kind):
        fd = syscall.program_by_id(number)
        try:
            if syscall.program_name(fd).startswith(NAME_PREFIX):
                syscall.program_detach(fd, target, kind)
                count += 1
        except OSError as error:
            if error.errno != errno.ENOENT:  # held by a link: of an agent that lives
                raise
        finally:
            os.close(fd)
    return count


def refusal(error: OSError, spec: ProgramSpec) -> KindlingError:
    if error.errno == errno.EPERM and os.geteuid() == 0:
        return PrivilegeError(
            f"The kernel does not let {spec.section} be attached to the root cgroup.",
            hint="Missing CAP_NET_ADMIN, or another program is attached there that allows no second one:"
            " `bpftool cgroup show` on the root of cgroup v2 tells.",
        )
    if error.errno == errno.E2BIG:
        return KindlingError(f"64 programs are attached as {spec.section} already.", hint="Detach some.")
    return failure(error, f"attach {spec.section}")
