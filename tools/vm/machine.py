"""Boots a kernel in qemu with Python in it, runs one script there and returns what it printed.

Never with /dev/kvm: it is not on every machine, and an emulated processor shows the same verdicts and counts.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vm import guest, kernels
from vm.archive import Archive

QEMU = "qemu-system-x86_64"
PROCESSOR = ["-cpu", "Nehalem,+rdrand", "-smp", "2"]  # what NumPy asks for, and little more
MEMORY = "1024M"
BOOTS = 3  # a guest that dies before it reaches the script is started again
# clearcpuid: kernels must not use CMPXCHG16B (feature 141), which qemu 7.2 emulates with wrong flags: one boot of four
# ended in a double fault in kmalloc.
CONSOLE = "console=ttyS0 quiet loglevel=3 panic=-1 random.trust_cpu=on mitigations=off clearcpuid=141"


@dataclass(frozen=True, slots=True)
class Result:
    code: int | None  # exit code of the script; None: the guest did not come that far
    console: str

    @property
    def output(self) -> str:
        """What the script printed, without the last line of init."""
        return self.console.partition("guest: start\n")[2].rpartition("guest: exit")[0]


def run(
    kernel: kernels.Kernel,
    script: Path,
    *,
    files: dict[str, Path] | None = None,
    packages: dict[str, Path] | None = None,
    programs: Sequence[Path] = (),
    environment: dict[str, str] | None = None,
    seconds: float = 300,
) -> Result:
    """Run a Python script in a guest.

    Args:
        kernel: which one
        script: its main program
        files: further files, by their absolute name in the guest
        packages: folders of Python modules, by the name to import
        programs: of this machine, into /bin of the guest
        environment: variables for the script; no blanks in the values
        seconds: how long it may take

    Raises:
        UnavailableError: no qemu, no kernel or no busybox here.

    """
    qemu = shutil.which(QEMU)
    if qemu is None:
        raise kernels.UnavailableError(f"{QEMU} is not here: apt-get install qemu-system-x86")
    image = kernels.image(kernel)
    base = guest.base()
    with tempfile.TemporaryDirectory(dir=guest.CACHE) as scratch:
        initrd = Path(scratch, "initrd")
        shutil.copyfile(base, initrd)
        with initrd.open("ab") as out:
            archive = Archive(out)
            archive.add_file("/guest/main.py", script)
            for name, path in (files or {}).items():
                archive.add_file(name, path)
            for name, folder in (packages or {}).items():
                guest.add_package(archive, folder, f"{guest.LIBRARY}/{name}")
            for program in programs:
                guest.add_binary(archive, program.resolve(), f"/bin/{program.name}")
            archive.close()
        command = [qemu, "-accel", "tcg", *PROCESSOR, "-m", MEMORY]
        command += ["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"]
        words = [CONSOLE, *(f"{name}={value}" for name, value in (environment or {}).items())]
        command += ["-kernel", str(image), "-initrd", str(initrd), "-append", " ".join(words)]
        for _ in range(BOOTS - 1):
            result = _watch(command, seconds)
            if "guest: start" in result.console:
                return result
        return _watch(command, seconds)


def _watch(command: list[str], seconds: float) -> Result:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
        raw = done.stdout
    except subprocess.TimeoutExpired as late:
        raw = (late.stdout or b"") + f"\nthe guest did not end within {seconds:.0f} s\n".encode()
    console = raw.decode(errors="replace").replace("\r", "")
    _, found, code = console.rpartition("guest: exit ")
    return Result(int(code.split()[0]) if found else None, console)
