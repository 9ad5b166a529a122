"""Shared by the lab's tests: the package beside them, and what a failure should print."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from xkl.lab import Lab, remove_leftovers  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "short: also run with the sanitizer build")


@pytest.fixture(scope="module")
def lab(request):
    """A lab of the module's own; XK_LAB_TAG tells runs on one machine apart."""
    tag = os.environ.get("XK_LAB_TAG", "t")
    remove_leftovers("xkl" + tag)
    with Lab(tag) as made:
        yield made


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the daemons' last words to a failure's report."""
    outcome = yield
    report = outcome.get_result()
    site = item.funcargs.get("site")
    if report.failed and site is not None:
        report.sections.append(("appliance", site.appliance.logs()))
