"""Compiles what is C: the probe (bpf/*.bpf.c) and its native home (native/*.c).

    build.py probe     bpf/X.bpf.c -> src/kindling/_probe/X.bpf.o, then proves that every exit lets the packet pass
    build.py native    native/*.c  -> src/kindling/_native/libkindling.so
    build.py layout    bpf/types.h has no hole that the compiler filled

The compiler is the clang inside the pinned `ziglang` package: the same on every machine, for every target.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import ziglang

import prove_exits

ROOT = Path(__file__).resolve().parent.parent
PROBE = ROOT / "src/kindling/_probe"
NATIVE = ROOT / "src/kindling/_native"
HEADERS = Path(ziglang.__file__).parent / "lib/libc/include"

# Kernel headers come with the compiler, not from the machine.
UAPI = ["-isystem", str(HEADERS / "any-linux-any"), "-isystem", str(HEADERS / "x86-linux-any")]
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
SAME_PATHS = [f"-ffile-prefix-map={ROOT}=."]  # the same bytes wherever it is built
BPF = ["-target", "bpfel-freestanding", "-mcpu=v2", "-O2", "-g", *WARNINGS, *SAME_PATHS, *UAPI]
GLIBC = "2.17"  # what manylinux2014 promises


def compile_c(*arguments: str | Path) -> None:
    """Run the compiler; its own words are the error."""
    environment = dict(os.environ)
    environment.setdefault("ZIG_GLOBAL_CACHE_DIR", str(ROOT / ".cache/zig"))
    environment.setdefault("ZIG_LOCAL_CACHE_DIR", str(ROOT / ".cache/zig"))
    command = [sys.executable, "-m", "ziglang", "cc", *map(str, arguments)]
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
        sys.exit(f"build: the compiler refused: {' '.join(str(a) for a in arguments if str(a).endswith('.c'))}")


def build_probe() -> None:
    PROBE.mkdir(exist_ok=True)
    for source in sorted(ROOT.glob("bpf/*.bpf.c")):
        target = PROBE / f"{source.stem}.o"
        fresh = target.with_suffix(".new")  # an object that was not proved never stands at the name that is loaded
        compile_c(*BPF, "-c", source.relative_to(ROOT), "-o", fresh)
        count, bad = prove_exits.prove(fresh)
        if bad:
            fresh.unlink()
            sys.exit("\n".join(f"build: {source.name}: {each}" for each in bad))
        fresh.replace(target)
        print(f"build: {target.relative_to(ROOT)}: every exit of {count} programs returns 1")


def build_native(machine: str) -> None:
    NATIVE.mkdir(exist_ok=True)
    sources = [source.relative_to(ROOT) for source in sorted(ROOT.glob("native/*.c"))]
    target = NATIVE / "libkindling.so"
    flags = ["-shared", "-fPIC", "-O2", "-g0", "-std=gnu11", "-fvisibility=hidden", "-fno-strict-aliasing"]
    flags += ["-DKINDLING_NATIVE", "-DNDEBUG", *WARNINGS, *SAME_PATHS]
    compile_c(
        "-target", f"{machine}-linux-gnu.{GLIBC}", *flags, *sources, "-o", target, "-lz" if needs_zlib() else "-lc"
    )
    print(f"build: {target.relative_to(ROOT)} for {machine}")


def needs_zlib() -> bool:
    return any("<zlib.h>" in source.read_text() for source in ROOT.glob("native/*.[ch]"))


def check_layout() -> None:
    """Compile types.h so that every structure is laid out and no hole passes."""
    names = re.findall(r"^struct (\w+) \{", (ROOT / "bpf/types.h").read_text(), re.MULTILINE)
    checks = "".join(f'_Static_assert(sizeof(struct {name}) > 0, "{name}");\n' for name in names)
    source = ROOT / ".cache/layout.c"
    source.parent.mkdir(exist_ok=True)
    source.write_text(f'#include "../bpf/types.h"\n{checks}')
    compile_c(*BPF, "-Wpadded", "-c", source.relative_to(ROOT), "-o", source.with_suffix(".o"))
    print(f"build: bpf/types.h: {len(names)} structures without a hole")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["probe", "native", "layout"])
    parser.add_argument("--machine", default=platform.machine(), help="x86_64 or aarch64 (native)")
    options = parser.parse_args()
    if options.what == "probe":
        build_probe()
    elif options.what == "native":
        build_native(options.machine)
    else:
        check_layout()


if __name__ == "__main__":
    main()
