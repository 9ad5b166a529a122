"""Two appliances, one active at a time in each VRF: taking over when the other falls silent, and by an operator's
will; what is shown; static leases that both are told of."""

import json
import time

import pytest

from clients import Clients, text
from pair import VRFS, Pair
from xkl.lab import wait_for

TAKEOVER_S = 3.0


@pytest.fixture(scope="module")
def site(lab):
    pair = Pair(lab)
    pair.start()
    yield pair


@pytest.fixture
def clients(site):
    site.wait_ready()
    with Clients(site.client_ns["red"], "eth0", "10.0.0.1", 20, seed=7) as many:
        wait_for(lambda: len(many.acks) > 40, "clients to be served")
        yield many
    assert not many.wrong, many.wrong[:5]


def taken_over(site, clients, old, since):
    """Waits until the other half answers; how long nobody had."""
    wait_for(lambda: old.other.active("red"), f"{old.other.name} to be active", 10)
    moment = time.monotonic()
    wait_for(lambda: clients.answered_after(moment), "clients to be answered", 10)
    return clients.silence(since)


def test_both_show_who_is_active(site, clients):
    active = site.active_half("red")
    for half in site.halves:
        shown = half.status()
        assert shown["ha"]["enabled"] and shown["ha"]["name"] == half.name
        assert sorted(shown["ha"]["appliances"]) == ["edge-a", "edge-b"]
        row = next(v for v in shown["vrfs"] if v["name"] == "red")
        assert row["active_on"] == active.name
        assert abs(row["active_since_unix_s"] - time.time()) < 600
        assert row["standing"] == ("active" if half is active else "standby")
        assert active.name in half.appliance.ctl("vrf", "list", form="text")
        assert f"active:   {active.name} since" in half.appliance.ctl("vrf", "show", "red", form="text")
        assert "appliances: edge-a edge-b" in half.appliance.ctl("status", form="text")
        events = half.appliance.ctl("events")["events"]
        assert any(e["kind"] == "ha" and e["vrf"] == "red" and " is active, epoch " in e["text"] for e in events)
    key = json.loads(site.etcdctl("get", "--print-value-only", "/xdp-kea/v1/active/red"))
    assert key["appliance"] == active.name
    # The standby one is silent, and says so.
    assert active.other.appliance.counters("red")["drops"]["not_active"] > 0
    assert "not_active" not in active.appliance.counters("red")["drops"]


@pytest.mark.parametrize("how", ["kead", "all", "cut"])
def test_takeover(site, clients, how, say):
    old = site.active_half("red")
    since = time.monotonic()
    if how == "cut":
        old.cut("answers")
    else:
        old.kill(*(["kead"] if how == "kead" else ["kead", "dataplane", "kea"]))
    took = taken_over(site, clients, old, since)
    say(f"{how}: nobody was answered for {took:.2f} s")
    assert took < TAKEOVER_S
    wait_for(lambda: clients.announced, "the gateway's address to be announced")
    assert text(clients.announced[-1]) == old.other.mac("red")
    if how == "cut":
        old.heal("answers")
    old.revive()
    site.wait_ready()
    assert old.other.active("red")


@pytest.mark.parametrize("how", ["takeover", "release", "drain", "sigterm"])
def test_handed_over(site, clients, how, say):
    old = site.active_half("red")
    since = time.monotonic()
    if how == "takeover":
        old.other.appliance.ctl("ha", "takeover", "red")
        assert old.other.active("red")
    elif how == "release":
        assert old.appliance.ctl("ha", "release", "red") == ["red"]
    elif how == "drain":
        old.appliance.ctl("vrf", "drain", "red")
    else:
        assert old.appliance.kead.stop() == 0
    took = taken_over(site, clients, old, since)
    say(f"{how}: nobody was answered for {took:.2f} s")
    assert took < 1.5
    if how == "drain":
        old.appliance.ctl("vrf", "resume", "red")
    old.revive()
    site.wait_ready()
    assert old.other.active("red")
