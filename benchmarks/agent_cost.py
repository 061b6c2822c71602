"""What the agent itself costs: user CPU at three rates, memory, start."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import probes, servers

MANY_OPERATIONS = 380
"""Give about 20,000 series: both ends are observed."""
_SCRAPE_SECONDS = 15
PACED = Path(__file__).with_name("paced.py")
_SCRIPT = """
local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", "/item" .. string.char(97 + n % 10) .. "/" .. string.char(97 + math.floor(n / 10) % 10))
end
"""


def user_cpu(home: Path, seconds: int, age: int = 0) -> dict[str, float]:
    """Percent of one core, by requests per second asked for (0: none, -1: as many as possible).

    Memory is read when the agent is `age` seconds old, in use and scraped meanwhile, or after the loads.
    """
    script = home / "operations.lua"
    home.mkdir(parents=True, exist_ok=True)
    script.write_text(_SCRIPT)
    shares = {}
    with servers.nginx(home / "nginx") as port, probes.agent(home / "agent") as agent:
        born = time.monotonic()
        with _load(port, script, -1, 5):
            time.sleep(6)  # the operations are new once
        for name, rate in (("idle", 0), ("1k", 1_000), ("10k", 10_000), ("most", -1)):
            with _load(port, script, rate, seconds + 2):
                time.sleep(1)
                before, began = agent.cpu(), time.monotonic()
                time.sleep(seconds)
                shares[name] = 100 * (agent.cpu() - before) / (time.monotonic() - began)
        while time.monotonic() - born < age:
            with _load(port, script, 1_000, _SCRAPE_SECONDS):
                time.sleep(_SCRAPE_SECONDS)
                agent.get("/metrics")
        shares["series"] = _series(agent)
        shares["rss_mib"] = agent.rss()
        shares["age_s"] = time.monotonic() - born
        shares["maps_mib"] = agent.map_bytes() / 2**20
        subprocess.run([sys.executable, str(PACED), str(port), "500", "2", str(MANY_OPERATIONS)], check=True)
        time.sleep(2.5)
        shares["http_series"] = _series(agent)
        shares["http_ms"] = statistics.median(_timed(agent) for _ in range(5))
    return shares


def starts(home: Path, count: int) -> dict[str, float]:
    """Seconds from the start of the process, warm: median."""
    found = []
    for number in range(count):
        with probes.agent(home / f"start-{number}") as agent:
            found.append((agent.attached, agent.answered))
    return {
        "attached_s": statistics.median(attached for attached, _ in found),
        "answered_s": statistics.median(answered for _, answered in found),
    }


def _series(agent: probes.Agent) -> int:
    return sum(1 for line in agent.get("/metrics").split(b"\n") if line and not line.startswith(b"#"))


def _timed(agent: probes.Agent) -> float:
    began = time.monotonic()
    agent.get("/metrics")
    return 1_000 * (time.monotonic() - began)


@contextlib.contextmanager
def _load(port: int, script: Path, rate: int, seconds: int) -> Iterator[None]:
    if not rate:
        yield
        return
    if rate < 0:
        command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}/"]
    else:
        command = [sys.executable, str(PACED), str(port), str(rate), str(seconds)]
    load = subprocess.Popen([*servers.PIN, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        load.wait(seconds + 30)
