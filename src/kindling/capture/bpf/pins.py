"""Maps and links of the probe kept in a bpffs: the kernel goes on counting while no agent runs.

    /sys/fs/bpf/kindling/             locked (flock) by the agent that runs
      maps_LAYOUT/NAME                complete as soon as it bears that name
      links_PROGRAMS/NAME

LAYOUT and PROGRAMS are digests: of what the maps hold, and of the object with its constants. So an agent sees from the
names what it can take over.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

from kindling.capture.bpf import syscall
from kindling.capture.bpf.program import CONSTANTS, BpfObject, MapSpec
from kindling.capture.closing import Closing
from kindling.errors import AlreadyRunningError
from kindling.wire.btf import Btf, Kind

DEFAULT: Final = Path("/sys/fs/bpf/kindling")
BPFFS: Final = Path("/sys/fs/bpf")

_MAPS: Final = "maps_"
_LINKS: Final = "links_"
_UNFINISHED: Final = "unfinished"
_BPF_FS_MAGIC: Final = 0xCAFE4A11

_libc = ctypes.CDLL(None, use_errno=True)


class Pins(Closing):
    """The directory, locked from its creation until it is closed.

    Raises AlreadyRunningError when another agent runs, OSError where there is no bpffs.
    """

    def __init__(self, folder: Path = DEFAULT) -> None:
        self.folder = folder
        ensure_bpffs(folder.parent)
        self._fd = _lock(folder)
        for each in folder.iterdir():
            if each.name.startswith(_UNFINISHED):  # nobody came to use it
                shutil.rmtree(each)

    # --- what is there -------------------------------------------------------------------------

    @property
    def layouts(self) -> list[str]:
        """Of the maps that are here."""
        return [each.name.removeprefix(_MAPS) for each in self._children(_MAPS)]

    @property
    def programs(self) -> str:
        """Digest of the programs that are attached, "" for none."""
        return next((each.name.removeprefix(_LINKS) for each in self._children(_LINKS)), "")

    def map_id(self, name: str) -> int:
        """Of a map that is here, 0 where it is not."""
        for folder in self._children(_MAPS):
            with contextlib.suppress(OSError):
                fd = syscall.object_get(str(folder / pin_name(name)))
                try:
                    return syscall.map_id(fd)
                finally:
                    os.close(fd)
        return 0

    def open_maps(self, layout: str, wanted: Mapping[str, MapSpec]) -> dict[str, int] | None:
        """Return descriptors of all maps, by name; None where one is missing or another one than wanted."""
        folder = self.folder / f"{_MAPS}{layout}"
        found: dict[str, int] = {}
        with contextlib.ExitStack() as stack:
            for name, spec in wanted.items():
                try:
                    found[name] = fd = syscall.object_get(str(folder / pin_name(name)))
                except OSError:
                    return None
                stack.callback(os.close, fd)
                if syscall.map_shape(fd) != (spec.kind, spec.key_bytes, spec.value_bytes, spec.entries):
                    return None
            stack.pop_all()
        return found

    def open_links(self) -> dict[str, int]:
        """Return descriptors of the links, by name of the program."""
        folders = self._children(_LINKS)
        return {each.name: syscall.object_get(str(each)) for folder in folders for each in sorted(folder.iterdir())}

    # --- keeping -------------------------------------------------------------------------------

    def begin(self, maps: Mapping[str, int]) -> None:
        """Pin maps under a name that no agent looks for."""
        folder = self.folder / _UNFINISHED
        folder.mkdir(0o700)
        for name, fd in maps.items():
            syscall.object_pin(fd, str(folder / pin_name(name)))

    def finish(self, layout: str) -> None:
        """From here on the maps can be taken over."""
        (self.folder / _UNFINISHED).rename(self.folder / f"{_MAPS}{layout}")

    def keep_links(self, links: Mapping[str, int], programs: str) -> None:
        """Pin links that are not yet; all belong to these programs from now on."""
        now = self.folder / f"{_LINKS}{programs}"
        before = self._children(_LINKS)
        if before and before[0] != now:
            before[0].rename(now)
        now.mkdir(0o700, exist_ok=True)
        for name, fd in links.items():
            if not (now / name).exists():
                syscall.object_pin(fd, str(now / name))

    def drop_links(self) -> None:
        """Programs are detached when nobody holds their links any more."""
        for folder in self._children(_LINKS):
            shutil.rmtree(folder)

    def drop_all(self) -> None:
        """Links first: programs without maps could not count."""
        self.drop_links()
        for each in list(self.folder.iterdir()):
            shutil.rmtree(each)

    def remove(self) -> None:
        """Drop everything, and the directory."""
        self.drop_all()
        self.folder.rmdir()

    def close(self) -> None:
        """Give the lock back. Pins stay."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _children(self, prefix: str) -> list[Path]:
        return sorted(each for each in self.folder.iterdir() if each.name.startswith(prefix))


