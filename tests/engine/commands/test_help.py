"""--help of every command."""

import importlib
import tomllib
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
COMMANDS: dict[str, str] = PROJECT["scripts"]


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_have_a_line_each(command, run_main, monkeypatch, capsys):
    """tyro joins lines that begin with a letter; usage shows the command and not a path."""
    module = importlib.import_module(COMMANDS[command].partition(":")[0])
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        run_main(module.main, "--help")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: {command} ")
    examples = [line for line in module.__doc__.splitlines() if line.strip().startswith(f"{command} ")]
    assert examples or command == "engine-data"
    assert set(examples) <= set(lines)
    assert all(len(line) <= 80 for line in examples)
