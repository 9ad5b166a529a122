"""Kea's side of static leases: nobody else is given the address, and where the dataplane's answers are turned off
Kea gives the same one."""

import types

import pytest

from xkl.appliance import Appliance
from xkl.clients import BOUND, RENEWED
from xkl.lab import wait_for
from xkl.topology import Router, appliance_section, attachment, subnet, vrf

POOL = ("10.0.0.100", "10.0.0.101", "10.0.0.102")


def config(lab, static_by):
    one = subnet(first=100, last=102, lease_time_s=600)
    return (appliance_section(lab, lab.tag)
            + vrf("red", f'static_by = "{static_by}"\n', one, attachment("xkl-red0"), attachment("xkl-trunk", "200.300"))
            + vrf("blue", 'static_by = "kea"\n', one, attachment("xkl-trunk", 100)))


@pytest.fixture(scope="module")
def site(lab):
    router = Router(lab)
    clients = {"mac": router.add_client("untagged", "udhcpc", "by-mac"),
               "id": router.add_client("untagged", "dhcpcd", "by-id"),
               "line": router.add_client("qinq", "udhcpc", "by-line"),
               "last": router.add_client("untagged", "udhcpc", "last"),
               "none": router.add_client("untagged", "udhcpc", "none"),
               "blue": router.add_client("vlan", "dhclient", "blue")}
    router.connect()
    appliance = Appliance(lab, router.ns, config(lab, "dataplane")).start()
    return types.SimpleNamespace(lab=lab, router=router, appliance=appliance, clients=clients)


def test_an_address_of_the_pool_is_given_to_nobody_else(site):
    """Two of three addresses are static leases of clients that are not there: one client gets the third, the next
    gets none, and gets one as soon as a static lease is deleted."""
    for number, address in enumerate(POOL[:2]):
        site.appliance.ctl("static", "add", "red", "--mac", f"02:00:00:00:88:0{number}", "--address", address)
    assert site.clients["last"].start().wait_bound()["address"] == POOL[2]
    none = site.clients["none"].start()
    seen = site.appliance.counters("red")["requests"]
    wait_for(lambda: site.appliance.counters("red")["requests"] > seen + 4, "its DISCOVERs")
    assert none.lease() is None, "the pool has no address left"
    site.appliance.ctl("static", "delete", "red", "--mac", "02:00:00:00:88:00")
    assert none.wait_bound(40)["address"] == POOL[0]


def test_kea_gives_the_same_address(site):
    """By MAC, client id and line: first from the dataplane, then, that turned off, from Kea."""
    ctl, clients = site.appliance.ctl, site.clients
    ctl("static", "add", "red", "--mac", clients["mac"].mac, "--address", "10.0.0.30", "--hostname", "by-mac")
    ctl("static", "add", "red", "--client-id", "01" + clients["id"].mac.replace(":", ""), "--address", "10.0.0.31")
    ctl("static", "add", "red", "--circuit-id", "xkl-trunk:200.300", "--address", "10.0.0.32")
    want = {"mac": "10.0.0.30", "id": "10.0.0.31", "line": "10.0.0.32"}
    for who, address in want.items():
        assert clients[who].start(*(("-I", "") if who == "id" else ())).wait_bound()["address"] == address
    site.appliance.reload(config(site.lab, "kea"))
    site.appliance.wait_serving()
    before = site.appliance.counters("red")
    for who, address in want.items():
        seen = len(clients[who].events())
        clients[who].renew()
        assert clients[who].wait_event(RENEWED | BOUND, seen)["address"] == address
    after = site.appliance.counters("red")
    assert after["requests"] >= before["requests"] + len(want), "Kea was asked"
    assert after["notes"].get("static_ack") == before["notes"].get("static_ack"), "the dataplane answered"
    held = {row["address"] for row in ctl("lease", "list", "--vrf", "red")}
    assert set(want.values()) <= held, "Kea holds the leases"


def test_kea_follows_changes(site):
    """A static lease that is added while Kea runs counts for the next packet."""
    client = site.clients["blue"]
    site.appliance.ctl("static", "add", "blue", "--mac", client.mac, "--address", "10.0.0.40")
    assert client.start().wait_bound()["address"] == "10.0.0.40"
    keas = {row["vrf"]: row for row in site.appliance.ctl("kea", "status")}
    assert keas["blue"]["restarts"] == 0


def test_pinned_without_an_address(site):
    """It takes an address of the pool, with its own host name."""
    client = site.clients["none"]
    site.appliance.ctl("static", "add", "red", "--mac", client.mac, "--hostname", "pinned")
    seen = len(client.events())
    client.renew()
    assert client.wait_event(RENEWED | BOUND, seen)["address"] in POOL
    rows = {row["mac"]: row for row in site.appliance.ctl("lease", "list", "--vrf", "red")}
    assert rows[client.mac]["hostname"].startswith("pinned")
