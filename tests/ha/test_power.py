"""The power of the active appliance is cut: it is a virtual machine, and that is killed. The other one takes over."""

import os
import pathlib
import signal
import time

import pytest

from clients import Clients
from pair import VRFS, Half, Pair
from xkl.lab import PREFIX, Lab, remove_leftovers, run, wait_for

HERE = pathlib.Path(__file__).resolve().parent
TAKEOVER_S = 3.0
MACHINE_S = 150  # until it serves; it is emulated


class Machine(Half):
    """A half that is a virtual machine: its namespace has bridges instead of an appliance."""

    def wire(self, lab):
        self.taps = []
        for number, name in enumerate(["mgmt", *(f"xkl-{vrf_name}" for vrf_name in VRFS)]):
            tap = f"tap{number}"
            run("ip", "-n", self.ns, "tuntap", "add", "dev", tap, "mode", "tap")
            run("ip", "-n", self.ns, "link", "set", tap, "up")
            lab.bridge(self.ns, f"br{number}", [tap, name])
            self.taps.append(tap)

    def start(self):
        lab = self.pair.lab
        self.wire(lab)
        argv = [HERE.parents[1] / "scripts/vm-lab", "--timeout", "300", "--memory", "2048"]
        for tap in self.taps:
            argv += ["--tap", tap]
        argv += ["/usr/bin/python3", HERE / "in_machine.py", self.letter, self.address]
        self.process = lab.spawn(self.ns, "machine", argv, {"XK_LAB_TAG": lab.tag.removeprefix(PREFIX)})
        self.be_nice(19)

    def be_nice(self, value):
        """Of the whole emulation, where the kernel gives each session a scheduling group."""
        group = pathlib.Path(f"/proc/{self.process.pid}/autogroup")
        if group.exists():
            group.write_text(str(value))

    def wait_serving(self):
        wait_for(lambda: "serving" in self.process.output() or not self.process.alive(), "the machine to serve", MACHINE_S)
        assert self.process.alive(), self.process.output()[-3000:]

    def cut_power(self):
        """No process of the machine does anything from now on, nor does its kernel."""
        pids = run("pgrep", "-s", str(self.process.pid), "qemu-system").stdout.split()
        assert len(pids) == 1, pids
        os.kill(int(pids[0]), signal.SIGKILL)


class PairWithMachine(Pair):
    def make_halves(self):
        self.a, self.b = Machine(self, "a", "192.0.2.11"), Half(self, "b", "192.0.2.12")

    def is_active(self, name, vrf_name):
        """The machine cannot be asked: whoever the other half has been told of."""
        return bool(name) and self.active_on(vrf_name) == name

    def active_on(self, vrf_name):
        """As the half that is no machine says."""
        shown = self.b.status()
        return next(v["active_on"] for v in shown["vrfs"] if v["name"] == vrf_name) if shown else ""


@pytest.fixture(scope="session")
def booting():
    """The machine, on its way since the session began (see conftest.py), with what the tests before leave over."""
    tag = os.environ.get("XK_LAB_TAG", "t") + "p"
    remove_leftovers(PREFIX + tag)
    with Lab(tag) as lab:
        pair = PairWithMachine(lab)
        pair.a.start()
        yield pair


@pytest.fixture(scope="module")
def site(booting):
    pair = booting
    pair.a.be_nice(0)
    pair.a.wait_serving()
    pair.b.start()
    wait_for(lambda: pair.b.ready() and all(pair.active_on(name) == "edge-a" for name in VRFS),
             "the machine to be active and the other one ready")
    yield pair


def test_power_cut(site, say):
    with Clients(site.client_ns["red"], "eth0", "10.0.0.1", 10, seed=3) as clients:
        wait_for(lambda: len(clients.acks) > 40, "clients to be served")
        known = dict(clients.holders)
        since = time.monotonic()
        site.a.cut_power()
        wait_for(lambda: site.b.active("red"), "edge-b to be active", 10)
        moment = time.monotonic()
        wait_for(lambda: clients.answered_after(moment), "clients to be answered", 10)
        took = clients.silence(since)
        wait_for(lambda: {answer.address for answer in clients.acks if answer.time > moment} & set(known),
                 "clients to renew what the machine had given them")
    say(f"nobody was answered for {took:.2f} s")
    assert not clients.wrong, clients.wrong[:5]
    assert took < TAKEOVER_S
    assert {row["name"]: row["active_on"] for row in site.b.status()["vrfs"]} == {name: "edge-b" for name in VRFS}
    assert site.b.status()["ha"]["appliances"] == ["edge-b"]
