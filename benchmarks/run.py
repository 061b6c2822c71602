"""The numbers of the README, measured side by side on this machine: `python benchmarks/run.py [--quick]`.

Root. Prints a table in Markdown, and writes build/bench.json.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import (
    agent_cost,
    dns_answers,
    inventory,
    kernel_time,
    kubernetes,
    load,
    machine,
    replay,
    scrape,
    servers,
    throughput,
)

RESULT = Path(__file__).parents[1] / "build" / "bench.json"


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    must: str
    stretch: str
    measured: str
    verdict: str


def verdict(value: float, must: float, stretch: float | None, *, lower: bool) -> str:
    if stretch is not None and (value <= stretch if lower else value >= stretch):
        return "stretch"
    return "yes" if (value <= must if lower else value >= must) else "**no**"


def at_most(what: str, value: float, must: float, stretch: float | None, unit: str, note: str = "") -> Row:
    wished = f"{stretch:g}{unit}" if stretch is not None else ""
    return Row(
        what, f"<= {must:g}{unit}", wished, f"{value:.3g}{unit}{note}", verdict(value, must, stretch, lower=True)
    )


def at_least(what: str, of_mode: dict[str, list[float]], must: float, stretch: float) -> Row:
    """The median and its quartiles, beside those of nothing and of empty programs: the noise and the limit."""
    low, middle, high = throughput.quartiles(of_mode["agent"])
    empty = throughput.quartiles(of_mode["empty"])
    calm = throughput.quartiles(of_mode["none"])
    note = f" ({low:.3f}-{high:.3f}); empty {empty[1]:.3f}; nothing {calm[0]:.3f}-{calm[2]:.3f}"
    return Row(what, f">= {must:g}", f"{stretch:g}", f"{middle:.3f}{note}", verdict(middle, must, stretch, lower=False))


def listed(found: dict[str, float], raw: dict[str, object]) -> list[Row]:
    """What the durable list costs."""
    raw["inventory"] = found
    return [
        at_most("list: RSS, 10,000 destinations, 1,000 workloads", found["rss_mib"], 90, 75, " MiB"),
        at_most("list: `kindling external`", found["table_ms"], 300, 200, " ms"),
        at_most("list: CPU of writing", found["write_cpu_percent"], 1.0, 0.5, " %"),
        at_most("list: bytes written per second", found["write_kb_s"], 50, 25, " kB"),
    ]


def of_a_cluster(found: dict[str, float], raw: dict[str, object]) -> list[Row]:
    """What knowing 10,000 pods costs, and whether the answers are right."""
    raw["kubernetes"] = found
    what = "cluster of 10,000 pods, 2,000 services"
    note = f" ({found['churn_events'] / found['churn_s']:.0f} events a second)"
    asked = f" of {found['asked']:.0f} ({found['old']:.0f} of them an old name)"
    return [
        at_most(f"{what}: more RSS", found["more_mib"], 45, 30, " MiB", f" (peak {found['more_peak_mib']:.3g} MiB)"),
        at_most(
            "cluster: user CPU of the first sync", found["sync_cpu_s"], 3, 1, " s", f" (in {found['sync_s']:.0f} s)"
        ),
        at_most("cluster: user CPU, 5,000 address changes a minute", found["churn_percent"], 5, 3, " %", note),
        at_most("cluster: wrong names meanwhile", found["wrong"], 0, None, "", asked),
        at_most("cluster: lists after 3 dropped watches", found["lists_after_drops"], 0, None, ""),
        at_most("cluster: lists of each kind after 410 Gone", found["lists_after_gone"], 1, None, ""),
    ]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(home: Path, *, quick: bool) -> tuple[list[Row], dict[str, object]]:
    raw: dict[str, object] = {}
    rows = []
    seconds = 2 if quick else 8
    say("kernel time of requests and packets ...")
    raw["request"] = request = kernel_time.of_requests(home / "request", seconds)
    what = "kernel time per HTTP request and observed socket"
    rows.append(at_most(what, request["request_ns"], 500, 330, " ns"))
    raw["bulk"] = bulk = kernel_time.of_bulk(home / "bulk", seconds)
    note = f" (net {bulk['packet_ns']:.0f} ns; empty {bulk['empty_ns']:.0f} ns)"
    rows.append(at_most("bulk TCP packet against an empty program", bulk["ratio"], 3.0, 2.0, " x", note))
    say("throughput, in turns ...")
    raw["throughput"] = kept = throughput.kept(home / "kept", 8 if quick else 15, 0.5)
    for name, must, stretch in (("http", 0.93, 0.95), ("redis", 0.92, 0.94), ("connects", 0.90, 0.93)):
        rows.append(at_least(f"throughput kept: {name}", kept[name], must, stretch))
    rows += [at_least(f"calls without networking: {name}", kept[name], 0.99, 1.0) for name in load.CALLS]
    say("the agent's own cost ...")
    raw["agent"] = cost = agent_cost.user_cpu(home / "cost", *((6, 0) if quick else (20, 600)))
    for name in ("idle", "1k", "10k", "most"):
        rows.append(at_most(f"agent user CPU, requests/s: {name}", cost[name], 1.0, 0.3, " %"))
    note = f" ({cost['series']:.0f} series, {cost['age_s']:.0f} s)"
    rows.append(at_most("agent RSS", cost["rss_mib"], 70, 55, " MiB", note))
    rows.append(at_most("kernel maps together", cost["maps_mib"], 48, 24, " MiB"))
    raw["start"] = start = agent_cost.starts(home / "start", 3 if quick else 7)
    note = f" (answers over HTTP after {start['answered_s']:.2f} s)"
    rows.append(at_most("start to first count, warm", start["attached_s"], 1.5, 0.7, " s", note))
    raw["scrape"] = scraped = scrape.measure(20_000)
    note = f" ({scraped['series']:.0f} series rendered)"
    rows.append(at_most("/metrics, in process", scraped["median_ms"], 60, 25, " ms", note))
    note = f" ({cost['http_series']:.0f} series, live)"
    rows.append(at_most("/metrics, over HTTP", cost["http_ms"], 60, 25, " ms", note))
    say("the durable list ...")
    rows += listed(inventory.measure(home / "list"), raw)
    say("a cluster ...")
    rows += of_a_cluster(kubernetes.measure(home / "cluster", 15 if quick else 60), raw)
    raw["dns"] = dns = dns_answers.measure(home / "dns", 6 if quick else 20)
    note = f" ({dns['rotated_percent']:.2g} % where each answer gives other addresses)"
    rows.append(at_most("agent user CPU, 5,000 DNS answers/s of 500 names", dns["same_percent"], 3.0, 1.0, " %", note))
    raw["replay"] = speed = replay.megabytes_per_second(home)
    word = verdict(speed, 300, None, lower=False)
    rows.append(Row("replay, packets of 1,400 bytes", ">= 300 MB/s", "", f"{speed:.0f} MB/s", word))
    return rows, raw


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: six minutes, not twenty-five")
    quick = parser.parse_args().quick or bool(os.environ.get("QUICK"))
    if os.geteuid():
        print("bench: needs root, to attach programs", file=sys.stderr)
        return 3
    if absent := servers.missing():
        print(f"bench: not installed: {', '.join(absent)}; `make setup-test` installs them", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing stays behind
    load.build()
    facts = machine.facts()
    facts["busy before"] = f"{machine.wait_until_free(10 if quick else 60):.0%}"
    with tempfile.TemporaryDirectory(prefix="kindling-bench-") as home:
        Path(home).chmod(0o755)
        rows, raw = measure(Path(home), quick=quick)
    print(", ".join(f"{name} {value}" for name, value in facts.items()) + "\n")
    print("| what | must be | stretch | measured | holds |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {row.what} | {row.must} | {row.stretch} | {row.measured} | {row.verdict} |")
    RESULT.parent.mkdir(exist_ok=True)
    document = {"machine": facts, "quick": quick, "rows": [asdict(row) for row in rows], "raw": raw}
    RESULT.write_text(json.dumps(document, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
