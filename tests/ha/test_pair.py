"""Two appliances, one active at a time in each VRF: taking over when the other falls silent, and by an operator's
will; what is shown; static leases that both are told of."""

import contextlib
import ctypes
import json
import os
import select
import socket
import time

import pytest

from clients import CLONE_NEWNET, DISCOVER, ETH_P_ALL, OFFER, Clients, text
from pair import VRFS, Pair
from xkl.lab import run, wait_for
from xkl.sniff import dhcp_of

TAKEOVER_S = 3.0
CHADDR_AT = 42 + 28  # in a frame
RECEIVED = '{"command": "statistic-get", "arguments": {"name": "pkt4-discover-received"}}'
STATIC_GROUP = 9  # of the MACs of the client with a static lease


@pytest.fixture(scope="module")
def site(lab):
    pair = Pair(lab)
    pair.start()
    yield pair


@pytest.fixture
def clients(site, request):
    """Clients of red, or of the VRF that is asked for."""
    name = getattr(request, "param", "red")
    site.wait_ready(names=[name])
    with Clients(site.client_ns[name], "eth0", "10.0.0.1", 20, seed=7) as many:
        many.vrf = name
        wait_for(lambda: len(many.acks) > 40, "clients to be served")
        yield many
    assert not many.wrong, many.wrong[:5]


def taken_over(site, clients, old, since):
    """Waits until the other half answers; how long nobody had."""
    wait_for(lambda: old.other.active(clients.vrf), f"{old.other.name} to be active", 10)
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


# What was handed over is not taken back for 10 s: the next one is of the other VRF.
@pytest.mark.parametrize("clients,how", [("red", "takeover"), ("blue", "release"), ("red", "drain"), ("blue", "sigterm")],
                         indirect=["clients"])
def test_handed_over(site, clients, how, say):
    name = clients.vrf
    old = site.active_half(name)
    since = time.monotonic()
    if how == "takeover":
        old.other.appliance.ctl("ha", "takeover", name)
        assert old.other.active(name)
    elif how == "release":
        assert old.appliance.ctl("ha", "release", name) == [name]
    elif how == "drain":
        old.appliance.ctl("vrf", "drain", name)
    else:
        assert old.appliance.kead.stop() == 0
    took = taken_over(site, clients, old, since)
    say(f"{how}: nobody was answered for {took:.2f} s")
    assert took < 1.5
    if how == "drain":
        old.appliance.ctl("vrf", "resume", name)
    old.revive()
    assert old.other.active(name)


def test_a_kea_that_dies_hands_over(site, clients, say):
    old = site.active_half("red")
    since = time.monotonic()
    old.kill("kea")
    took = taken_over(site, clients, old, since)
    say(f"nobody was answered for {took:.2f} s")
    assert took < TAKEOVER_S


@contextlib.contextmanager
def packets_of(ns, interface):
    """A packet socket in a namespace."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    setns = ctypes.CDLL(None, use_errno=True).setns
    assert setns(there, CLONE_NEWNET) == 0
    try:
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        packets.bind((interface, 0))
    finally:
        assert setns(own, CLONE_NEWNET) == 0
        os.close(own)
        os.close(there)
    with packets:
        packets.settimeout(10)
        yield packets


def dhcp_frame(packets, is_it, wait_s):
    """The first such DHCP frame that comes, or None."""
    end = time.monotonic() + wait_s
    while select.select([packets], [], [], max(0, end - time.monotonic()))[0]:
        frame = packets.recv(2048)
        dhcp = dhcp_of(frame, 0, False)
        if dhcp and is_it(frame, dhcp):
            return frame
    return None


def test_a_standbys_kea_answers_nothing(site, clients):
    """The dataplane may be open yet for the xdp-kead before, which was killed, while a new Kea waits for its turn."""
    site.wait_ready()
    active, mac = site.active_half("red"), bytes.fromhex("020cfe000001")
    with packets_of(f"{active.prefix}-1", "kea1") as kea:
        relayed = dhcp_frame(kea, lambda _, dhcp: dhcp.type == DISCOVER, 10)
    # Another client's, without a UDP checksum.
    relayed = relayed[:40] + b"\0\0" + relayed[42:CHADDR_AT] + mac + relayed[CHADDR_AT + 6:]
    for half, answers in ((active, True), (active.other, False)):
        kea_ns = f"{half.prefix}-1"
        kea_mac = json.loads(run("ip", "-j", "-n", kea_ns, "link", "show", "kea1").stdout)[0]["address"]
        with packets_of(kea_ns, "kea1") as kea, packets_of(half.ns, f"{half.prefix}-h1") as port:
            port.send(bytes.fromhex(kea_mac.replace(":", "")) + relayed[6:])
            offer = dhcp_frame(kea, lambda frame, dhcp: dhcp.type == OFFER and frame[CHADDR_AT:CHADDR_AT + 6] == mac, 2)
        assert bool(offer) == answers
        if not answers:
            received = half.appliance.ctl("kea", "command", "red", RECEIVED)["arguments"]["pkt4-discover-received"][0][0]
            assert received == 1


def test_static_leases_of_the_one_are_the_others_too(site):
    """Changed on either, whoever is active; answered by who is, also after it has changed."""
    site.wait_ready()
    old = site.active_half("red")
    with Clients(site.client_ns["red"], "eth0", "10.0.0.1", 1, seed=9, number=STATIC_GROUP, leaves=0) as one:
        mac = next(iter(one.clients))
        old.other.appliance.ctl("static", "add", "red", "--mac", text(mac), "--address", "10.0.0.20", "--force")

        def told(half, address):
            answer = one.acks[-1] if one.acks else None
            return answer and answer.address == socket.inet_aton(address) and text(one.acked_by) == half.mac("red")
        wait_for(lambda: told(old, "10.0.0.20"), "the pinned address from who is active")
        old.kill("kead", "dataplane", "kea")
        wait_for(lambda: told(old.other, "10.0.0.20"), "the pinned address from the other one")
        old.other.appliance.ctl("static", "delete", "red", "--mac", text(mac))
        old.other.appliance.ctl("static", "add", "red", "--mac", text(mac), "--address", "10.0.0.21")
        wait_for(lambda: told(old.other, "10.0.0.21"), "the address that it was moved to")
        old.revive()
        site.wait_ready()
        old.appliance.ctl("ha", "takeover", "red")
        wait_for(lambda: told(old, "10.0.0.21"), "what was changed while it was dead, from the one that was revived")
