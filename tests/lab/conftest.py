"""Shared by the lab's tests: the package beside them, its fixtures and the markers."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from xkl.fixtures import lab, pytest_runtest_makereport  # noqa: E402, F401


def pytest_configure(config):
    config.addinivalue_line("markers", "short: also run with the sanitizer build")
    config.addinivalue_line("markers", "vm: also run on the kernel of scripts/vm-lab")
