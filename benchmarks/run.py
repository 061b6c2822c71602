"""The numbers of the README, measured side by side on this machine: `python benchmarks/run.py [--quick]`.

Root. Prints a table in Markdown, and writes build/bench.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import agent_cost, kernel_time, scrape, servers, throughput

RESULT = Path(__file__).parents[1] / "build" / "bench.json"


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    must: str
    measured: str
    holds: bool | None


def at_most(what: str, value: float, limit: float, unit: str = "", note: str = "") -> Row:
    return Row(what, f"<= {limit:g}{unit}", f"{value:.3g}{unit}{note}", value <= limit)


def at_least(what: str, values: list[float], limit: float, beside: list[float] | None = None) -> Row:
    middle = statistics.median(values)
    low, high = min(values), max(values)
    note = f" (empty programs {statistics.median(beside):.3f})" if beside else ""
    return Row(what, f">= {limit:g}", f"{middle:.3f} [{low:.3f}-{high:.3f}]{note}", middle >= limit)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(home: Path, *, quick: bool) -> tuple[list[Row], dict[str, object]]:
    raw: dict[str, object] = {}
    rows = []
    seconds = 2 if quick else 6
    say("kernel time of requests and packets ...")
    raw["request"] = request = kernel_time.of_requests(home / "request", seconds)
    rows.append(at_most("kernel time per HTTP request and observed socket", request["request_ns"], 500, " ns"))
    raw["bulk"] = bulk = kernel_time.of_bulk(home / "bulk", seconds)
    note = f" (net {bulk['packet_ns']:.0f} ns, empty {bulk['empty_ns']:.0f} ns)"
    rows.append(at_most("bulk TCP packet against an empty program", bulk["ratio"], 3.0, " x", note))
    say("throughput, in turns ...")
    raw["throughput"] = kept = throughput.kept(home / "kept", 3 if quick else 9, 1)
    rows += [
        at_least(f"throughput kept: {name}", kept[name]["agent"], limit, kept[name]["empty"])
        for name, limit in {"nginx": 0.93, "redis": 0.92, "connects": 0.90}.items()
    ]
    rows += [
        at_least(f"system calls without networking: {name}", kept[name]["agent"], 0.99)
        for name in ("getppid", "pread", "pipe")
    ]
    say("the agent's own cost ...")
    raw["agent"] = cost = agent_cost.user_cpu(home / "cost", 8 if quick else 20)
    rows += [
        at_most(f"agent user CPU, requests/s: {name}", cost[name], 1.0, " %") for name in ("idle", "1k", "10k", "most")
    ]
    rows.append(at_most("agent RSS after that", cost["rss_mib"], 70, " MiB"))
    rows.append(at_most("kernel maps together", cost["maps_mib"], 48, " MiB"))
    rows.append(at_most("start to first answer", cost["start_s"], 1.5, " s"))
    raw["scrape"] = scraped = scrape.measure(20_000)
    rows.append(at_most(f"/metrics with {scraped['series']:.0f} series", scraped["median_ms"], 60, " ms"))
    return rows, raw


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: about three minutes")
    quick = parser.parse_args().quick or bool(os.environ.get("QUICK"))
    if os.geteuid():
        print("bench: needs root, to attach programs", file=sys.stderr)
        return 3
    if absent := servers.missing():
        print(f"bench: not installed: {', '.join(absent)}; `make setup-test` installs them", file=sys.stderr)
        return 1
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="kindling-bench-") as home:
        Path(home).chmod(0o755)
        rows, raw = measure(Path(home), quick=quick)
    print(f"Linux {platform.release()}, {os.cpu_count()} processors, load before {load:.2f}\n")
    print("| what | must be | measured | |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.what} | {row.must} | {row.measured} | {'yes' if row.holds else '**no**'} |")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"load": load, "kernel": platform.release(), **raw}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
