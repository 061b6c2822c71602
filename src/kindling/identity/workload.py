"""From a process and its cgroup to the workload: container, else pod, else systemd unit, else process."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kindling.identity.cgroup import Container, container_of, unit_of
from kindling.identity.kubepods import pod_uid_of
from kindling.identity.proc import Process
from kindling.identity.runtimes import Names
from kindling.model.printable import printable
from kindling.model.workload import UNKNOWN, Workload

#: The kernel cuts the name of a process to so many bytes (TASK_COMM_LEN - 1).
_COMM_MAX = 15


def workload_of(
    paths: Iterable[str],
    comm: bytes,
    pid: int,
    process: Process | None,
    names_of: Callable[[Container], Names],
    *,
    inferred: bool = False,
) -> Workload:
    """`paths`: of the cgroups it is in, the best first. `process`: None when it is gone."""
    name = process_name(comm, process)
    exe = printable(process.exe) if process else ""
    paths = list(paths)
    pod_uid = next(filter(None, map(pod_uid_of, paths)), "")
    for path in paths:
        container = container_of(path)
        if container:
            names = names_of(container)
            shown = printable(names.container or container.short_id)
            return Workload(
                kind="container",
                name=printable(names.pod) or shown,
                namespace=printable(names.namespace),
                container=shown,
                pod=printable(names.pod),
                container_id=container.short_id,
                pod_uid=pod_uid,
                pid=pid,
                comm=name,
                exe=exe,
                inferred=inferred,
            )
    for path in paths:
        unit = unit_of(path)
        if unit:
            return Workload(
                "unit",
                printable(unit),
                pod_uid=pod_uid,
                pid=pid,
                comm=name,
                exe=exe,
                inferred=inferred,
            )
    if not name:
        return UNKNOWN
    return Workload("process", name, pod_uid=pod_uid, pid=pid, comm=name, exe=exe, inferred=inferred)


def process_name(comm: bytes, process: Process | None) -> str:
    """The name of the main thread where it is known; in full where the kernel cut it."""
    name = process.comm if process else comm
    if process and len(name) == _COMM_MAX:
        program = process.exe.rpartition("/")[2].encode(errors="surrogateescape")
        if program.startswith(name):
            name = program
    return printable(name)
