"""Runs every fuzz harness: the capture reader with the whole engine behind it, and each dissector.

    fuzz/run.py --seconds 600     each harness as long as that; what is new and worth keeping joins fuzz/corpus
    fuzz/run.py --total 60        all of them together; the kept corpus is read, not changed

Needs clang with libFuzzer (Debian: clang, libclang-rt-dev).
Exit code 1: something was found; the input is in fuzz/found.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FLAGS = [
    *("-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fno-strict-aliasing", "-fno-omit-frame-pointer"),
    *("-DKINDLING_NATIVE", "-DNATIVE_SHRINK=64", "-fno-sanitize-recover=undefined"),
]
ENGINE = ("-fsanitize=fuzzer-no-link,address,undefined", "-fno-sanitize=alignment")
HARNESS = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize=alignment")


@dataclass(frozen=True)
class Harness:
    name: str
    source: str
    defines: tuple[str, ...] = ()
    longest: int = 4096


HARNESSES = (
    Harness("capture", "capture.c", longest=16384),
    Harness("http1", "stream.c", ("-DPORT=80",)),
    Harness("tls", "stream.c", ("-DPORT=443",)),
    Harness("dns_tcp", "stream.c", ("-DPORT=53",)),
    Harness("dns_udp", "stream.c", ("-DPORT=53", "-DPROTO=17")),
    Harness("ntp", "stream.c", ("-DPORT=123", "-DPROTO=17"), 512),
)


def compiler() -> str:
    for name in (os.environ.get("FUZZ_CC", ""), "clang", "clang-19", "clang-16", "clang-15", "clang-14"):
        if name and shutil.which(name):
            return name
    sys.exit("fuzz: clang is missing (Debian: apt-get install clang libclang-rt-14-dev)")


def build_engine(into: Path) -> list[Path]:
    """Compile what all harnesses share."""
    objects = []
    for source in [*sorted((ROOT / "native").glob("*.c")), HERE / "check.c"]:
        objects.append(into / f"{source.stem}.o")
        command = [compiler(), *FLAGS, *ENGINE, "-c", str(source), "-o", str(objects[-1])]
        subprocess.run(command, check=True)
    return objects


def build(harness: Harness, objects: list[Path], into: Path) -> Path:
    target = into / harness.name
    command = [compiler(), *FLAGS, *HARNESS, *harness.defines, str(HERE / harness.source), *map(str, objects)]
    subprocess.run([*command, "-o", str(target)], check=True)
    return target


def fuzz(harness: Harness, binary: Path, seconds: int, *, keep: bool) -> bool:
    """Fuzz for a while. Returns whether nothing was found."""
    kept = HERE / "corpus" / harness.name
    found = HERE / "found"
    found.mkdir(exist_ok=True)
    kept.mkdir(parents=True, exist_ok=True)
    dictionary = HERE / f"{harness.name}.dict"
    with tempfile.TemporaryDirectory() as grown:
        command = [
            str(binary), f"-max_total_time={seconds}", f"-max_len={harness.longest}", "-timeout=10",
            "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={found}/{harness.name}-",
            *([f"-dict={dictionary}"] if dictionary.exists() else []), grown, str(kept),
        ]  # fmt: skip
        result = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
        runs = [line.split()[-1] for line in result.stderr.splitlines() if "number_of_executed_units" in line]
        print(f"fuzz: {harness.name}: {runs[0] if runs else '?'} runs, {'ok' if not result.returncode else 'FOUND'}")
        if result.returncode:
            print(result.stderr[-6000:])
        elif keep:
            subprocess.run(
                [str(binary), "-merge=1", f"-max_len={harness.longest}", "-verbosity=0", str(kept), grown],
                check=True, stderr=subprocess.DEVNULL,
            )  # fmt: skip
    return result.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=0, help="of each harness; new inputs are kept")
    parser.add_argument("--total", type=int, default=60, help="of all harnesses together; nothing is kept")
    parser.add_argument("names", nargs="*", help="harnesses (default: all)")
    options = parser.parse_args()
    chosen = [h for h in HARNESSES if not options.names or h.name in options.names]
    seconds = options.seconds or max(1, options.total // len(chosen))
    with tempfile.TemporaryDirectory() as into:
        objects = build_engine(Path(into))
        good = [fuzz(h, build(h, objects, Path(into)), seconds, keep=bool(options.seconds)) for h in chosen]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
