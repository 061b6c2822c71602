#!/usr/bin/env python3
"""Shows what each kernel's verifier says about a BPF object: try.py OBJECT [5.10 6.1 6.12 here ...].

Without kernels it tries all of them and this machine's own (when root). TAIL=100 shows more of a refusal's log.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vm import guest, kernels, machine

VERIFY = Path(__file__).with_name("verify.py")


def verdict(name: str, path: Path) -> tuple[bool, str]:
    if name == "here":
        done = subprocess.run([sys.executable, VERIFY, path], capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stdout + done.stderr
    kernel = next((k for k in kernels.KERNELS if k.name == name), None)
    if kernel is None:
        return False, f"{name}: no such kernel; there are {', '.join(k.name for k in kernels.KERNELS)} and here"
    try:
        shown = {"TAIL": os.environ.get("TAIL", "40")}
        result = machine.run(kernel, VERIFY, files={"/guest/object.bpf.o": path}, environment=shown)
    except kernels.UnavailableError as error:
        return False, f"{name}: {error}"
    return result.code == 0, result.output or result.console


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] in {"-h", "--help"}:
        print(__doc__)
        return 2
    path = Path(sys.argv[1]).resolve()
    names = sys.argv[2:] or ["here", *(kernel.name for kernel in kernels.KERNELS)]
    guest.base()
    good = True
    with ThreadPoolExecutor(2) as pool:
        for accepted, text in pool.map(lambda name: verdict(name, path), names):
            print(text.strip(), flush=True)
            good &= accepted
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
