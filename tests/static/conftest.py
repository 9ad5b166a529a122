"""Static leases with real clients and a real Kea. They use the lab's package."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

from xkl.fixtures import lab, pytest_runtest_makereport  # noqa: E402, F401

said = []


@pytest.fixture
def say(request):
    """What a test has measured: shown when all have ended."""
    return lambda text: said.append(f"{request.node.name}: {text}")


def pytest_terminal_summary(terminalreporter):
    if said:
        terminalreporter.section("measured")
    for line in said:
        terminalreporter.write_line(line)
