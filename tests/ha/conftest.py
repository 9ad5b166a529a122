"""Two complete appliances that share their VRFs, with a real etcd. They use the lab's package."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

from xkl.fixtures import lab, pytest_runtest_makereport, pytest_terminal_summary, say  # noqa: E402, F401
from test_power import booting  # noqa: E402, F401


def pytest_collection_modifyitems(items):
    """What waits most goes first: meanwhile the machine of test_power.py boots."""
    order = ["test_pair", "test_cluster", "test_power", "test_partitions"]
    items.sort(key=lambda item: order.index(item.path.stem))


@pytest.fixture(scope="session", autouse=True)
def machine_boots(request):
    """Begun with the session, if its test is to be run."""
    if any(item.path.stem == "test_power" for item in request.session.items):
        request.getfixturevalue("booting")
