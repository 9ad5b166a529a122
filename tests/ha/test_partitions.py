"""What may happen to two appliances happens at random while clients acquire, renew and release all the time: no
address is given to two of them, none is refused when it renews, and whoever can takes over in time.

XK_HA_ROUNDS says how many times an appliance is cut off from etcd (default 100); for every five of them two other things
happen: processes are killed or stopped, etcd stands still, an operator hands over. They are shared out to pairs of
appliances side by side. XK_SEED makes it the same run again; it is always said. Here all of an appliance's processes
killed at once stand for a power cut; a machine that really loses its power is in test_power.py.
"""

import collections
import concurrent.futures
import contextlib
import os
import random
import signal
import socket
import subprocess
import threading
import time

import pytest

from canary import Canary
from clients import Clients, text
from pair import ETCD, VRFS, Pair
from xkl.lab import Lab, LabError, in_netns, remove_leftovers, wait_for

ROUNDS = int(os.environ.get("XK_HA_ROUNDS", "100"))
SEED = int(os.environ.get("XK_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
PAIRS = 3
CLIENTS = 25  # of a VRF
TAKEOVER_S = 3.0
# While the machine runs nobody (canary.py) nobody can take over: so much more may a takeover take, and so few may.
SLOW_S = 2.0
LATE_IN = 20

# How often in proportion, and whether the other half is to take over if it lasts.
PARTITIONS = {"cut link": (1, True), "cut answers": (1, True), "cut requests": (1, True)}
OTHERS = {"kill kead": (3, True), "kill all": (3, True), "kill dataplane": (2, False), "kill kea": (1, False),
          "stop kead": (3, True), "stop dataplane": (2, False), "etcd stands still": (1, False), "hand over": (2, False)}
EVENTS = {**PARTITIONS, **OTHERS}
ACTIVE_KEYS = "/xdp-kea/v1/active/"


class Pairs:
    """Several pairs of appliances, each with an etcd and clients of its own. A context manager."""

    def __init__(self, count, tag):
        self.labs = []
        for number in range(count):
            remove_leftovers(f"xkl{tag}{number}")
            self.labs.append(Lab(f"{tag}{number}"))
        self.all, self.suspect = [], 0

    @property
    def appliance(self):
        return self  # for the report of a failure

    def logs(self):
        """Of the pair that failed."""
        return "\n".join(half.appliance.logs() for half in self.all[self.suspect].halves) if self.all else ""

    def each(self, action):
        """Does something with every lab at once; the first failure is raised when all have ended."""
        with concurrent.futures.ThreadPoolExecutor(len(self.labs)) as pool:
            done = list(pool.map(lambda number: self.attempt(action, number), range(len(self.labs))))
        for number, error in enumerate(done):
            if error:
                self.suspect = number
                raise error

    @staticmethod
    def attempt(action, number):
        try:
            action(number)
        except Exception as error:  # pylint: disable=broad-except
            return error
        return None

    def __enter__(self):
        self.all = [Pair(lab) for lab in self.labs]
        self.each(lambda number: self.all[number].start())
        return self

    def __exit__(self, *_):
        self.each(lambda number: self.labs[number].close())


@pytest.fixture(scope="module")
def site():
    with Pairs(PAIRS, os.environ.get("XK_LAB_TAG", "t")) as pairs:
        yield pairs


def schedule(chance):
    """What happens to each pair, in order."""
    def some(kinds, count):
        return chance.choices(list(kinds), [weight for weight, _ in kinds.values()], k=count)
    events = some(PARTITIONS, ROUNDS) + some(OTHERS, ROUNDS * 2 // 5)
    chance.shuffle(events)
    return [events[number::PAIRS] for number in range(PAIRS)]


@contextlib.contextmanager
def happens(pair, half, what):
    """Something that goes on until the block ends."""
    verb, name = what.split(" ", 1)
    if verb == "cut":
        half.cut(name)
        yield
        half.heal(name)
    elif verb == "kill":
        half.kill(*(["kead", "dataplane", "kea"] if name == "all" else [name]))
        yield
        half.revive()
    elif verb == "stop":
        half.signal(name, signal.SIGSTOP)
        yield
        half.signal(name, signal.SIGCONT)
    elif verb == "etcd":
        pair.etcds[0].popen.send_signal(signal.SIGSTOP)
        yield
        pair.etcds[0].popen.send_signal(signal.SIGCONT)
    else:
        half.other.appliance.ctl("ha", "takeover", check=False)
        yield


class Keys:
    """When etcd told of active keys that went and came: what a takeover that took long has waited for. A context manager."""

    def __init__(self, pair):
        self.seen = []  # time, VRF, "gone" or "made"
        self.watch = subprocess.Popen(
            [*in_netns(pair.etcd_ns), "etcdctl", f"--endpoints=http://{ETCD}:2379", "watch", "--prefix", ACTIVE_KEYS],
            env={**os.environ, "ETCDCTL_API": "3"}, stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)

    def __enter__(self):
        self.reader.start()
        return self

    def __exit__(self, *_):
        self.watch.kill()
        self.watch.wait()
        self.reader.join()

    def read(self):
        what = None  # a line of its own, the key follows
        for line in self.watch.stdout:
            if line in ("PUT\n", "DELETE\n"):
                what = "made" if line == "PUT\n" else "gone"
            elif what and line.startswith(ACTIVE_KEYS):
                self.seen.append((time.monotonic(), line.strip().removeprefix(ACTIVE_KEYS), what))
                what = None

    def told(self, vrf_name, since):
        return ", ".join(f"{what} after {moment - since:.2f} s" for moment, name, what in list(self.seen)
                         if name == vrf_name and moment >= since)


def recovered(pair, vrf_name):
    """The half that is active, once the other one could take over; None if that takes too long."""
    with contextlib.suppress(LabError):
        wait_for(lambda: (half := pair.active_half(vrf_name)) and half.other.ready(), "the other half", 10)
        return pair.active_half(vrf_name)
    return None


class Run:
    """What happens to one pair, and what came of it."""

    def __init__(self, pair, number, events, canary):
        self.pair, self.number, self.events, self.canary = pair, number, events, canary
        self.chance = random.Random(f"{SEED}/{number}")
        self.took, self.late, self.groups = [], [], {}
        self.round = 0

    def where(self, what):
        return f"pair {self.number}, round {self.round}, {what} (XK_SEED={SEED})"

    def go(self):
        with contextlib.ExitStack() as stack:
            for i, name in enumerate(VRFS):
                group = Clients(self.pair.client_ns[name], "eth0", "10.0.0.1", CLIENTS, f"{SEED}/{self.number}/{i}", i)
                self.groups[name] = stack.enter_context(group)
            self.keys = stack.enter_context(Keys(self.pair))
            for clients in self.groups.values():
                wait_for(lambda clients=clients: len(clients.acks) > CLIENTS, "clients to be served")
            for self.round, what in enumerate(self.events):
                self.have(what)
                wrong = [(name, line) for name, clients in self.groups.items() for line in clients.wrong]
                assert not wrong, f"{self.where(what)}: {wrong[:3]}\n{self.pair.stored(wrong[0][0])}"
            self.pair.wait_ready()
            for name in self.groups:
                self.wait_answered(name)
        self.look_at_leases()

    def wait_answered(self, vrf_name, timeout=20):
        clients, moment = self.groups[vrf_name], time.monotonic()
        wait_for(lambda: clients.answered_after(moment), f"clients of {vrf_name} to be answered", timeout)

    def have(self, what):
        """One thing happens, goes on for a while, and ends."""
        vrf_name = self.chance.choice(VRFS)
        lasts = self.chance.random() < 0.3 and EVENTS[what][1]
        half = self.pair.active_half(vrf_name) or self.chance.choice(self.pair.halves)
        if self.chance.random() < 0.25:
            half = half.other
        if lasts:
            # A takeover is due if the other one can: what happened before is over.
            half = recovered(self.pair, vrf_name) or half
        had = [name for name in VRFS if half.active(name)]
        if lasts:
            with contextlib.suppress(LabError):  # what is silent already is not silenced by this
                for name in had:
                    self.wait_answered(name, 5)
        measured = lasts and had and half.other.ready() and all(half.active(name) for name in had)
        since = time.monotonic()
        with happens(self.pair, half, what):
            if measured:
                self.measure(half.other, had, what, since)
            else:
                time.sleep(self.chance.uniform(0.05, 2.2 if what != "stop dataplane" else 1.0))
        time.sleep(self.chance.uniform(0, 0.5))

    def measure(self, other, had, what, since):
        for name in had:
            wait_for(lambda name=name: other.active(name), f"{other.name} to take {name} over, {self.where(what)}",
                     TAKEOVER_S + 10)
        for name in had:
            self.wait_answered(name)
            took, stood_still = self.groups[name].silence(since), self.canary.stood_still(since, time.monotonic())
            line = (f"{self.where(what)}: {name}: {took:.2f} s; key {self.keys.told(name, since)}; the machine stood still for "
                    f"{stood_still:.2f} s")
            print(line)
            self.took.append(took)
            if took > TAKEOVER_S:
                self.late.append((took - TAKEOVER_S <= min(SLOW_S, stood_still), line))

    def look_at_leases(self):
        for name, clients in self.groups.items():
            assert not clients.wrong, f"XK_SEED={SEED}: {clients.wrong[:5]}"
            stored = self.pair.stored(name)
            lost = {socket.inet_ntoa(address): text(mac) for address, mac in clients.holders.items()
                    if stored.get(socket.inet_ntoa(address)) != text(mac)}
            assert not lost, f"leases that clients hold and etcd has not (XK_SEED={SEED}): {lost}"


def test_at_random(site, say):
    print(f"XK_SEED={SEED}")
    with Canary(f"{site.labs[0].directory}/canary") as canary:
        runs = [Run(pair, number, events, canary)
                for number, (pair, events) in enumerate(zip(site.all, schedule(random.Random(SEED))))]
        site.each(lambda number: runs[number].go())
    report(runs, say)
    took = [seconds for run in runs for seconds in run.took]
    late = [one for run in runs for one in run.late]
    assert len(took) >= ROUNDS // 20
    assert all(excused for excused, _ in late) and len(late) <= len(took) // LATE_IN, late


def report(runs, say):
    took = sorted(seconds for run in runs for seconds in run.took)
    groups = [clients for run in runs for clients in run.groups.values()]
    done = collections.Counter(what for run in runs for what in run.events)
    cut = sum(done[what] for what in PARTITIONS)
    say(f"XK_SEED={SEED}: {cut} partitions and {sum(done.values()) - cut} other events "
        f"({', '.join(f'{n} x {what}' for what, n in sorted(done.items()))})")
    say(f"{sum(clients.made for clients in groups)} clients, {sum(len(clients.acks) for clients in groups)} ACKs: no address "
        "for two, none refused at renewal")
    if took:
        say(f"{len(took)} takeovers: nobody was answered for {took[0]:.2f} s (least), {took[len(took) // 2]:.2f} s (median), "
            f"{took[int(len(took) * 0.9)]:.2f} s (90 %), {took[-1]:.2f} s (most)")
