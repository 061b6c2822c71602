#!/usr/bin/env python3
"""Loads a BPF object with Kindling's own loader and shows the verifier's verdict on each program: load.py OBJECT.

Attaches nothing. Exits with 1 when a program is refused. TAIL=100 shows more of a refusal's log.
With the source lines quoted: tools/vm/verify.py.
"""

import ctypes
import os
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from kindling.capture.bpf import loader, syscall
from kindling.capture.bpf.program import BpfObject
from kindling.capture.parameters import configure
from kindling.errors import KindlingError, VerifierError
from kindling.wire.btf import Kind

TAIL = int(os.environ.get("TAIL", "40"))


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] in {"-h", "--help"}:
        print(__doc__)
        return 2
    began = time.perf_counter()
    try:
        parsed = BpfObject.parse(Path(sys.argv[1]).read_bytes())
        if parsed.btf.has(Kind.VAR, "config"):
            configure(parsed.constant("config"), {})  # what is constant decides what the verifier looks at
        loaded = loader.load_maps(parsed)
    except KindlingError as error:
        print(error)
        return error.exit_code
    print(f"{len(loaded.maps)} maps, {(time.perf_counter() - began) * 1000:.0f} ms")
    refused = 0
    with loaded:
        for spec in parsed.programs.values():
            before = time.perf_counter()
            try:
                loaded.programs[spec.name] = loader.load_program(loaded, spec)
            except VerifierError as error:
                refused += 1
                tail = "\n".join(error.log.splitlines()[-TAIL:])
                print(f"REFUSED {spec.name} ({spec.section}), {spec.instructions} instructions\n{tail}\n{error}\n")
                continue
            took = (time.perf_counter() - before) * 1000
            log = ctypes.create_string_buffer(1 << 16)
            code = spec.linked({name: each.fd for name, each in loaded.maps.items()})
            os.close(syscall.program_load(spec.kind, code, attach=spec.expected, log=log, log_level=4))
            seen = re.search(r"processed (\d+) insns.*", log.value.decode(errors="replace"))
            words = seen.group() if seen else ""
            print(f"ok {spec.name} ({spec.section}), {spec.instructions} instructions, {took:.0f} ms; {words}")
    return int(bool(refused))


if __name__ == "__main__":
    sys.exit(main())
