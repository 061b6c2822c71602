"""helm and kubectl: those that `make setup-test` puts into .cache/bin, or those of the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

_BIN: Final = Path(__file__).parents[1] / ".cache/bin"


def _tool(name: str) -> str:
    path = _BIN / name
    return os.environ.get(name.upper()) or (str(path) if path.exists() else shutil.which(name) or "")


HELM: Final = _tool("helm")
KUBECTL: Final = _tool("kubectl")

needs_helm = pytest.mark.skipif(
    not HELM, reason="NOBODY CHECKS THE CHART: no helm here; .venv/bin/python tools/setup/cluster_tools.py brings it"
)
needs_kubectl = pytest.mark.skipif(
    not KUBECTL, reason="no kubectl here; .venv/bin/python tools/setup/cluster_tools.py brings it"
)


def kubectl(
    *arguments: str, cache: Path, kubeconfig: Path = Path("/dev/null"), environment: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    """`cache`: a folder for what it remembers of a server."""
    return subprocess.run(
        [KUBECTL, "--kubeconfig", str(kubeconfig), "--cache-dir", str(cache), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(environment),
    )
