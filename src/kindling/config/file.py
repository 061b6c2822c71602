"""The config file: YAML (1.1, as PyYAML reads it) to values that know their line. Nothing in it is ever executed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kindling.config.given import ConfigError, Given, List, Mapping, Problem, Scalar
from kindling.errors import SettingError

if TYPE_CHECKING:
    import yaml

DEFAULT_FILE: Final = Path("/etc/kindling/kindling.yaml")

#: A larger file is something else.
LARGEST_BYTES: Final = 1 << 20
#: Aliases make much of little: more values than that are refused.
MOST_VALUES: Final = 100_000
#: No setting lies deeper; the parser's own stack is not endless.
DEEPEST: Final = 32

_NULL: Final = "tag:yaml.org,2002:null"


def read_file(path: Path) -> Mapping:
    """Raises ConfigError, with line, or SettingError when the file cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise SettingError(
            f"The config file {path} cannot be read: {error.strerror}.", hint="Name another with --config."
        ) from None
    return parse(data, str(path))


def parse(data: bytes, name: str) -> Mapping:
    """`name` is what errors call it. Raises ConfigError."""
    if len(data) > LARGEST_BYTES:
        raise ConfigError([Problem(name, f"The file is larger than {LARGEST_BYTES} bytes.")])
    root = _compose(data, name)
    if root is None:
        return Mapping({}, f"{name}:1")
    given = _Reader(name).read(root, 0)
    if isinstance(given, Scalar) and given.null:
        return Mapping({}, given.origin)
    if not isinstance(given, Mapping):
        raise ConfigError(
            [Problem(given.origin, "A mapping is expected.", "Write for example `listen: 127.0.0.1:9500`.")]
        )
    return given


def parse_value(text: str, origin: str) -> Given:
    """A single value in YAML, as an environment variable holds it. Raises ConfigError."""
    root = _compose(text.encode(errors="replace"), origin)
    return _Reader(origin, lines=False).read(root, 0) if root else Scalar("", origin, null=True)


def _compose(data: bytes, name: str) -> yaml.Node | None:
    import yaml  # not at the top: commands that only ask an agent need no parser

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_depth(yaml.parse(data, Loader=loader), name)
        return yaml.compose(data, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(filter(None, (error.context, error.problem))) or "this is no YAML"
        raise ConfigError([Problem(_at(name, mark), _sentence(said))]) from None
    except yaml.reader.ReaderError as error:
        line = data[: max(0, int(error.position or 0))].count(b"\n") + 1
        raise ConfigError([Problem(f"{name}:{line}", _sentence(str(error.reason)))]) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError([Problem(name, f"This is no YAML: {type(error).__name__}.")]) from None


def _check_depth(events: Iterable[Any], name: str) -> None:
    """The C parser makes nodes by recursion without a bound: the interpreter would crash."""
    import yaml

    depth = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise ConfigError([Problem(_at(name, event.start_mark), f"This is nested more than {DEEPEST} deep.")])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Reader:
    def __init__(self, name: str, *, lines: bool = True) -> None:
        self._name = name
        self._lines = lines
        self._values = 0

    def read(self, node: yaml.Node, depth: int) -> Given:
        import yaml

        origin = self._origin(node)
        self._values += 1
        if self._values > MOST_VALUES or depth > DEEPEST:
            raise ConfigError([Problem(origin, "There are too many values here, or they are nested too deep.")])
        if isinstance(node, yaml.ScalarNode):
            return Scalar(str(node.value), origin, quoted=node.style in {"'", '"'}, null=node.tag == _NULL)
        if isinstance(node, yaml.SequenceNode):
            return List(tuple([self.read(item, depth + 1) for item in node.value]), origin)
        given = Mapping({}, origin)
        for key, value in node.value:
            where = self._origin(key)
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError([Problem(where, "A key must be plain text.")])
            if key.value in given.items:
                raise ConfigError(
                    [Problem(where, f"{key.value!r} stands here twice; first in {given.keys[key.value]}.")]
                )
            given.items[key.value] = self.read(value, depth + 1)
            given.keys[key.value] = where
        return given

    def _origin(self, node: yaml.Node) -> str:
        return _at(self._name, node.start_mark) if self._lines else self._name


def _at(name: str, mark: Any) -> str:
    return f"{name}:{mark.line + 1}" if mark is not None else name


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
