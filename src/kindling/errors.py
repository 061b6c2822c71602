"""Every error of Kindling. `cli.main` alone turns them into messages and exit codes.

    KindlingError              1
    ├── InputError             2   a file, flag or answer is not what it should be
    │   ├── CaptureError           a capture file is broken, truncated or of an unknown kind
    │   ├── LayoutError            object and program do not agree on a structure
    │   └── SettingError           a setting is out of range
    ├── PrivilegeError         3   the kernel said: not allowed
    ├── UnsupportedError       4   the kernel lacks something that is needed
    │   └── VerifierError          the kernel refused the probe; carries its log
    ├── UnreachableError       5   no agent answers at the address
    ├── BusyError              1   the agent answers, but not now: asked again it may
    └── AlreadyRunningError    6   another agent runs here

Each message says what happened and what the reader can do about it.
"""

from __future__ import annotations

from typing import ClassVar


class KindlingError(Exception):
    """Base of all errors that are reported without a traceback.

    `hint` is one sentence on what to do; empty when the message says it already.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class InputError(KindlingError):
    """A file, flag or answer is not what it should be."""

    exit_code: ClassVar[int] = 2


class CaptureError(InputError):
    """A capture file is broken, truncated or of an unknown kind."""


class LayoutError(InputError):
    """The probe's object and this program do not agree on a structure."""


class SettingError(InputError):
    """A setting is out of its range."""


class PrivilegeError(KindlingError):
    """The kernel did not allow what is needed."""

    exit_code: ClassVar[int] = 3

    def __init__(
        self,
        message: str,
        *,
        hint: str = "Run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.",
    ) -> None:
        super().__init__(message, hint=hint)


class UnsupportedError(KindlingError):
    """The kernel lacks something that is needed."""

    exit_code: ClassVar[int] = 4

    def __init__(self, message: str, *, hint: str = "`kindling check` lists what this kernel has.") -> None:
        super().__init__(message, hint=hint)


class VerifierError(UnsupportedError):
    """The kernel refused a program of the probe. `log` is the verifier's own text."""

    def __init__(self, program: str, reason: str, log: str) -> None:
        super().__init__(f"The kernel refused the program {program}: {reason}.")
        self.program = program
        self.log = log


class BusyError(KindlingError):
    """The agent answers that it cannot answer now."""


class UnreachableError(KindlingError):
    """No agent answers at the address."""

    exit_code: ClassVar[int] = 5

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"No agent answers at {url} ({reason}).",
            hint="Start one with `kindling agent`, or name another with --url.",
        )
        self.url = url


class AlreadyRunningError(KindlingError):
    """Another agent holds what this one would need for itself."""

    exit_code: ClassVar[int] = 6