def pin_name(name: str) -> str:
    """As a bpffs takes it: without dots."""
    return name.replace(".", "_")


def kept_maps(parsed: BpfObject, entries: Mapping[str, int]) -> dict[str, MapSpec]:
    """Return the maps that outlive an agent, with their bounds. Constants belong to the programs."""
    return {
        name: MapSpec(
            name,
            spec.kind,
            spec.key_bytes,
            spec.value_bytes,
            entries.get(name, spec.entries),
            spec.flags,
            spec.value_type,
        )
        for name, spec in parsed.maps.items()
        if not name.startswith(CONSTANTS)
    }


def layout_digest(parsed: BpfObject, entries: Mapping[str, int]) -> str:
    """Digest of all that two objects must have in common to share maps: shapes, structures, the meaning of numbers."""
    digest = blake2b(digest_size=8)
    for name, spec in sorted(kept_maps(parsed, entries).items()):
        digest.update(f"{name} {spec.kind} {spec.key_bytes} {spec.value_bytes} {spec.entries} {spec.flags}\n".encode())
        if spec.value_type:
            digest.update(_shape(parsed.btf, spec.value_type).encode())
    types = [parsed.btf.type(number) for number in range(1, len(parsed.btf))]
    for text in sorted(f"{each.name} {each.values!r}\n" for each in types if each.kind == Kind.ENUM):
        digest.update(text.encode())
    return digest.hexdigest()


def _shape(btf: Btf, number: int, deep: int = 16) -> str:
    """Describe a type with all that is in it, by names and offsets."""
    found = btf.bare(number)
    if found.kind == Kind.ARRAY:
        return f"{found.count}*{_shape(btf, found.to, deep - 1)}"
    if not found.members or not deep:
        return f"{found.kind.name} {found.name} {found.size}"
    members = (
        f"{each.name}@{each.bit_offset}+{each.bit_size}:{_shape(btf, each.type, deep - 1)}" for each in found.members
    )
    return f"{found.kind.name} {found.name} {found.size}{{{','.join(members)}}}"


def programs_digest(parsed: BpfObject) -> str:
    """Digest of the programs and the constants they were loaded with."""
    digest = blake2b(digest_size=8)
    for name, program in sorted(parsed.programs.items()):
        digest.update(f"{name} {program.section} {program.loads!r}\n".encode() + program.code)
    for name, content in sorted(parsed.data.items()):
        digest.update(name.encode() + bytes(content))
    return digest.hexdigest()


def ensure_bpffs(folder: Path) -> None:
    """Mount a bpffs where the system should have one and has none. Raises OSError."""
    try:
        if _magic(folder) == _BPF_FS_MAGIC:
            return
    except FileNotFoundError:
        pass
    if folder != BPFFS:
        raise OSError(errno.ENODEV, f"{folder} is on no bpffs")
    if _libc.mount(b"bpf", os.fsencode(folder), b"bpf", ctypes.c_ulong(0), None):
        number = ctypes.get_errno()
        raise OSError(number, f"mounting a bpffs on {folder}: {os.strerror(number)}")


def _magic(folder: Path) -> int:
    """Return f_type of statfs(2), the first word."""
    room = (ctypes.c_long * 32)()
    if _libc.statfs(os.fsencode(folder), room):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))
    return room[0] & 0xFFFF_FFFF


def _lock(folder: Path) -> int:
    """Make the directory and lock it: that very one, should another agent remove it meanwhile."""
    while True:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(0o700)
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_ino == folder.stat().st_ino:
                return fd
        except FileNotFoundError:
            pass
        except BlockingIOError:
            os.close(fd)
            raise AlreadyRunningError(
                f"Another agent counts on this host already: it holds {folder}.",
                hint="Ask it with `kindling flows`, or stop it first.",
            ) from None
        os.close(fd)
