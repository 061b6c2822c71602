"""Runs in a guest (as main program) or on this machine: count.py ADDRESS ...

Attaches the built probe with our own loader, makes known traffic, and prints what the tables then say as one line of
JSON after "counted: ".
"""

import contextlib
import ctypes
import json
import platform
import shutil
import subprocess
import sys
import traceback
from typing import Any

from kindling.capture.live import LiveSource
from kindling.wire.address import to_text
from vm import traffic

ADDRESSES = ("198.51.100.7", "2001:db8::7")
CLONE_NEWNET = 0x40000000


def own_network() -> None:
    """Move into a network namespace of our own: there nobody else talks, and every port is free."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    ip = [shutil.which("ip") or "/bin/busybox", *([] if shutil.which("ip") else ["ip"])]
    subprocess.run([*ip, "link", "set", "lo", "up"], check=True)
    for address in ADDRESSES:
        subprocess.run([*ip, "addr", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo"], check=True)


def tables(source: LiveSource) -> dict[str, Any]:
    """Return flows and operations of our addresses, with names in place of ids."""
    names = {int(row["head"]["id"]): bytes(row["text"][: row["len"]]) for row in live(source, "name")}
    owners = {int(row["head"]["id"]): row["key"]["comm"].decode() for row in live(source, "owner")}
    flows, parents = [], {}
    for row in live(source, "flow"):
        key = row["key"]
        if to_text(key["local"].tobytes()) not in ADDRESSES:
            continue
        flow = {
            "owner": owners.get(int(key["owner"]), ""),
            "name": names.get(int(key["name"]), b"").decode(),
            "local": to_text(key["local"].tobytes()),
            "remote": to_text(key["remote"].tobytes()),
            "failed": row["failed"].tolist(),
        }
        flow |= {field: int(key[field]) for field in ("port", "role", "transport", "protocol", "inferred")}
        flow |= {field: int(row[field]) for field in COUNTERS}
        if any(flow[field] for field in COUNTERS) or any(flow["failed"]):  # else only the gauge was used, for a moment
            flows.append(flow)
        parents[int(row["parent"])] = flow["local"]
    ops = [
        {
            "local": parents[int(row["parent"])],
            "text": names.get(int(row["op"]), b"?").decode("latin-1"),
            "count": int(row["hist"].sum()),
            **{field: int(row[field]) for field in ("status", "protocol", "role", "request_bytes", "response_bytes")},
        }
        for row in live(source, "op")
        if int(row["parent"]) in parents
    ]
    return {"flows": flows, "ops": ops, "lost": source.lost()}


COUNTERS = (
    "opened",
    "unsettled",
    "closed",
    "closed_reset",
    "connect_count",
    "bytes_out",
    "bytes_in",
    "resets_out",
    "resets_in",
)


def live(source: LiveSource, table: str) -> list[Any]:
    slots = source.slots(table)
    return list(slots[slots["head"]["live"] != 0])


def main() -> int:
    source = LiveSource()
    with contextlib.closing(source):
        source.refill()
        own_network()
        for address in ADDRESSES:
            traffic.run(address, traffic.Plan())
        found = tables(source)
    print("counted:", json.dumps({"release": platform.release(), **found}))
    return 0


if __name__ == "__main__":
    try:
        code = main()
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.exit(code)
