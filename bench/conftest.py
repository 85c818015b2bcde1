"""What all benchmarks share: the machine's limits go into the results, and are printed under the table."""

from typing import Any

import pytest

from bench import limits


def pytest_benchmark_update_json(config: pytest.Config, benchmarks: list[Any], output_json: dict[str, Any]) -> None:
    output_json["limits"] = limits.best_rates


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if limits.best_rates:
        terminalreporter.section("what this machine can do at most, measured in this run")
        terminalreporter.write_line("\n".join(limits.lines()))
