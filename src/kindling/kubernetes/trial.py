"""Whether the API server answers, and whether it lets be read what is wanted: asked once, for people."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from kindling.config import Kubernetes
from kindling.errors import SettingError
from kindling.kubernetes.access import ACCOUNT
from kindling.kubernetes.client import ApiError, Client
from kindling.kubernetes.following import access_of, resources_of


def try_out(settings: Kubernetes, environment: Mapping[str, str] = os.environ, account: Path = ACCOUNT) -> str:
    """One object of each kind is asked for. "" where nobody is to be asked."""
    if settings.mode == "off":
        return ""
    try:
        access = access_of(settings, environment, account)
    except SettingError as error:
        return error.message
    if access is None:
        return "" if settings.mode == "auto" else "no pod of a cluster, and no kubernetes.kubeconfig"
    server = f"API server at {access.host}:{access.port}"
    answers = {}
    with closing(Client(access)) as client:
        for resource in resources_of(settings):
            try:
                client.get(resource.path, {**resource.parameters, "limit": "1"})
            except ApiError as error:
                if not error.code:
                    return f"{server} cannot be asked: {error}"
                answers[resource.name] = f"{resource.name} refused ({error})"
            else:
                answers[resource.name] = resource.name
    return f"{server} shows {', '.join(answers.values())}"
