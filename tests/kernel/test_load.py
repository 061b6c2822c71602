"""An object with every kind of map and relocation, in this machine's kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from kernel.compiled import frame, run_on_packet
from kindling.capture.bpf import loader, syscall
from kindling.capture.bpf.maps import Grace, HashMap, Numbers, Ring, SharedArray
from kindling.capture.bpf.program import BpfObject
from kindling.errors import LayoutError, VerifierError
from kindling.wire.layout import struct_dtype

pytestmark = pytest.mark.root

PACKET = frame(b"x" * 80)
LENGTH = len(PACKET) - 14


@pytest.fixture
def parsed(every_map: bytes) -> BpfObject:
    return BpfObject.parse(every_map)


@pytest.fixture
def loaded(parsed: BpfObject) -> Iterator[loader.Loaded]:
    settings = parsed.constant("settings")
    settings["add"] = 100
    settings["list"] = (1, 5, 9)
    with loader.load(parsed) as made:
        Numbers(made.maps["free"]).push(range(1, 300))
        yield made


def rows_of(loaded: loader.Loaded) -> np.ndarray:
    return SharedArray(loaded.maps["rows"], struct_dtype(loaded.object.btf, "row")).rows


def test_constants_are_what_was_set(loaded: loader.Loaded) -> None:
    assert run_on_packet(loaded.programs["kd_main"], PACKET) == 1
    rows = rows_of(loaded)
    assert rows["head"]["live"].tolist()[:3] == [0, 1, 0]
    assert rows["head"]["id"][1] == LENGTH
    assert rows["count"][1] == 1
    assert rows["sum"][1] == 4 * 100 + 5 + 7 + 2 * LENGTH, "the last part by the program in the array"


def test_functions_called_by_functions_share_maps_with_their_caller(loaded: loader.Loaded) -> None:
    run_on_packet(loaded.programs["kd_main"], PACKET, repeat=50)
    rows = rows_of(loaded)
    assert rows["count"][1] == 50
    assert rows["count"][2] == 3 * 50


def test_a_program_calls_the_one_in_its_array(loaded: loader.Loaded) -> None:
    assert loaded.object.programs["kd_tail"].array == ("again", 1)
    run_on_packet(loaded.programs["kd_main"], PACKET)
    assert rows_of(loaded)["sum"][1] == 4 * 100 + 5 + 7 + 2 * LENGTH


def test_what_is_written_into_the_array_is_what_the_program_finds(loaded: loader.Loaded) -> None:
    rows = rows_of(loaded)
    rows["count"][1] = 1 << 40
    run_on_packet(loaded.programs["kd_main"], PACKET)
    assert rows["count"][1] == (1 << 40) + 1


def test_rows_that_are_not_mapped_yet_read_as_zeros(loaded: loader.Loaded) -> None:
    array = SharedArray(loaded.maps["rows"], struct_dtype(loaded.object.btf, "row"), 2)
    queue = Numbers(loaded.maps["free"])
    for number in range(1, 300):
        assert queue.pop() == number
    queue.push([299])  # on the array's third page
    run_on_packet(loaded.programs["kd_main"], PACKET)
    assert array.rows["count"][299] == 0
    array.grow(300)
    assert array.rows["count"][299] == 1
    assert len(array.rows) == 300


def test_an_array_outlives_its_map(parsed: BpfObject) -> None:
    with loader.load_maps(parsed) as made:
        rows = SharedArray(made.maps["rows"], struct_dtype(parsed.btf, "row")).rows
    rows["count"][299] = 5
    assert rows["count"].sum() == 5


@pytest.fixture
def one_processor() -> Iterator[None]:
    """Events are numbered per processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("one_processor")
class TestRing:
    def test_events_come_once_and_in_order(self, loaded: loader.Loaded) -> None:
        ring = Ring(loaded.maps["events"])
        assert ring.drain() == []
        for count in (3, 7):
            run_on_packet(loaded.programs["kd_main"], PACKET, repeat=count)
        note = struct_dtype(loaded.object.btf, "note")
        numbers = [int(np.frombuffer(each, note, 1)["number"][0]) for each in ring.drain()]
        assert numbers == [number for number in range(1, 11) if number % 5]  # every fifth is taken back
        assert ring.drain() == []

    def test_the_buffer_may_end_amid_a_record(self, loaded: loader.Loaded) -> None:
        ring = Ring(loaded.maps["events"])
        note = struct_dtype(loaded.object.btf, "note")
        expected = 0
        for _ in range(200):  # 3 records of 256 bytes and their heads, 4096 bytes of ring
            run_on_packet(loaded.programs["kd_main"], PACKET, repeat=3)
            for record in ring.drain():
                expected += 1 + (expected % 5 == 4)
                number = int(np.frombuffer(record, note, 1)["number"][0])
                assert number == expected
                assert record[16:] == bytes([number & 255]) * 240

    def test_a_full_ring_takes_no_more_until_it_is_read(self, loaded: loader.Loaded) -> None:
        ring = Ring(loaded.maps["events"])
        run_on_packet(loaded.programs["kd_main"], PACKET, repeat=100)
        assert 0 < len(ring.drain()) <= 4096 // 264
        run_on_packet(loaded.programs["kd_main"], PACKET, repeat=3)
        assert ring.drain()


