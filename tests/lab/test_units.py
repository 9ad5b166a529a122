"""The systemd units: valid, as hardened as the documentation says, and telling systemd what they promise."""

import os
import pathlib
import re
import socket
import subprocess

import pytest

from xkl.appliance import SOURCE, Appliance
from xkl.lab import run, wait_for
from xkl.topology import Router, appliance_section, attachment, subnet, vrf

UNITS = ("xdp-kead", "xdp-kea-dataplane")


def unit_text(name):
    return (SOURCE / "conf" / "systemd" / f"{name}.service").read_text()


def test_units_are_valid(tmp_path):
    paths = []
    for name in UNITS:
        path = tmp_path / f"{name}.service"
        # What is installed elsewhere in the end need not be here.
        path.write_text(re.sub(r"/usr/s?bin/xdp-\S+", "/bin/true", unit_text(name)))
        paths.append(path)
    done = run("systemd-analyze", "verify", "--man=no", *paths, check=False)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_exposure_is_as_documented(name):
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager",
               SOURCE / "conf" / "systemd" / f"{name}.service", check=False)
    score = float(re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout).group(1))
    told = re.search(rf"`{name}\.service` \| ([0-9.]+) ", (SOURCE / "docs" / "operations.md").read_text())
    assert told and score <= float(told.group(1)), f"{score}: {done.stdout}"


class Systemd:
    """The end of NOTIFY_SOCKET that systemd has."""

    def __init__(self, directory, name):
        self.path = str(pathlib.Path(directory) / f"{name}.notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.socket.setblocking(False)
        self.heard = []

    def lines(self):
        try:
            while True:
                self.heard += self.socket.recv(4096).decode().splitlines()
        except BlockingIOError:
            return self.heard

    def environment(self, watchdog_us):
        return {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": str(watchdog_us)}


def test_daemons_tell_systemd(lab):
    """READY, RELOADING and STOPPING; WATCHDOG as long as loops move, and not when they do not."""
    router = Router(lab)
    router.connect()
    config = appliance_section(lab, lab.tag) + vrf("red", subnet(), attachment("xkl-red0"))
    appliance = Appliance(lab, router.ns, config)
    kead_told, dataplane_told = Systemd(lab.directory, "kead"), Systemd(lab.directory, "dataplane")
    appliance.kead = lab.spawn(router.ns, "kead", [appliance.binary("xdp-kead"), "--config", appliance.config],
                               kead_told.environment(4_000_000))
    wait_for(lambda: "READY=1" in kead_told.lines(), "xdp-kead to be ready", 60)
    run_socket = pathlib.Path(appliance.settings()["run_dir"]) / "dataplane.sock"
    appliance.dataplane = lab.spawn(router.ns, "dataplane",
                                    [appliance.binary("xdp-kea-dataplane"), "--control", run_socket],
                                    dataplane_told.environment(3_000_000))
    wait_for(lambda: "READY=1" in dataplane_told.lines(), "the dataplane to be ready")
    appliance.wait_serving()
    for told in (kead_told, dataplane_told):
        before = told.lines().count("WATCHDOG=1")
        wait_for(lambda t=told, b=before: t.lines().count("WATCHDOG=1") > b + 1, "the watchdog to be told")
    appliance.reload()
    wait_for(lambda: "RELOADING=1" in kead_told.lines(), "the reload to be told")
    assert any(line.startswith("MONOTONIC_USEC=") for line in kead_told.lines())

    assert appliance.kead.stop(20) == 0
    assert "STOPPING=1" in kead_told.lines()


def test_log_lines_for_the_journal(lab):
    """With JOURNAL_STREAM naming standard error, lines begin with their priority and have no time."""
    path = pathlib.Path(lab.directory) / "journal"
    with open(path, "wb") as stream:
        found = os.fstat(stream.fileno())
        dataplane = subprocess.Popen([Appliance.binary("xdp-kea-dataplane"), "--control", "/nonexistent/dataplane.sock"],
                                     stderr=stream, env={**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
    try:
        line = wait_for(lambda: path.read_text().partition("\n")[0], "a line of the log")
    finally:
        dataplane.terminate()
        dataplane.wait(10)
    assert re.match(r"<4>level=warning program=xdp-kea-dataplane msg=", line), line


def package_of(library):
    """The Debian package of a shared library of this machine: "libfmt.so.9" -> "libfmt9"."""
    path = next(line.split(" => ")[1] for line in run("ldconfig", "-p").stdout.splitlines()
                if line.split()[:1] == [library])
    # dpkg knows paths as they were before /lib became a link.
    names = {path, os.path.realpath(path)}
    names |= {name.removeprefix("/usr") for name in names}
    found = [run("dpkg", "-S", name, check=False) for name in names]
    return next(done.stdout.split(":")[0] for done in found if done.returncode == 0)


@pytest.mark.parametrize("name", ("xdp-kead", "xdp-kea-dataplane", "xdp-keactl"))
def test_a_router_gets_every_library(name):
    """What a program is linked with is among the packages of scripts/deps --runtime, or on every Debian."""
    listed = set(run(SOURCE / "scripts" / "deps", "--runtime", "--list").stdout.split())
    linked = re.findall(r"NEEDED\s+(\S+)", run("objdump", "-p", Appliance.binary(name)).stdout)
    packages = {package_of(library) for library in linked}
    assert packages and packages <= listed | {"libc6", "libgcc-s1", "libstdc++6"}, packages - listed
