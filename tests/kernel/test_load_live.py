"""LiveSource with a little probe: its tables, their slots' lives raced by a real kernel, its loss counters."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kernel.compiled import compile_probe, frame, run_on_packet
from kindling.capture.bpf import cgroup, syscall
from kindling.capture.live import LiveSource
from kindling.capture.source import Source
from kindling.errors import LayoutError

pytestmark = pytest.mark.root


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_probe("little_probe.bpf.c", Path(tmp_path_factory.mktemp("bpf")))


@pytest.fixture
def source(image: bytes) -> Iterator[LiveSource]:
    with LiveSource(image=image, slow_ns={3: 100}) as made:
        yield made


def message(number: int, *, ask: bool = False) -> bytes:
    return frame(struct.pack("<IIQ", 0x6B696E64, ask, number) + bytes(20))


def send(source: LiveSource, number: int, repeat: int = 1, *, ask: bool = False) -> None:
    run_on_packet(source._loaded.programs["kd_ingress"], message(number, ask=ask), repeat)


def used(rows: np.ndarray) -> np.ndarray:
    return np.flatnonzero(rows["head"]["live"][1:]) + 1


def test_is_a_source(source: LiveSource) -> None:
    found: Source = source
    assert source.attached == 3
    assert set(found.lost()) >= {"op_full", "event_ring"}
    assert "count" not in found.lost()
    assert abs(found.now() - time.monotonic_ns()) < 1e9


def test_slot_zero_takes_what_found_no_slot(source: LiveSource) -> None:
    for table in ("owner", "flow", "op", "name"):
        assert source.slots(table)["head"]["live"][0] == 1


def test_nothing_is_attached_after_close(image: bytes) -> None:
    root = cgroup.open_root()
    with LiveSource(image=image) as source:
        program = syscall.object_info(source._loaded.programs["kd_ingress"], 8)
        number = int.from_bytes(program[4:], "little")  # bpf_prog_info.id
        assert number in syscall.program_query(root, syscall.AttachType.INGRESS)
    assert number not in syscall.program_query(root, syscall.AttachType.INGRESS)
    os.close(root)


def test_something_else_is_done_while_the_kernel_verifies(image: bytes) -> None:
    done: list[int] = []
    with LiveSource(image=image, meanwhile=lambda: done.append(1)):
        assert done == [1]

    def fail() -> None:
        raise KeyError("nothing to do with the probe")

    with pytest.raises(KeyError):
        LiveSource(image=image, meanwhile=fail)


def test_counts_and_ids(source: LiveSource) -> None:
    send(source, 1000, 5)
    send(source, 2000, 7)
    rows = source.slots("op")
    assert {int(row["head"]["id"]): int(row["hist"][0]) for row in rows[used(rows)]} == {1000: 5, 2000: 7}


def test_constants_and_events(source: LiveSource) -> None:
    send(source, 5, ask=True)
    (event,) = source.events()
    failure = np.frombuffer(event, source.dtype("event_failure"))[0]
    assert failure["duration_ns"] == 100
    assert not source.events()


def test_unanswered_queries_are_taken_once(source: LiveSource) -> None:
    for number in range(3):
        send(source, number + 10, ask=True)
    asked = source.now()
    send(source, 99, ask=True)
    old = [np.frombuffer(each, source.dtype("pending"))[0] for each in source.expire_queries(asked)]
    assert sorted(int(each["op"]) for each in old) == [10, 11, 12]
    assert source.expire_queries(asked) == []
    assert len(source.expire_queries(source.now())) == 1


def test_full_tables_are_counted_as_lost(image: bytes) -> None:
    bounds = {"op_ids": 10, "op_slots": 10, "op_free": 10}
    with LiveSource(image=image, bounds=bounds) as source:
        for number in range(100, 150):
            send(source, number)
        assert len(used(source.slots("op"))) == 9
        assert source.lost()["op_full"] == 41
        assert source.slots("op")["hist"][0, 0] == 41, "counted as 'other'"


def test_free_slots_are_topped_up(source: LiveSource) -> None:
    for number in range(3000):
        send(source, number + 10)
        if number % 400 == 0:
            source.refill()
    assert len(used(source.slots("op"))) == 3000
    assert source.lost()["op_full"] == 0


def test_a_slot_given_back_is_empty_and_used_again(image: bytes) -> None:
    bounds = {"op_ids": 4, "op_slots": 4, "op_free": 4}
    with LiveSource(image=image, bounds=bounds) as source:
        rows = source.slots("op")
        for round_ in range(5):
            for number in range(3):
                send(source, round_ * 10 + number + 2, 2)
            slots = used(rows)
            assert slots.tolist() == [1, 2, 3]
            folded: list[int] = []
            source.release(
                "op",
                slots.tolist(),
                rows["head"]["id"][slots].tolist(),
                lambda: folded.extend(rows["hist"][1:, 0]),  # noqa: B023
            )
            assert folded == [2, 2, 2]
            assert not len(used(rows))
            assert rows["head"]["gen"].tolist() == [0, *[round_ + 1] * 3]
        assert source.lost()["op_full"] == 0


def test_adopted_sockets_are_told(source: LiveSource) -> None:
    assert source.adopt({7: (1 << 63 | 5, 42, 2)}, complete=False) == 0
    assert not source._control["adopted"][0]
    entry = source._adopted.get(7)
    assert entry is not None
    assert np.frombuffer(entry, source.dtype("adopted"))[0]["owner"] == 1 << 63 | 5
    source.adopt({}, complete=True)
    assert source._control["adopted"][0] == 1


def test_what_is_given_back_while_it_is_counted_is_neither_lost_nor_doubled(image: bytes) -> None:
    """Two processors count under 20 ids, while every slot is given back as soon as it is seen."""
    repeat, ids = 2_000, range(100, 120)
    bounds = {"op_ids": 64, "op_slots": 64, "op_free": 64}
    with LiveSource(image=image, bounds=bounds) as source:
        rows, total, given_back, runs = source.slots("op"), 0, 0, [0, 0]
        stop = threading.Event()

        def count(worker: int) -> None:
            while not stop.is_set():
                send(source, ids[(runs[worker] * 7 + worker * 3) % len(ids)], repeat)
                runs[worker] += 1

        workers = [threading.Thread(target=count, args=(worker,)) for worker in (0, 1)]
        for worker in workers:
            worker.start()

        def fold() -> None:
            nonlocal total
            total += int(rows["hist"][slots, 0].sum())

        while any(worker.is_alive() for worker in workers) or len(used(rows)):
            slots = used(rows).tolist()
            source.release("op", slots, rows["head"]["id"][slots].tolist(), fold)
            given_back += len(slots)
            if given_back > 300:
                stop.set()
        assert source.lost()["op_full"] == 0
        assert total + int(rows["hist"][0, 0]) == sum(runs) * repeat


def test_an_object_of_other_sources_is_refused(every_map: bytes) -> None:
    with pytest.raises(LayoutError, match="config"):
        LiveSource(image=every_map)


def test_beginnings_of_messages_are_deleted_after_a_minute(source: LiveSource) -> None:
    entry = np.zeros((), source.dtype("stash"))
    now = source.now()
    for key, age in ((1, 61), (2, 5)):
        entry["ns"] = now - age * 1_000_000_000
        source._stashes.put(key, entry.tobytes())
    source.refill()
    assert len(source._stashes.items()[0]) == 2, "it does not look at every interval"
    source._sweep_at = 0
    source.refill()
    assert source._stashes.items()[0].tolist() == [2]
