"""Which pod answers for a service of IPVS: asked of a kernel that has it, Debian's, in qemu."""

import json
import shutil
from pathlib import Path

import pytest

from vm import ipvs, kernels, machine

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KERNEL = kernels.KERNELS[1]

pytestmark = [pytest.mark.vm, pytest.mark.root, pytest.mark.timeout(900)]


def test_the_kernel_tells_who_answers() -> None:
    programs = [shutil.which(name) for name in ("ip", "ipvsadm")]
    if not all(programs):
        pytest.skip("NOT TESTED: ip and ipvsadm are not both here: apt-get install iproute2 ipvsadm")
    try:
        modules = kernels.modules(KERNEL)
        result = machine.run(
            KERNEL,
            HERE / "ipvs.py",
            files={f"/modules/{path.name}": path for path in modules},
            packages={"kindling": ROOT / "src/kindling"},
            programs=[Path(each) for each in programs if each],
            environment={"MODULES": ",".join(path.name for path in modules)},
        )
    except kernels.UnavailableError as error:
        pytest.skip(f"NOT TESTED on Linux {KERNEL.name}: {error}")
    line = next((line for line in result.output.splitlines() if line.startswith("answered: ")), "")
    assert line, result.output or result.console
    assert json.loads(line.removeprefix("answered: ")) == [
        [family.name, transport, client, [ipvs.BACKEND[family], ipvs.TARGET]]
        for family in ipvs.VIRTUAL
        for transport in ipvs.KINDS
        for client in ipvs.CLIENTS
    ]
