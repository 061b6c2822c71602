"""The agent's HTTP face: metrics, JSON, a plain page."""

from kindling.api.app import create_app
from kindling.api.view import View

__all__ = ["View", "create_app"]
