"""Completion, as a shell asks for it."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from kindling.cli.main import COMMANDS, cli, run


def complete(*words: str) -> set[str]:
    """What bash would offer for the last word."""
    from click.shell_completion import BashComplete

    completer = BashComplete(cli, {}, "kindling", "_KINDLING_COMPLETE")
    return {item.value for item in completer.get_completions(list(words[:-1]), words[-1])}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert f"_KINDLING_COMPLETE={shell}_complete" in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    run(["completion", shell])
    script = capsys.readouterr().out
    subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_another_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "tcsh"]) == 2
    assert "bash" in capsys.readouterr().err


def test_commands() -> None:
    assert complete("") >= set(COMMANDS)
    assert complete("st") == {"status"}


def test_values() -> None:
    assert complete("flows", "--protocol", "") >= {"http", "dns", "tls", "ntp", "unknown", "tcp", "udp"}
    assert complete("flows", "--scope", "p") == {"public", "private"}
    assert complete("flows", "--output", "") == {"table", "json", "csv", "markdown", "ndjson"}
    assert complete("flows", "--sort", "bytes") == {"bytes_in", "bytes_out"}
    assert complete("flows", "--color", "a") == {"auto", "always"}
    assert complete("flows", "--since", "t") == {"today"}
    assert complete("top", "--table", "re") == {"requests"}
    assert complete("completion", "") == {"bash", "zsh", "fish"}
    assert "--follow" in complete("events", "--f")


def test_as_bash_does_it() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "kindling.cli"],
        env={"_KINDLING_COMPLETE": "bash_complete", "COMP_WORDS": "kindling requests --role s", "COMP_CWORD": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout.split() == ["plain,server"]
