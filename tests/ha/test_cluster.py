"""Two appliances and an etcd of three members."""

import json
import signal
import time

import pytest

from clients import Clients
from pair import Pair
from test_pair import TAKEOVER_S, taken_over
from xkl.lab import in_netns, run, wait_for

MEMBERS = ("192.0.2.1", "192.0.2.2", "192.0.2.3")


@pytest.fixture(scope="module")
def site(lab):
    pair = Pair(lab, MEMBERS)
    pair.start()
    yield pair


@pytest.fixture
def clients(site):
    site.wait_ready()
    with Clients(site.client_ns["red"], "eth0", "10.0.0.1", 20, seed=7) as many:
        many.vrf = "red"
        wait_for(lambda: len(many.acks) > 40, "clients to be served")
        yield many
    assert not many.wrong, many.wrong[:5]


def connected(half):
    """The members to which it has a connection."""
    shown = run(*in_netns(half.ns), "ss", "-Htn", "state", "established", "dport", "=", "2379").stdout
    return {line.split()[-1].rsplit(":", 1)[0] for line in shown.splitlines()}


def test_answers_of_all_members_are_cut(site, say):
    """Each member hears the active appliance, and none is heard: what it asks of one after the other must not keep the
    session alive for the other appliance's wait."""
    for process in site.etcds:  # so that it turns to the next one
        process.popen.send_signal(signal.SIGSTOP)
        time.sleep(1)
        process.popen.send_signal(signal.SIGCONT)
        site.wait_ready()
        active = site.active_half("red")
        if len(connected(active)) == len(MEMBERS):
            break
    assert connected(active) == set(MEMBERS)
    with Clients(site.client_ns["red"], "eth0", "10.0.0.1", 20, seed=8) as clients:
        clients.vrf = "red"
        wait_for(lambda: len(clients.acks) > 40, "clients to be served")
        since = time.monotonic()
        active.cut("answers")
        took = taken_over(site, clients, active, since)
        active.heal("answers")
    say(f"nobody was answered for {took:.2f} s")
    assert not clients.wrong, clients.wrong[:5]
    assert took < TAKEOVER_S


def followers(pair):
    """The addresses of the members that do not lead."""
    rows = json.loads(pair.etcdctl("endpoint", "status", "--write-out=json"))
    return [row["Endpoint"].removeprefix("http://").removesuffix(":2379") for row in rows
            if row["Status"]["header"]["member_id"] != row["Status"]["leader"]]


def test_a_member_that_dies_is_missed_by_nobody(site, clients, say):
    active = site.active_half("red")
    member = sorted(connected(active) & set(followers(site)))[0]
    since = time.monotonic()
    site.etcds[MEMBERS.index(member)].kill()
    time.sleep(4)
    moment = time.monotonic()
    wait_for(lambda: clients.answered_after(moment), "clients to be answered", 10)
    say(f"nobody was answered for {clients.silence(since):.2f} s")
    assert site.active_half("red") is active
