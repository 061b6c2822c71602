"""Who opened a socket: puts together what the kernel, /proc, cgroups and runtimes tell."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Final

from kindling.identity.cgroup import Container
from kindling.identity.cgroups import CgroupPaths, cgroup2_root
from kindling.identity.host import Host
from kindling.identity.pods import InPods
from kindling.identity.proc import PROC, Process, host_root, read_process, thread_names
from kindling.identity.runtimes import Names, names_of
from kindling.identity.sockets import OlderSocket, older_sockets
from kindling.identity.workload import workload_of
from kindling.model.codes import INFERRED_OWNER
from kindling.model.workload import UNKNOWN, Workload

#: Containers whose names are remembered.
_CONTAINERS: Final = 2_048


class Identifier:
    """Satisfies `kindling.table.Identify`. Each owner is asked for once."""

    def __init__(
        self,
        proc: Path = PROC,
        root: Path | None = None,
        cgroups: CgroupPaths | None = None,
        host: Host | None = None,
        pods: InPods | None = None,
    ) -> None:
        """`host`: to be told of network namespaces."""
        self._proc = proc
        self._host = host
        self._pods = pods
        self._root = root or host_root(proc)
        self._cgroups = cgroups or CgroupPaths(_find_cgroup2(proc))
        self._names: OrderedDict[str, Names] = OrderedDict()
        self._adopted: dict[int, Workload] = {}

    def opened(self, *, cgroup: int, netns: int, comm: bytes, tgid: int, uid: int) -> Workload:
        """The workload of a process that opened a socket: `comm` is the name of the thread that did."""
        del uid
        process = self._same(read_process(tgid, self._proc), comm, cgroup)
        if process and self._host:
            self._host.met(netns, tgid)
        paths = [self._path(cgroup, process), *(process.cgroups if process else ())]
        return self._now(workload_of([path for path in paths if path], comm, tgid, process, self._names_of))

    def adopted(self, owner: int) -> Workload | None:
        """The workload behind an id that `older_sockets` gave."""
        found = self._adopted.get(owner)
        return self._now(found) if found else None

    def older_sockets(self) -> dict[int, tuple[int, int, int]]:
        """Sockets that are there already, by cookie: id of the owner, process, number of the role.

        Ids have the top bit set; `adopted` knows whom they stand for. Calling it again adds sockets
        that are new and keeps what was given to the others.
        """
        found: dict[int, tuple[int, int, int]] = {}
        owners: dict[int, int] = {}
        for socket in older_sockets(self._proc):
            owner = owners.get(socket.pid)
            if owner is None:
                owner = owners[socket.pid] = self._adopt(socket)
            found[socket.cookie] = (owner, socket.pid, socket.role)
        return found

    def _adopt(self, socket: OlderSocket) -> int:
        """An id for the process that holds a socket: the same one for the same process."""
        process = read_process(socket.pid, self._proc) if socket.pid else None
        if process is None:
            owner = INFERRED_OWNER
            self._adopted[owner] = UNKNOWN
            return owner
        owner = INFERRED_OWNER | (process.started & 0x7FFF_FFFF) << 32 | process.pid
        if owner not in self._adopted:
            self._adopted[owner] = workload_of(
                process.cgroups, process.comm, process.pid, process, self._names_of, inferred=True
            )
        return owner

    def _now(self, workload: Workload) -> Workload:
        """The same, as its pod is known now."""
        return self._pods.again(workload) if self._pods else workload

    def _same(self, process: Process | None, comm: bytes, cgroup: int) -> Process | None:
        """The process, unless it has become another program since, or another process has got its pid."""
        if process is None or (process.comm != comm and comm not in thread_names(process.pid, self._proc)):
            return None
        return None if self._elsewhere(process, cgroup) else process

    def _elsewhere(self, process: Process, cgroup: int) -> bool:
        """Whether a process is surely not in the cgroup (v2) in which the socket was opened: another one, or it has
        moved. What it says of itself now does not tell who opened the socket then.
        """
        if cgroup <= 1 or not process.unified:
            return False  # the root, or a host where containers live in cgroup v1
        here = self._cgroups.id_of(process.unified)
        return here is not None and here != cgroup

    def _path(self, cgroup: int, process: Process | None) -> str:
        """The path of the cgroup in which the socket was opened."""
        if cgroup <= 1:
            return ""  # the root, or a host where containers live in cgroup v1
        if process:
            for path in process.cgroups:
                if self._cgroups.is_at(cgroup, path):
                    return path
        return self._cgroups.path(cgroup)

    def _names_of(self, container: Container) -> Names:
        known = self._names.get(container.id)
        if known is None:
            known = self._names[container.id] = names_of(container, self._root)
            if len(self._names) > _CONTAINERS:
                self._names.popitem(last=False)
        return known


def _find_cgroup2(proc: Path) -> Path | None:
    try:
        return cgroup2_root((proc / "self" / "mounts").read_text(errors="backslashreplace"))
    except OSError:
        return None
