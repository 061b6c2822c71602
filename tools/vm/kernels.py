"""Debian's cloud kernels, fetched with apt and kept in .cache/kernels.

apt runs with a configuration of its own: nothing of the machine's is read but the address of its Debian mirror
(KINDLING_DEBIAN_MIRROR names another one, on Ubuntu for instance), and nothing of it is changed. Signatures are
checked against the keyring of the package debian-archive-keyring.
"""

import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache/kernels"
KEYRINGS = Path("/usr/share/keyrings")
META = "linux-image-cloud-amd64"
MODULES = (  # of IPVS, and of connection tracking asked by netlink; those that others need come first
    *("libcrc32c", "nf_defrag_ipv4", "nf_defrag_ipv6", "nf_conntrack", "nfnetlink", "nf_conntrack_netlink"),
    *("ip_vs", "ip_vs_rr", "veth", "dummy"),
)


@dataclass(frozen=True, slots=True)
class Kernel:
    name: str  # what users call it
    suite: str  # the Debian release that has it


KERNELS = (Kernel("5.10", "bullseye"), Kernel("6.1", "bookworm"), Kernel("6.12", "trixie"))


class UnavailableError(Exception):
    """A kernel or qemu cannot be had here; the text says why."""


def image(kernel: Kernel) -> Path:
    """Return the path of the bootable image, fetched when it is not in the cache.

    Raises:
        UnavailableError: apt cannot fetch it.

    """
    target = _image(kernel)
    if not target.exists():
        _keep(kernel)
    return target


def modules(kernel: Kernel) -> list[Path]:
    """Return MODULES of that image, in the order in which they can be loaded; fetched as `image` is.

    Raises:
        UnavailableError: apt cannot fetch them, or the kernel lacks one.

    """
    found = [_modules(kernel) / f"{name}.ko" for name in MODULES]
    if not all(path.exists() for path in found):
        _keep(kernel)
    missing = [path.stem for path in found if not path.exists()]
    if missing:
        raise UnavailableError(f"the package of Linux {kernel.name} has no modules {', '.join(missing)}")
    return found


def _image(kernel: Kernel) -> Path:
    return CACHE / f"vmlinuz-{kernel.name}"


def _modules(kernel: Kernel) -> Path:
    return CACHE / f"modules-{kernel.name}"


def _keep(kernel: Kernel) -> None:
    """Image and modules of one package: others do not fit each other."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        tree = _fetch(kernel, Path(scratch))
        folder = _modules(kernel)
        folder.mkdir(exist_ok=True)
        for path in tree.rglob("*.ko*"):
            name = path.name.partition(".")[0]
            if name in MODULES:
                data = path.read_bytes()
                (folder / f"{name}.ko").write_bytes(lzma.decompress(data) if path.suffix == ".xz" else data)
        next((tree / "boot").glob("vmlinuz-*")).replace(_image(kernel))


def _fetch(kernel: Kernel, scratch: Path) -> Path:
    for program in ("apt-get", "apt-cache", "dpkg-deb"):
        if not shutil.which(program):
            raise UnavailableError(f"{program} is not here: Debian's kernels come through it")
    keyring = next(iter(sorted(KEYRINGS.glob("debian-archive-keyring.*"))), None)
    if keyring is None:
        raise UnavailableError("no Debian keyring here: apt-get install debian-archive-keyring")
    sources = scratch / "sources.list"
    sources.write_text(f"deb [arch=amd64 signed-by={keyring}] {_mirror()} {kernel.suite} main\n")
    for folder in ("lists/partial", "cache/archives/partial", "etc"):
        (scratch / folder).mkdir(parents=True)
    (scratch / "status").touch()
    settings = {
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Dir::Cache": scratch / "cache",
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": scratch,
        "Dir::State::lists": scratch / "lists",
        "Dir::State::status": scratch / "status",
    }
    options = [f"-o{key}={value}" for key, value in settings.items()]
    _run(scratch, "apt-get", *options, "-qq", "update")
    depends = _run(scratch, "apt-cache", *options, "depends", META)
    package = re.search(r"Depends: (linux-image-\S+)", depends)
    if package is None:
        raise UnavailableError(f"{META} of {kernel.suite} names no kernel")
    _run(scratch, "apt-get", *options, "-qq", "download", package[1])
    deb = next(scratch.glob("linux-image-*.deb"))
    _run(scratch, "dpkg-deb", "--extract", str(deb), "tree")
    return scratch / "tree"


def _mirror() -> str:
    named = os.environ.get("KINDLING_DEBIAN_MIRROR")
    if named:
        return named
    form = "$(LABEL) $(REPO_URI)"
    known = _run(Path("/"), "apt-get", "indextargets", "--format", form, "Created-By: Packages")
    for line in known.splitlines():
        label, _, address = line.partition(" ")
        if label == "Debian":
            return address
    raise UnavailableError("apt knows no Debian mirror here: name one in KINDLING_DEBIAN_MIRROR")


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise UnavailableError(f"{command[0]} failed: {' / '.join(words)}")
    return done.stdout


def main() -> None:
    for kernel in KERNELS:
        try:
            print(f"{kernel.name}: {image(kernel)}")
        except UnavailableError as error:
            sys.exit(f"{kernel.name}: {error}")


if __name__ == "__main__":
    main()
