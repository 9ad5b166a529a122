"""Load on an appliance: whole conversations at a rate by the generator of bench/gen, and what became of them."""

import itertools
import json
import pathlib
import signal
import types

from .appliance import Appliance
from .lab import LabError, wait_for

FAR = "gen0"  # the generator's end of a wire
TAP = "tap0"  # where a sniffer sees all of a tapped wire
CLIENTS = 20_000
UNTIL_STOPPED_S = 600

numbers = itertools.count()


def wire(lab, router, name, tapped=False):
    """Port xkl-<name>0 of the router, with a namespace behind it for a generator. Returns the namespace.

    The generator takes its replies before a sniffer could see them: a tapped wire has a bridge in front of it."""
    ns = lab.netns(name)
    lab.veth(router, f"xkl-{name}0", ns, TAP if tapped else FAR)
    if tapped:
        lab.veth(ns, "tap1", ns, FAR)
        lab.bridge(ns, "tap", [TAP, "tap1"])
    return ns


class Load:
    """Conversations of clients that nobody has seen yet, `rate` new ones a second, until stop()."""

    def __init__(self, appliance, vrf, ns, rate=300, grace_s=5, acks=False):
        self.appliance, self.vrf = appliance, vrf
        number = next(numbers)
        self.before = appliance.counters(vrf)
        self.acks_file = pathlib.Path(appliance.lab.directory) / f"acks-{vrf}-{number}" if acks else None
        wanted = ["--acks", self.acks_file] if acks else []
        self.process = appliance.lab.spawn(ns, f"load-{vrf}-{number}", [
            Appliance.binary("xdp-kea-gen"), "dora", "--interface", FAR, "--rate", rate, "--seconds", UNTIL_STOPPED_S,
            "--clients", CLIENTS, "--first-client", number * CLIENTS, "--grace", grace_s, *wanted])
        self.wait_flowing()

    def wait_flowing(self, packets=100):
        """Waits until the VRF has had so many packets from now on."""
        before = self.appliance.counters(self.vrf)["rx"]
        wait_for(lambda: self.appliance.counters(self.vrf)["rx"] >= before + packets or not self.process.alive(),
                 f"load on {self.vrf}; the generator said: {self.process.output()}")

    def acks(self):
        """What clients were told, once it has stopped: pairs of MAC and address, in order."""
        return [tuple(line.split()) for line in self.acks_file.read_text().splitlines()]

    def stop(self):
        """Ends it; its figures, and of the same time the VRF's counters."""
        self.process.kill(signal.SIGTERM)
        if self.process.popen.wait(60) != 0:
            raise LabError(f"{self.process.name}: {self.process.output()}")
        figures = types.SimpleNamespace(**json.loads(self.process.output().splitlines()[-1]))
        after = self.appliance.counters(self.vrf)
        for key in ("rx", "tx", "requests", "replies"):
            setattr(figures, key, after[key] - self.before[key])
        figures.dropped = {name: count - self.before["drops"].get(name, 0) for name, count in after["drops"].items()
                           if count != self.before["drops"].get(name, 0)}
        return figures


def assert_nothing_lost(figures):
    """Every DISCOVER had its OFFER and every REQUEST its ACK, and the dataplane saw exactly these."""
    sent = figures.discovers
    assert sent > 0
    assert (figures.offers, figures.acks, figures.naks, figures.strays) == (sent, sent, 0, 0), figures
    assert (figures.rx, figures.requests, figures.replies, figures.dropped) == (4 * sent, 2 * sent, 2 * sent, {}), figures
    return f"{sent} conversations, 0 of {4 * sent} packets lost"
