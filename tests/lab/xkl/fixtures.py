"""What the lab's and the virtual machine's tests share: the lab of a module, and what a failure prints."""

import os

import pytest

from .lab import Lab, remove_leftovers


@pytest.fixture(scope="module")
def lab():
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
