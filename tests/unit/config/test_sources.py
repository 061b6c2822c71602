"""File, environment and flags to settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindling.config import Settings
from kindling.config.file import parse
from kindling.config.given import ConfigError
from kindling.config.reference import reference
from kindling.config.reload import changed, needing_restart
from kindling.config.schema import SettingPath, leaves
from kindling.config.show import shown
from kindling.config.sources import Flag, Loaded, Sources, by_env
from kindling.errors import InputError

DOCS = Path(__file__).parents[3] / "docs"


def load(folder: Path, text: str = "", variables: dict[str, str] | None = None, **flags: str) -> Loaded:
    file = folder / "k.yaml"
    file.write_text(text, encoding="utf-8")
    given_flags: dict[SettingPath, Flag] = {(name,): Flag(f"--{name}", value) for name, value in flags.items()}
    return Sources(file, given_flags, variables or {}).load()


def test_flags_override_the_environment_and_that_the_file(tmp_path: Path) -> None:
    text = "interval: 2s\nquery_timeout: 500ms\ninventory:\n  max_entries: 7\n"
    loaded = load(tmp_path, text, {"KINDLING_INTERVAL": "3", "KINDLING_SERVER_ALLOWED_HOSTS": "a, b"}, interval="4")
    settings = loaded.settings
    assert (settings.interval, settings.query_timeout, settings.inventory.max_entries) == (4.0, 0.5, 7)
    assert settings.server.allowed_hosts == ("a", "b")
    assert loaded.origin(("interval",)) == "--interval"
    assert loaded.origin(("inventory", "max_entries")) == f"{tmp_path}/k.yaml:4"
    assert loaded.origin(("server", "allowed_hosts")) == "KINDLING_SERVER_ALLOWED_HOSTS"
    assert loaded.origin(("listen",)) == "default"


@pytest.mark.parametrize(
    "text, line, said",
    [
        ("intervall: 1", 1, "Did you mean interval?"),
        ("\ninventory:\n  max_entry: 1", 3, "Did you mean inventory.max_entries?"),
        ("inventory:\n  enabled: 1\n", 2, "true or false"),
        ("\nlisten: [a]", 2, "text is expected"),
        ("interval: 99", 1, "between 0.01 and 60"),
        ("names:\n  networks:\n  - cidr: 1.2.3.4/8\n    label: x", 3, "not a network"),
        ("alerts:\n  kinds: direct", 2, "list is expected"),
        ("alerts:\n  kinds: [direkt]", 2, "perhaps direct"),
        ("a: 1\na: 2", 2, "twice"),
        ("interval: .nan", 1, "a time such as"),
        ("a:\n\t- b", 2, ""),
        ("a: [\n", 2, ""),
    ],
)
def test_problems_have_their_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"k\.yaml:{line}: ") as caught:
        load(tmp_path, text)
    assert said in caught.value.message
    assert caught.value.exit_code == 2


def test_every_problem_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "interval: 99\nlimits:\n  owners: 0\nx: 1\n", {"KINDLING_METRICS_SERIES": "many"})
    assert len(caught.value.problems) >= 3
    assert any(problem.origin == "KINDLING_METRICS_SERIES" for problem in caught.value.problems)


@given(st.binary(max_size=300) | st.text(alphabet="[]{}-:? &*a1\n'\"|>%#!", max_size=300).map(str.encode))
def test_any_file_is_read_or_refused(data: bytes) -> None:
    try:
        parse(data, "f")
    except InputError:
        return


@pytest.mark.parametrize("data", [b"[" * 100_000, b"- " * 20_000, b"? " * 20_000, b"{" * 2_000, b"a: &a [*a]"])
def test_what_would_crash_the_parser_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError, match="deep"):
        parse(data, "f")


def test_what_is_shown_can_be_read_again_and_hides_secrets(tmp_path: Path) -> None:
    url = "https://hooks.example.org/T0P-S3CRET"
    text = f"alerts:\n  webhook:\n    url: {url}\nnames:\n  static:\n  - name: a.test\n    addresses: [192.0.2.1]\n"
    lines = "\n".join(shown(load(tmp_path, text)))
    assert "S3CRET" not in lines
    assert "url: (hidden)" in lines
    again = load(tmp_path, lines.replace("url: (hidden)", f"url: {url}"))
    assert again.settings == load(tmp_path, text).settings


def test_near_variables_are_told_of_others_not(tmp_path: Path) -> None:
    loaded = load(
        tmp_path, "", {"KINDLING_METRICS_SERIE": "1", "KINDLING_SERVICE_HOST": "10.0.0.1", "KINDLING_URL": "x"}
    )
    assert [warning.split()[0] for warning in loaded.warnings] == ["KINDLING_METRICS_SERIE"]


def test_every_setting_has_a_variable_of_its_own() -> None:
    assert len(by_env()) == len(list(leaves(Settings)))


def test_the_page_is_fresh() -> None:
    page = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert page == reference(), "run: kindling config reference > docs/configuration.md"


def test_what_needs_a_restart(tmp_path: Path) -> None:
    after = load(tmp_path, "interval: 2\nalerts:\n  settle_seconds: 1\n").settings
    assert changed(Settings(), after) == ["interval", "alerts.settle_seconds"]
    assert needing_restart(changed(Settings(), after)) == ["interval"]
