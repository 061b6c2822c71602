"""The built probe on other kernels, and here: loaded, attached, and counting exactly what was sent."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vm import count, kernels, machine, traffic

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PLAN = traffic.Plan()
CLIENT, SERVER = 1, 2
TCP, UDP = 6, 17
UNDECIDED, HTTP, DNS = 0, 2, 3
NXDOMAIN, NOERROR = 3 + 1, 0 + 1
REFUSED = 0

pytestmark = [pytest.mark.vm, pytest.mark.root, pytest.mark.timeout(900)]


def here() -> machine.Result:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    command = [sys.executable, str(HERE / "count.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return machine.Result(done.returncode, f"guest: start\n{done.stdout}{done.stderr}guest: exit")


def there(kernel: kernels.Kernel) -> machine.Result:
    return machine.run(
        kernel,
        HERE / "count.py",
        files={"/guest/vm/traffic.py": HERE / "traffic.py"},
        packages={"kindling": ROOT / "src/kindling"},
    )


@pytest.fixture(scope="module", params=["here", *(kernel.name for kernel in kernels.KERNELS)])
def counted(request: pytest.FixtureRequest) -> Any:
    """Return what the probe counted on a kernel."""
    try:
        if request.param == "here":
            result = here()
        else:
            result = there(next(kernel for kernel in kernels.KERNELS if kernel.name == request.param))
    except kernels.UnavailableError as error:
        pytest.skip(f"NOT TESTED on Linux {request.param}: {error}")
    line = next((line for line in result.output.splitlines() if line.startswith("counted: ")), None)
    if line is None:
        tail = "\n".join((result.output or result.console).splitlines()[-15:])
        pytest.fail(f"Linux {request.param}: nothing was counted (exit {result.code}):\n{tail}", pytrace=False)
    return json.loads(line.removeprefix("counted: "))


def only(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """Return the one row that has these values, and say why each other missed."""
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    if len(found) != 1:
        reasons = [{key: row[key] for key in wanted if row[key] != wanted[key]} for row in rows]
        pytest.fail(f"{len(found)} rows are {wanted}; the others differ by {reasons}\n{json.dumps(rows, indent=1)}")
    return found[0]


def is_part(row: dict[str, Any], **wanted: Any) -> None:
    assert {key: row[key] for key in wanted} == wanted


@pytest.mark.parametrize("address", count.ADDRESSES)
class TestCounts:
    def test_http_client(self, counted: Any, address: str) -> None:
        flow = only(counted["flows"], local=address, role=CLIENT, port=traffic.HTTP_PORT)

        is_part(flow, transport=TCP, protocol=HTTP, remote=address, name="guest.test", inferred=0, unsettled=0)
        is_part(flow, opened=PLAN.connections, closed=PLAN.connections, connect_count=PLAN.connections)
        is_part(flow, bytes_out=traffic.bytes_out(PLAN), bytes_in=traffic.bytes_in(PLAN))
        is_part(flow, closed_reset=0, resets_in=0, resets_out=0, failed=[0] * len(flow["failed"]))

    def test_http_server(self, counted: Any, address: str) -> None:
        flow = only(counted["flows"], local=address, role=SERVER, port=traffic.HTTP_PORT)

        is_part(flow, transport=TCP, protocol=HTTP, remote=address, inferred=0, unsettled=0)
        is_part(flow, opened=PLAN.connections, closed=PLAN.connections)
        is_part(flow, bytes_in=traffic.bytes_out(PLAN), bytes_out=traffic.bytes_in(PLAN))
        is_part(flow, closed_reset=0, resets_in=0, resets_out=0, failed=[0] * len(flow["failed"]))

    @pytest.mark.parametrize("role", [CLIENT, SERVER])
    def test_requests(self, counted: Any, address: str, role: int) -> None:
        ops = [op for op in counted["ops"] if op["local"] == address and op["role"] == role and op["protocol"] == HTTP]

        counts = Counter({(op["text"], op["status"]): op["count"] for op in ops})

        assert counts == {("GET /users/*", 200): PLAN.found, ("GET /missing/*", 404): PLAN.missing}

    @pytest.mark.parametrize("role", [CLIENT, SERVER])
    def test_queries(self, counted: Any, address: str, role: int) -> None:
        ops = [op for op in counted["ops"] if op["local"] == address and op["role"] == role and op["protocol"] == DNS]

        counts = Counter({(op["text"], op["status"]): op["count"] for op in ops})

        assert counts == {
            ("\0\1\5there\4test\0", NOERROR): PLAN.queries - PLAN.nameless,
            ("\0\1\4nope\4test\0", NXDOMAIN): PLAN.nameless,
        }

    @pytest.mark.parametrize("role", [CLIENT, SERVER])
    def test_udp_flow(self, counted: Any, address: str, role: int) -> None:
        flow = only(counted["flows"], local=address, role=role, port=traffic.DNS_PORT)

        sent = sum(len(traffic.query(i)) for i in range(PLAN.queries))
        received = sum(len(traffic.answer(traffic.query(i))) for i in range(PLAN.queries))
        out, back = (sent, received) if role == CLIENT else (received, sent)
        is_part(flow, transport=UDP, protocol=DNS, remote=address, opened=1, bytes_out=out, bytes_in=back)
        if role == CLIENT:  # a server's socket does not know its peers: user space sees them off when they are quiet
            is_part(flow, closed=1)

    def test_refused(self, counted: Any, address: str) -> None:
        flow = only(counted["flows"], local=address, role=CLIENT, port=traffic.REFUSED_PORT)

        is_part(flow, transport=TCP, remote=address, opened=0, closed=0)
        assert flow["failed"][REFUSED] == PLAN.refused
        assert sum(flow["failed"]) == PLAN.refused

    def test_owner(self, counted: Any, address: str) -> None:
        owners = {flow["owner"] for flow in counted["flows"] if flow["local"] == address}

        assert len(owners) == 1
        assert owners.pop().startswith("python")


def test_nothing_was_lost(counted: Any) -> None:
    assert {cause: number for cause, number in counted["lost"].items() if number} == {}


def test_nothing_else_was_counted(counted: Any) -> None:
    """Five flows an address: HTTP and DNS from both ends, the refused ones, no empty leftovers."""
    places = Counter((flow["local"], flow["port"], flow["role"]) for flow in counted["flows"])

    assert set(places.values()) == {1}
    assert len(places) == 5 * len(count.ADDRESSES)
