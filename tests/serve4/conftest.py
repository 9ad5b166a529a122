"""The native engine beside a real Kea. They use the lab's package."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

from xkl.fixtures import lab, pytest_runtest_makereport, pytest_terminal_summary, say  # noqa: E402, F401
