"""What `kindling check` finds on this machine, and what it says where something is missing or forbidden."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kernel.compiled import compile_probe
from kindling.capture.bpf.assembler import call
from kindling.capture.bpf.drops import Drops, read_reasons
from kindling.capture.bpf.features import Feature, accepted
from kindling.capture.bpf.survey import survey
from kindling.capture.bpf.syscall import ProgramType
from kindling.errors import UnsupportedError

pytestmark = pytest.mark.root

ROOT = Path(__file__).parents[2]
PROBE = ROOT / "bpf"


def test_this_kernel_has_all_that_is_needed() -> None:
    missing = [found for found in survey() if found.needed and not found.present]
    assert missing == []


def test_a_feature_that_is_not_there_says_why() -> None:
    def unknown_helper() -> str:
        return accepted(ProgramType.CGROUP_SKB, call(5555))

    (found,) = survey([Feature("a helper", True, "nothing", unknown_helper)])
    assert not found.present
    assert not found.forbidden
    assert "invalid func unknown#5555" in found.detail


def test_an_error_is_no_crash() -> None:
    def nothing() -> str:
        raise UnsupportedError("Not here.", hint="")

    (found,) = survey([Feature("nothing", False, "nothing", nothing)])
    assert (found.present, found.detail) == (False, "Not here.")


def test_without_privilege_the_exit_code_is_3() -> None:
    # root by name, but a root that may do nothing: also what a container without capabilities has
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    command = [*powerless, sys.executable, "-m", "kindling.cli", "check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "not allowed" in done.stdout
    assert "Traceback" not in done.stderr


def test_json_lists_each_feature() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kindling.cli", "check", "--output", "json"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    document = json.loads(done.stdout)
    assert document["exit_code"] == done.returncode
    names = [each["name"] for each in document["features"]]
    assert len(set(names)) == len(names)
    assert {"ring buffer", "links", "program sockops"} <= set(names)
    assert all(each["without"] for each in document["features"])


def test_drops_are_counted_by_reason(tmp_path: Path) -> None:
    try:
        read_reasons()
    except UnsupportedError as error:
        pytest.skip(str(error))
    drops = Drops(compile_probe("drops.bpf.c", tmp_path, PROBE))
    try:
        before = drops.read().get("no_socket", 0)
        for _ in range(5):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"x", ("127.0.0.1", 9))
        assert drops.read()["no_socket"] >= before + 5
    finally:
        drops.close()
