"""What the agent itself costs: user CPU at three rates, memory, start."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import probes, servers

OPERATIONS = 100
_SCRIPT = """
local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", "/item" .. string.char(97 + n % 10) .. "/" .. string.char(97 + math.floor(n / 10) % 10))
end
"""


def user_cpu(home: Path, seconds: int) -> dict[str, float]:
    """Percent of one core, by requests per second asked for (0: none, -1: as many as possible)."""
    script = home / "operations.lua"
    home.mkdir(parents=True, exist_ok=True)
    script.write_text(_SCRIPT)
    shares = {}
    with servers.nginx(home / "nginx") as port, probes.agent(home / "agent") as agent:
        with _load(port, script, -1, 5):
            time.sleep(6)  # the operations are new once
        for name, rate in (("idle", 0), ("1k", 1_000), ("10k", 10_000), ("most", -1)):
            with _load(port, script, rate, seconds + 2):
                time.sleep(1)
                before, began = agent.cpu(), time.monotonic()
                time.sleep(seconds)
                shares[name] = 100 * (agent.cpu() - before) / (time.monotonic() - began)
        shares["rss_mib"] = agent.rss()
        shares["maps_mib"] = agent.map_bytes() / 2**20
        shares["start_s"] = agent.started
    return shares


@contextlib.contextmanager
def _load(port: int, script: Path, rate: int, seconds: int) -> Iterator[None]:
    if not rate:
        yield
        return
    if rate < 0:
        command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}/"]
    else:
        command = [sys.executable, str(Path(__file__).with_name("paced.py")), str(port), str(rate), str(seconds)]
    load = subprocess.Popen([*servers.PIN, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        load.wait(seconds + 30)
