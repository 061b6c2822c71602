"""Settings, a section a module: a frozen dataclass that checks itself; the text under a field documents it."""

from kindling.config.inventory import Inventory
from kindling.config.limits import Limits
from kindling.config.recycling import Recycling
from kindling.config.settings import DEFAULT_DATA, DEFAULT_LISTEN, Settings, parse_listen

__all__ = ["DEFAULT_DATA", "DEFAULT_LISTEN", "Inventory", "Limits", "Recycling", "Settings", "parse_listen"]
