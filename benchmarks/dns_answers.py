"""What reading DNS answers costs the agent: 5,000 a second of 500 names."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import probes, servers

RATE, NAMES = 5_000, 500
LOAD = Path(__file__).with_name("dns_load.py")


def measure(home: Path, seconds: int) -> dict[str, float]:
    """User CPU in percent of a core, answers a second, and of rotated addresses (every answer is new) the same and
    how many events were held back.
    """
    home.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, rotated in (("same", 0), ("rotated", 1)):
        with probes.agent(home / name) as agent:
            time.sleep(2)
            load = subprocess.Popen(
                [*servers.PIN, sys.executable, str(LOAD), str(RATE), str(seconds + 4), str(NAMES), str(rotated)],
                stdout=subprocess.PIPE,
                text=True,
            )
            time.sleep(3)
            before, began = agent.cpu(), time.monotonic()
            time.sleep(seconds)
            found[f"{name}_percent"] = 100 * (agent.cpu() - before) / (time.monotonic() - began)
            out, _ = load.communicate(timeout=60)
            found[f"{name}_per_second"] = int(out) / (seconds + 4)
            time.sleep(1.5)
            coverage = json.loads(agent.get("/api/v1/dns?limit=1"))["coverage"]
            found[f"{name}_held_back"] = _lost(coverage, "dns_limit", "event_ring")
            found[f"{name}_learned"] = json.loads(agent.get("/api/v1/status"))["stats"]["dns_names"]
            found[f"{name}_rss_mib"] = agent.rss()
    return found


def _lost(coverage: dict[str, Any], *causes: str) -> float:
    return float(sum(coverage["causes"].get(cause, {}).get("count", 0) for cause in causes))


if __name__ == "__main__":
    print(json.dumps(measure(Path("/tmp/kindling-dns-bench"), 20), indent=1))
