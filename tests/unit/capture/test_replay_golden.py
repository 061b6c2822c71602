"""What the replay makes of each capture, recorded.

KINDLING_GOLDEN=write records anew: read the difference.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kindling.model import Snapshot
from unit.capture.replayed import CAPTURES, captures, replay

GOLDEN = CAPTURES / "golden"

Lines = dict[str, list[str]]


def _counted(failures: dict[str, int]) -> str:
    return " ".join(f"{reason}={count}" for reason, count in sorted(failures.items()) if count) or "0"


def lines(snapshot: Snapshot) -> Lines:
    """One line for each row, in the order of its text: what differs is seen at a glance."""
    flows = [
        f"{f.labels.role} {f.labels.local_ip} {f.labels.remote_ip} {f.labels.transport}/{f.labels.port}"
        f" {f.labels.protocol} {f.labels.name or '-'} ({f.labels.evidence}{', inferred' if f.labels.inferred else ''}):"
        f" opened {f.opened} closed {f.closed} reset {f.closed_reset} failed {_counted(f.failed)}"
        f" bytes {f.bytes_out}/{f.bytes_in} packets {f.packets_out}/{f.packets_in} retransmits {f.retransmits}"
        f" resets {f.resets_out}/{f.resets_in} connect {f.connect_ns} in {f.connect_count} duration {f.duration_ns}"
        f" rtt {f.srtt_us}/{f.rtt_min_us} tls {f.tls_version or '-'} {f.alpn or '-'}"
        for f in snapshot.flows
    ]
    ops = [
        f"{o.labels.role} {o.labels.local_ip} {o.labels.protocol}/{o.labels.port} {o.labels.operation}"
        f" -> {o.labels.status}{' (error)' if o.labels.error else ''}: {o.count} slow {o.slow}"
        f" bytes {o.request_bytes}/{o.response_bytes}"
        f" send {o.send_ns} wait {o.wait_ns} receive {o.receive_ns} duration {o.duration_ns}"
        for o in snapshot.ops
    ]
    answers = [
        f"{a.type} {a.question} from {a.server_ip}: rcode {a.rcode}{' (truncated)' if a.truncated else ''}"
        + "".join(f", {r.name} {r.ttl} {r.type} {r.value}" for r in a.records)
        for a in snapshot.answers
    ]
    requests = [f"{r.role} {r.operation} {r.request} -> {r.status} slow {r.slow}" for r in snapshot.requests]
    failures = [f"{f.role} {f.remote_ip}:{f.remote_port} {f.reason} after {f.duration_ns}" for f in snapshot.failures]
    return {
        "flows": sorted(flows),
        "operations": sorted(ops),
        "answers": answers,
        "requests": requests,
        "failures": failures,
        "lost": [f"{cause} {count}" for cause, count in sorted(snapshot.lost.items()) if count],
    }


@pytest.mark.parametrize("name", captures())
def test_golden(name: str) -> None:
    got = lines(replay(CAPTURES / name))
    path: Path = GOLDEN / f"{name}.json"
    if os.environ.get("KINDLING_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(got, indent=1) + "\n")
    assert path.exists(), "not recorded yet: KINDLING_GOLDEN=write"
    assert got == json.loads(path.read_text())


def test_client_and_server_see_the_same() -> None:
    """Both ends of a conversation are counted; what is lost on the way is the same for both, in a capture."""
    for name in captures("http_*"):
        sides: dict[str, dict[tuple[str, str], int]] = {"client": {}, "server": {}}
        for op in replay(CAPTURES / name).ops:
            key = (op.labels.operation, op.labels.status)
            side = sides[op.labels.role]
            side[key] = side.get(key, 0) + op.count
        assert sides["client"] == sides["server"], name
