"""Hatchling's hook: a wheel without the built probe and native library is refused, and carries the platform's tag."""

import os
import platform
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ARTEFACTS = ("src/kindling/_probe/kindling.bpf.o", "src/kindling/_native/libkindling.so")


class KindlingBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """See hatch's documentation of custom build hooks."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # a checkout builds them when it runs
            return
        missing = [name for name in ARTEFACTS if not Path(self.root, name).is_file()]
        if missing:
            raise RuntimeError(f"not built: {', '.join(missing)}. Run `make build`, or `make wheel`, which does.")
        machine = os.environ.get("KINDLING_MACHINE", platform.machine())
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux2014_{machine}"
