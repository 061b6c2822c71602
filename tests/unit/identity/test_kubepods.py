from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.identity.kubepods import pod_uid_of

UID = "8f2c6a1e-0b7d-4c3a-9e55-1234567890ab"
ESCAPED = UID.replace("-", "_")
ID = "c" * 64
STATIC = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("path", "uid"),
    [
        (f"/kubepods/burstable/pod{UID}/{ID}", UID),
        (f"/kubepods/pod{UID}", UID),
        (f"/kubepods/besteffort/pod{STATIC}/{ID}", STATIC),
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{ESCAPED}.slice/cri-containerd-{ID}.scope",
            UID,
        ),
        (f"/kubepods.slice/kubepods-pod{ESCAPED}.slice/crio-{ID}.scope", UID),
        (f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{ESCAPED}.slice/x", UID),
        (f"/k8s.io/{ID}", ""),
        ("/system.slice/podman.service", ""),
        (f"/machine.slice/libpod-{ID}.scope", ""),
        (f"/kubepods/pod{UID}x/{ID}", ""),
        ("", ""),
    ],
)
def test_uid(path: str, uid: str) -> None:
    assert pod_uid_of(path) == uid


@given(st.text())
def test_anything(path: str) -> None:
    assert len(pod_uid_of(path)) in {0, 32, 36}
