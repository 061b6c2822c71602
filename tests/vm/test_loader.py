"""Our loader's own tests (tests/kernel), run on other kernels: maps, rings, links, the race for slots."""

import re
import sysconfig
from pathlib import Path

import pytest

from kernel.compiled import compile_probe
from vm import kernels, machine

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SITE = Path(sysconfig.get_paths()["purelib"])

pytestmark = [pytest.mark.vm, pytest.mark.timeout(900)]


@pytest.mark.parametrize("kernel", kernels.KERNELS, ids=lambda kernel: kernel.name)
def test_loader(kernel: kernels.Kernel, tmp_path: Path) -> None:
    files = {"/lib/guest/py.py": SITE / "py.py"}
    for source in (ROOT / "tests/kernel").glob("*.bpf.c"):
        compile_probe(source.name, tmp_path)
        files[f"/guest/objects/{source.name}.o"] = tmp_path / f"{source.name}.o"
    for built in (ROOT / "src/kindling/_probe").glob("*.bpf.o"):
        files[f"/guest/objects/{built.stem}.c.o"] = built
    for path in (ROOT / "tests/kernel").glob("*.py"):
        files[f"/repo/tests/kernel/{path.name}"] = path
    packages = {name: SITE / name for name in ("_pytest", "pytest", "pluggy", "iniconfig", "packaging", "pygments")}
    packages |= {"kindling": ROOT / "src/kindling", "ziglang": HERE / "precompiled"}

    try:
        result = machine.run(kernel, HERE / "run_pytest.py", files=files, packages=packages)
    except kernels.UnavailableError as error:
        pytest.skip(f"NOT TESTED on Linux {kernel.name}: {error}")

    if result.code != 0:
        pytest.fail(
            f"Linux {kernel.name}, exit {result.code}:\n{(result.output or result.console)[-6000:]}", pytrace=False
        )
    passed = re.search(r"(\d+) passed", result.output)
    assert passed
    assert int(passed[1]) > 10
