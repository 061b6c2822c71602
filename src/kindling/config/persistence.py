"""What outlives an agent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kindling.errors import SettingError


@dataclass(frozen=True, slots=True)
class Persistence:
    """How counting goes on when the agent is killed, stopped or replaced."""

    enabled: bool = True
    """Keep maps and programs in the kernel when the agent is killed, and totals when it is stopped. Without, every
    start counts from nothing."""
    pins: Path = Path("/sys/fs/bpf/kindling")
    """Directory in a bpffs where maps and programs are kept. One agent per directory."""
    state: Path = Path("/run/kindling")
    """Directory of the journal; best on a tmpfs, for it need not outlive a reboot."""
    keep_counting: bool = False
    """Leave the programs counting in the kernel when the agent is stopped, too."""

    def __post_init__(self) -> None:
        for name in ("pins", "state"):
            if not getattr(self, name).is_absolute():
                raise SettingError(f"persistence.{name} must be an absolute path.")
