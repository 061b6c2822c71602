"""Stands in the compiler's place in a guest: `-m ziglang cc ... -c X.c -o Y` gives what the host compiled from X.c."""

import shutil
import sys
from pathlib import Path

if __name__ == "__main__":
    source, target = (sys.argv[sys.argv.index(flag) + 1] for flag in ("-c", "-o"))
    shutil.copy(f"/guest/objects/{Path(source).name}.o", target)