class TestHashMap:
    @pytest.fixture
    def ids(self, loaded: loader.Loaded) -> HashMap:
        return HashMap(loaded.maps["ids"], np.dtype("<u4"))

    @pytest.mark.parametrize("batches", [True, False])
    def test_holds_what_was_put(self, ids: HashMap, batches: bool) -> None:
        ids.one_by_one = not batches
        for key in range(16):
            assert ids.put(key + (1 << 60), key.to_bytes(4, "little"))
        assert not ids.put(99, bytes(4)), "it has 16 entries"
        keys, values = ids.items()
        assert sorted(zip(keys.tolist(), values.tolist(), strict=True)) == [(k + (1 << 60), k) for k in range(16)]
        assert ids.get((1 << 60) + 3) == (3).to_bytes(4, "little")
        assert ids.get(3) is None

    @pytest.mark.parametrize("batches", [True, False])
    def test_deletes_what_is_there_and_passes_over_the_rest(self, ids: HashMap, batches: bool) -> None:
        ids.one_by_one = not batches
        for key in range(8):
            ids.put(key, bytes(4))
        ids.delete_all([90, 0, 1, 91, 92, 2, 7, 93])
        assert sorted(ids.items()[0].tolist()) == [3, 4, 5, 6]
        ids.delete_all([])

    def test_an_empty_map_has_no_items(self, ids: HashMap) -> None:
        keys, values = ids.items()
        assert len(keys) == len(values) == 0

    @pytest.mark.parametrize("at_once", [True, False])
    def test_takes_each_value_once(self, ids: HashMap, at_once: bool) -> None:
        ids.takes_in_two = not at_once
        ids.put(5, b"abcd")
        assert ids.take(5) == b"abcd"
        assert ids.take(5) is None
        assert not ids.delete(5)

    def test_does_not_replace_when_told(self, ids: HashMap) -> None:
        assert ids.put(1, b"old.", syscall.Update.NOEXIST)
        assert not ids.put(1, b"new.", syscall.Update.NOEXIST)
        assert ids.get(1) == b"old."
        assert ids.put(1, b"new.")
        assert ids.get(1) == b"new."

    def test_more_than_one_batch(self, parsed: BpfObject) -> None:
        with loader.load_maps(parsed, entries={"ids": 5000}) as made:
            ids = HashMap(made.maps["ids"], np.dtype("<u4"))
            for key in range(5000):
                ids.put(key, bytes(4))
            assert sorted(ids.items()[0].tolist()) == list(range(5000))
            ids.delete_all(range(0, 5000, 2))
            assert sorted(ids.items()[0].tolist()) == list(range(1, 5000, 2))


def test_a_queue_gives_back_in_order(parsed: BpfObject) -> None:
    with loader.load_maps(parsed) as made:
        queue = Numbers(made.maps["free"])
        assert queue.pop() is None
        queue.push([5, 3, 9])
        assert [queue.pop(), queue.pop(), queue.pop(), queue.pop()] == [5, 3, 9, None]


def test_a_bound_that_was_set_holds(parsed: BpfObject) -> None:
    with loader.load_maps(parsed, entries={"ids": 2}) as made:
        ids = HashMap(made.maps["ids"], np.dtype("<u4"))
        assert [ids.put(key, bytes(4)) for key in range(3)] == [True, True, False]


def test_a_bound_for_a_map_that_is_not_there_is_refused(parsed: BpfObject) -> None:
    with pytest.raises(LayoutError, match="no map nothing"):
        loader.load_maps(parsed, entries={"nothing": 2})


def test_grace_ends() -> None:
    with Grace() as grace:
        grace.wait()
        grace.wait()


def test_a_refused_program_shows_the_verifiers_words(parsed: BpfObject) -> None:
    spec = parsed.programs["kd_tail"]
    # exits without a value in register 0
    broken = type(spec)(spec.name, spec.section, spec.kind, spec.attach, bytes.fromhex("9500000000000000"), ())
    with loader.load_maps(parsed) as made, pytest.raises(VerifierError) as caught:
        loader.load_program(made, broken)
    assert "R0 !read_ok" in caught.value.log
    assert "kd_tail" in str(caught.value)
