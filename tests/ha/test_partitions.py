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
import time

import pytest

from clients import Clients, text
from pair import VRFS, Pair
from xkl.lab import Lab, LabError, remove_leftovers, wait_for

ROUNDS = int(os.environ.get("XK_HA_ROUNDS", "100"))
SEED = int(os.environ.get("XK_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
PAIRS = 3
CLIENTS = 25  # of a VRF
TAKEOVER_S = 3.0
# A slow machine's own pauses are not the appliances': so much more may a single takeover take.
SLOW_S = 2.0

# How often in proportion, and whether the other half is to take over if it lasts.
PARTITIONS = {"cut link": (1, True), "cut answers": (1, True), "cut requests": (1, True)}
OTHERS = {"kill kead": (3, True), "kill all": (3, True), "kill dataplane": (2, False), "kill kea": (1, False),
          "stop kead": (3, True), "stop dataplane": (2, False), "etcd stands still": (1, False), "hand over": (2, False)}
EVENTS = {**PARTITIONS, **OTHERS}


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
        pair.etcd.popen.send_signal(signal.SIGSTOP)
        yield
        pair.etcd.popen.send_signal(signal.SIGCONT)
    else:
        half.other.appliance.ctl("ha", "takeover", check=False)
        yield


def recovered(pair, vrf_name):
    """The half that is active, once the other one could take over; None if that takes too long."""
    with contextlib.suppress(LabError):
        wait_for(lambda: (half := pair.active_half(vrf_name)) and half.other.ready(), "the other half", 10)
        return pair.active_half(vrf_name)
    return None


class Run:
    """What happens to one pair, and what came of it."""

    def __init__(self, pair, number, events):
        self.pair, self.number, self.events = pair, number, events
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
            for clients in self.groups.values():
                wait_for(lambda clients=clients: len(clients.acks) > CLIENTS, "clients to be served")
            for self.round, what in enumerate(self.events):
                self.have(what)
                wrong = [(name, line) for name, clients in self.groups.items() for line in clients.wrong]
                assert not wrong, f"{self.where(what)}: {wrong[:3]}\n{self.pair.stored(wrong[0][0])}"
            self.pair.wait_ready()
            for clients in self.groups.values():
                moment = time.monotonic()
                wait_for(lambda clients=clients, moment=moment: clients.answered_after(moment),
                         "clients to be answered again")
        self.look_at_leases()

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
        measured = lasts and had and half.other.ready()
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
        moment = time.monotonic()
        for name in had:
            clients = self.groups[name]
            wait_for(lambda clients=clients: clients.answered_after(moment),
                     f"clients of {name} to be answered, {self.where(what)}", 10)
            self.took.append(clients.silence(since))
            print(f"{self.where(what)}: {name}: {self.took[-1]:.2f} s")
            if self.took[-1] > TAKEOVER_S:
                self.late.append(f"{self.where(what)}: {self.took[-1]:.2f} s")

    def look_at_leases(self):
        for name, clients in self.groups.items():
            assert not clients.wrong, f"XK_SEED={SEED}: {clients.wrong[:5]}"
            stored = self.pair.stored(name)
            lost = {socket.inet_ntoa(address): text(mac) for address, mac in clients.holders.items()
                    if stored.get(socket.inet_ntoa(address)) != text(mac)}
            assert not lost, f"leases that clients hold and etcd has not (XK_SEED={SEED}): {lost}"


def test_at_random(site, say):
    print(f"XK_SEED={SEED}")
    runs = [Run(pair, number, events)
            for number, (pair, events) in enumerate(zip(site.all, schedule(random.Random(SEED))))]
    site.each(lambda number: runs[number].go())
    report(runs, say)
    took = [seconds for run in runs for seconds in run.took]
    late = [line for run in runs for line in run.late]
    assert len(took) >= ROUNDS // 20
    assert max(took) < TAKEOVER_S + SLOW_S and len(late) <= len(took) // 10, late


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
