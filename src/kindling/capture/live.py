"""This machine's kernel as a source of the probe's tables.

Everything here is called by one thread. What the kernel does meanwhile, and why nothing is lost or counted twice:
ARCHITECTURE.md, "The life of a slot".
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kindling.capture.bpf import attach, cgroup, loader, syscall
from kindling.capture.bpf.drops import OBJECT as DROPS
from kindling.capture.bpf.drops import Drops
from kindling.capture.bpf.maps import Grace, HashMap, Ring, SharedArray
from kindling.capture.bpf.pins import Pins, kept_maps, layout_digest, programs_digest
from kindling.capture.bpf.program import BpfObject, ProgramSpec
from kindling.capture.bpf.syscall import Update
from kindling.capture.closing import Closing
from kindling.capture.image import parse_probe, read_object
from kindling.capture.slots import SlotTable
from kindling.capture.source import Announce, no_announcement
from kindling.errors import KindlingError
from kindling.wire.layout import enum_values, struct_dtype

TABLES: Final = ("owner", "flow", "op", "name")

_STASH_NS: Final = 60 * 1_000_000_000
_SWEEP_NS: Final = 30 * 1_000_000_000


class LiveSource(Closing):
    """Satisfies `capture.source.LastingSource`. Attached from its creation until it is closed; with `pins`, until
    `detach`: whoever comes with the same pins goes on with the same tables.

    Raises PrivilegeError, UnsupportedError or VerifierError where the kernel does not do what the probe needs.
    `drops_missing` says why drops are not counted, and is empty where they are.
    """

    def __init__(
        self,
        *,
        slow_ns: Mapping[int, int] | None = None,
        bounds: Mapping[str, int] | None = None,
        image: bytes | None = None,
        meanwhile: Callable[[], None] = lambda: None,
        pins: Pins | None = None,
    ) -> None:
        """`slow_ns`: by number of the protocol; `bounds`: entries by map; `image`: another object.

        `meanwhile` is called while the kernel verifies the programs: a good time to import what is needed later.
        """
        self._resources = ExitStack()
        self._pins = pins
        self.taken_over = ""
        """What was found of an earlier agent: "" nothing, "maps", or "maps and programs"."""
        self.replaced = ""
        """Why what an earlier agent left could not be taken over."""
        self.watched = False
        """Whether the probe counted between that agent and this one."""
        try:
            self._begin(parse_probe(image, slow_ns), bounds or {}, meanwhile)
            self._count_drops()
        except BaseException:
            if pins and not self.taken_over:
                pins.drop_all()  # half a start is of no use to anybody
            self._resources.close()
            raise

    def _begin(self, parsed: BpfObject, bounds: Mapping[str, int], meanwhile: Callable[[], None]) -> None:
        pins = self._pins
        layout, programs = (layout_digest(parsed, bounds), programs_digest(parsed)) if pins else ("", "")
        found = self._find(parsed, bounds, layout)
        self.taken_over = "maps" if found else ""
        self._loaded = loader.load_maps(parsed, entries=bounds, found=found)
        self._resources.callback(self._loaded.close)
        self._root = cgroup.open_root()
        self._resources.callback(os.close, self._root)
        self._attached = attach.Attached(self._root, pins.open_links() if pins and found else {})
        self._resources.callback(self._attached.close)
        self.watched = bool(self._attached)
        if pins and found and pins.programs == programs and self._attached.links.keys() == self._hooks().keys():
            self.taken_over = "maps and programs"
            self._open()
            meanwhile()
            return

        def prepare() -> None:
            self._open()
            meanwhile()

        loader.load_programs(self._loaded, prepare)
        loader.fill_arrays(self._loaded)
        if pins and not found:
            pins.begin({name: self._loaded.maps[name].fd for name in kept_maps(parsed, bounds)})
        self._attach()
        if pins and not self._attached.unlinked:
            pins.keep_links(self._attached.links, programs)
            if not found:
                pins.finish(layout)

    def _find(self, parsed: BpfObject, bounds: Mapping[str, int], layout: str) -> dict[str, int] | None:
        """Maps of an earlier agent that can be taken over; the others are thrown away."""
        pins = self._pins
        if pins is None:
            return None
        layouts = pins.layouts
        found = pins.open_maps(layout, kept_maps(parsed, bounds)) if layouts == [layout] else None
        if found is None:
            if layouts:
                self.replaced = "its tables are laid out in another way"
            pins.drop_all()
        return found

    def _hooks(self) -> dict[str, ProgramSpec]:
        return {spec.name: spec for spec in self._loaded.object.programs.values() if spec.array is None}

    def _open(self) -> None:
        parsed, maps = self._loaded.object, self._loaded.maps
        self._types = parsed.btf
        self._tables = {name: SlotTable(self._loaded, name) for name in TABLES}
        self._losses = SharedArray(maps["losses"], self.dtype("losses")).rows["n"][0]
        self._lost_names = {
            number: name.removeprefix("LOST_").lower()
            for name, number in enum_values(parsed.btf, "lost").items()
            if number < len(self._losses)
        }
        self._control = SharedArray(maps["control"], self.dtype("control")).rows
        if self.taken_over and not self.watched:
            self._control["adopted"][0] = 0  # sockets were opened that no program saw
        self._ring = Ring(maps["events"])
        self._pendings = HashMap(maps["pendings"], self.dtype("pending"))
        self._stashes = HashMap(maps["stashes"], self.dtype("stash"))
        self._adopted = HashMap(maps["adopted"], self.dtype("adopted"))
        self._sweep_at = time.monotonic_ns() + _SWEEP_NS
        self._grace = self._resources.enter_context(Grace())
        self._answers = HashMap(maps["answers"], np.dtype("<u8"))
        if self.taken_over:
            self._answers.delete_all(self._answers.items()[0].tolist())  # whoever read them last may not have told

    def _attach(self) -> None:
        programs = [(spec, self._loaded.programs[spec.name]) for spec in self._hooks().values()]
        if self._attached:
            attach.exchange(programs, self._attached)
        else:
            self._attached = attach.attach(programs, self._root)
            self._resources.callback(self._attached.close)

    def _count_drops(self) -> None:
        """Count dropped packets by reason, where the kernel tells it."""
        self._drops: Drops | None = None
        self.drops_missing = ""
        try:
            self._drops = Drops(read_object(DROPS))
            self._resources.callback(self._drops.close)
        except (KindlingError, OSError) as error:
            self.drops_missing = str(error)

    @property
    def attached(self) -> int:
        """Number of programs attached."""
        return len(self._attached)

    def map_descriptors(self) -> dict[str, int]:
        """Return the descriptors of the maps, by name."""
        return {name: each.fd for name, each in self._loaded.maps.items()}

    # --- Source -------------------------------------------------------------------------------

    def slots(self, table: str) -> NDArray[np.void]:
        return self._tables[table].rows

    def dtype(self, structure: str) -> np.dtype[np.void]:
        return struct_dtype(self._types, structure)

    def lost(self) -> dict[str, int]:
        counts = self._losses.tolist()
        return {name: counts[number] for number, name in self._lost_names.items()}

    def events(self) -> list[bytes]:
        return self._ring.drain()

    def release(self, table: str, slots: Sequence[int], ids: Sequence[int], fold: Callable[[], None]) -> None:
        self._tables[table].release(slots, ids, fold, self._grace)

    def expire_queries(self, older_than_ns: int, announce: Announce = no_announcement) -> list[bytes]:
        keys, values = self._pendings.items()
        old = values["ts"] < older_than_ns
        expired: list[bytes] = []
        if not old.any():
            return expired
        announce([(key, value.tobytes()) for key, value in zip(keys[old].tolist(), values[old], strict=True)])
        for key in keys[old].tolist():
            taken = self._pendings.take(key)
            if taken is None:
                continue  # answered meanwhile, and counted by the probe
            if np.frombuffer(taken, values.dtype)["ts"][0] < older_than_ns:
                expired.append(taken)
            else:  # answered, and the same key asked again: that one still waits
                self._pendings.put(key, taken, Update.NOEXIST)
        return expired

    def refill(self) -> None:
        for table in self._tables.values():
            table.refill()
        if time.monotonic_ns() >= self._sweep_at:
            self._sweep()

    def now(self) -> int:
        return time.monotonic_ns()

    def close(self) -> None:
        self._resources.close()

    # --- LastingSource ------------------------------------------------------------------------

    @property
    def identity(self) -> str:
        return str(syscall.map_id(self._loaded.maps["flow_slots"].fd))

    def interrupted(self, table: str) -> list[int]:
        return self._tables[table].interrupted()

    def audit(self) -> int:
        return sum(table.audit(self._grace) for table in self._tables.values())

    def find_query(self, key: int) -> bytes | None:
        return self._pendings.get(key)

    @property
    def knows_sockets(self) -> bool:
        """Whether it was told already of the sockets that are older than its programs."""
        return bool(self._control["adopted"][0])

    def detach(self) -> None:
        """Count no more. The tables stay as they are until this is closed."""
        if self._pins:
            self._pins.drop_links()
        self._attached.close()

    def forget(self) -> None:
        """Leave no tables behind either."""
        if self._pins:
            self._pins.drop_all()

    # --- live only ----------------------------------------------------------------------------

    def adopt(self, sockets: Mapping[int, tuple[int, int, int]], *, complete: bool = True) -> int:
        """Tell the probe of sockets older than itself: owner, process and role, by cookie.

        `complete`: these are all. Until then the probe does not count sockets that it knows nothing of.
        Returns how many found no room; their owners stay unknown.
        """
        entry = np.zeros((), self.dtype("adopted"))
        missed = 0
        for cookie, (owner, process, role) in sockets.items():
            entry["owner"], entry["tgid"], entry["role"] = owner, process, role
            missed += not self._adopted.put(cookie, entry.tobytes())
        if complete:
            self._control["adopted"][0] = 1
        return missed

    def drops(self) -> dict[str, int]:
        """Return how many packets the kernel dropped since the start, by its reason; see `drops_missing`."""
        return self._drops.read() if self._drops else {}

    def _sweep(self) -> None:
        """Delete beginnings of messages whose rest never came."""
        now = time.monotonic_ns()
        self._sweep_at = now + _SWEEP_NS
        keys, values = self._stashes.items()
        self._stashes.delete_all(keys[values["ns"] + _STASH_NS < now].tolist())
