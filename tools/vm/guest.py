"""What runs inside a guest: busybox and this Python with its standard library and NumPy, as an initramfs.

The base is built once for an interpreter and a NumPy and kept in .cache/vm.
"""

import hashlib
import importlib.util
import marshal
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

from vm.archive import Archive
from vm.kernels import ROOT, UnavailableError

CACHE = ROOT / ".cache/vm"
LIBRARY = "/lib/guest"  # where Python's modules are in the guest
LEFT_OUT = {
    "__pycache__",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "tkinter",
    "turtledemo",
}
INIT = f"""#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup
/bin/busybox mount -t bpf bpf /sys/fs/bpf
/bin/busybox mount -t tmpfs tmp /tmp
/bin/busybox ip link set lo up
/bin/busybox stty -F /dev/ttyS0 -opost
export PATH=/bin HOME=/tmp PYTHONHOME=/python PYTHONPATH={LIBRARY} PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
echo 'guest: start'
/bin/python /guest/main.py </dev/null
echo "guest: exit $?"
/bin/busybox poweroff -f
"""


def base() -> Path:
    """Return the archive of everything but what is tested, built when it is not in the cache."""
    recipe = f"{sys.version} {version('numpy')} {INIT} {Path(__file__).read_text()}"
    target = CACHE / f"base-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}.cpio"
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(f".{os.getpid()}")
        with fresh.open("wb") as out:
            archive = Archive(out)
            _fill(archive)
            archive.close()
        fresh.replace(target)
    return target


def add_package(archive: Archive, folder: Path, name: str) -> None:
    """Add a folder of Python modules, compiled, with its data files."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_dir() or LEFT_OUT & set(parts):
            continue
        inside = "/".join((name, *parts))
        if path.suffix == ".so" or ".so." in path.name:
            add_binary(archive, path, inside)
        elif path.suffix == ".py":
            archive.add_file(inside, path)
            archive.add(importlib.util.cache_from_source(inside), _compiled(path, inside))
        elif path.suffix not in {".pyi", ".a", ".h", ".pyx", ".pxd", ".c"}:
            archive.add_file(inside, path)


def _fill(archive: Archive) -> None:
    busybox = shutil.which("busybox")
    if busybox is None or _libraries(Path(busybox)):
        raise UnavailableError("no static busybox here: apt-get install busybox-static")
    for folder in ("/proc", "/sys", "/dev", "/tmp"):
        archive.add_folder(folder)
    archive.add("/init", INIT.encode(), executable=True)
    archive.add_file("/bin/busybox", Path(busybox))
    add_binary(archive, Path(getattr(sys, "_base_executable", sys.executable)).resolve(), "/bin/python")
    paths = sysconfig.get_paths()
    stdlib = f"/python/lib/python3.{sys.version_info.minor}"
    add_package(archive, Path(paths["stdlib"]), stdlib)
    dynload = Path(sysconfig.get_config_var("DESTSHARED") or "")
    if dynload.is_dir():
        add_package(archive, dynload, f"{stdlib}/lib-dynload")
    site = Path(paths["purelib"])
    for name in ("numpy", "numpy.libs"):
        if (site / name).is_dir():
            add_package(archive, site / name, f"{LIBRARY}/{name}")


def _compiled(path: Path, inside: str) -> bytes:
    """Return the bytecode, marked as never to be compared with its source: initramfs keeps no times."""
    try:
        code = compile(path.read_bytes(), inside, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):  # templates and examples of bad code
        return b""
    return importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8) + marshal.dumps(code)


def add_binary(archive: Archive, path: Path, inside: str) -> None:
    """Add a program or library, with the libraries it needs."""
    archive.add_file(inside, path)
    for library in _libraries(path):
        if library.name.startswith("ld-"):
            archive.add_file(str(library), library)
        elif library.parent.name != "numpy.libs":  # found beside NumPy, by its own run path
            archive.add_file(f"/lib/{library.name}", library)


def _libraries(path: Path) -> list[Path]:
    done = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False)
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", done.stdout)]
