"""Tests that need scripts/vm-lab: a kernel with VRF devices, VLANs, bonds. They use the lab's package."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

from xkl.fixtures import lab, pytest_runtest_makereport  # noqa: E402, F401


def pytest_configure(config):
    config.addinivalue_line("markers", "vm: runs on the kernel of scripts/vm-lab")


def pytest_collection_modifyitems(items):
    """Everything in this folder is marked, so that `-m vm` picks it and what the lab marks."""
    here = pathlib.Path(__file__).resolve().parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.vm)
