"""Configured VRFs bound to VRF devices, on VLAN and QinQ devices of the kernel, with real clients."""

import types

import pytest

from xkl.appliance import Appliance
from xkl.clients import Client
from xkl.kernel import SERVER, Core, KernelRouter, attachments, mac_of, tagged
from xkl.lab import run, wait_for
from xkl.topology import appliance_section, attachment, subnet, vrf


@pytest.fixture(scope="module")
def site(lab):
    """red: Kea, on VLAN 100 and QinQ 200.300 of p1. green: relay, untagged on p2, its server in vrf-core."""
    router = KernelRouter(lab)
    p1, p2 = router.wire("p1"), router.wire("p2")
    router.vrf("vrf-red", 1001)
    router.vrf("vrf-green", 1002)
    router.vlan("p1", 100, "vrf-red", "10.0.0.1/24")
    router.vlan("p1", 200, protocol="802.1ad")
    router.vlan("p1.200", 300, "vrf-red")
    router.ip("link set p2 master vrf-green", "addr add 10.0.0.1/24 dev p2")
    core = Core(router, ["10.0.0"])
    text = (appliance_section(lab, lab.tag)
            + vrf("red", 'device = "vrf-red"\n', subnet(), attachment("p1.100"), attachment("p1.200.300"))
            + vrf("green", 'device = "vrf-green"\n', '  [[vrf.subnet]]\n  prefix = "10.0.0.0/24"\n  gateway = "10.0.0.1"\n',
                  attachment("p2"), f'  [vrf.relay]\n  servers = ["{SERVER}"]\n  server_vrf = "core"\n'
                  "  server_id_override = true\n", engine="relay")
            + vrf("core", 'device = "vrf-core"\n', engine="relay") + f'  [vrf.relay]\n  servers = ["{SERVER}"]\n')
    appliance = Appliance(lab, router.ns, text).start()
    places = {"vlan": (p1, tagged(lab, p1, 100), "dhclient"), "qinq": (p1, tagged(lab, p1, "802.1ad 200", 300), "dhcpcd"),
              "untagged": (p2, "eth0", "udhcpc")}
    clients = {name: Client(lab, kind, ns, interface, mac_of(ns, interface), f"{kind}-{name}").start()
               for name, (ns, interface, kind) in places.items()}
    return types.SimpleNamespace(lab=lab, router=router, core=core, appliance=appliance, clients=clients, text=text)


def test_attachments_are_vlans_of_the_port(site):
    rows = attachments(site.appliance)
    assert {(vrf_name, row["interface"], vlan) for (vrf_name, _, vlan), row in rows.items()} == {
        ("red", "p1", "100"), ("red", "p1", "200.300"), ("green", "p2", "-")}
    assert all(row["state"] == "serving" for row in rows.values()), rows


@pytest.mark.parametrize("name", ["vlan", "qinq", "untagged"])
def test_lease(site, name):
    lease = site.clients[name].wait_bound(60)
    assert lease["address"].startswith("10.0.0.") and lease["server"] == "10.0.0.1"


def test_each_vrf_has_its_own_leases(site):
    red = {row["mac"] for row in site.appliance.ctl("lease", "list", "--vrf", "red")}
    assert red == {site.clients["vlan"].mac, site.clients["qinq"].mac}
    assert site.clients["untagged"].mac in site.core.server.output()


def test_relay_goes_by_the_table_of_the_server_vrf(site):
    """The main table and green's own know no way to the server: vrf-core's does, by a gateway."""
    for words in ([], ["vrf", "vrf-green"]):
        assert run("ip", "-n", site.router.ns, "route", "get", SERVER, *words, check=False).returncode != 0
    row = next(v for v in site.appliance.ctl("vrf", "list") if v["name"] == "green")
    assert row["state"] == "serving", row
    assert [r["interface"] for r in attachments(site.appliance, "server").values()] == ["up0"]


@pytest.mark.parametrize("name", ["qinq", "untagged"])
def test_unicast_renewal(site, name):
    """The server identifier: on p1.200.300 nobody holds it and the appliance answers ARP, on p2 the kernel does."""
    client = site.clients[name]
    client.wait_bound(60)
    seen = len(client.events())
    client.renew()
    client.wait_event({"renew", "RENEW"}, seen, 30)


def test_kernel_answers_arp_for_a_vlan_devices_address(site):
    """p1.100 holds the server identifier: its MAC is what the client learns, and the answer is the kernel's."""
    client = site.clients["vlan"]
    client.wait_bound(60)
    before = site.appliance.counters()["xdp"].get("pass_not_ours", 0)
    run("ip", "-n", client.ns, "neigh", "flush", "all")
    run("ip", "-n", client.ns, "neigh", "add", "10.0.0.1", "dev", client.interface, "use")
    shown = ["ip", "-n", client.ns, "neigh", "show", "10.0.0.1", "dev", client.interface]
    assert mac_of(site.router.ns, "p1.100") in wait_for(
        lambda: run(*shown).stdout if "lladdr" in run(*shown).stdout else None, "10.0.0.1 to be resolved")
    assert site.appliance.counters()["xdp"]["pass_not_ours"] > before


def test_next_hop_moves_with_the_table(site):
    """The server's gateway changes in vrf-core's table: relaying follows, without a reload."""
    site.router.ip("route replace 192.0.2.0/24 via 198.51.100.3 table 9000")
    wait_for(lambda: vrf_row(site, "green")["state"] == "degraded", "the loss of the next hop to be seen", 30)
    assert SERVER in vrf_row(site, "green")["reason"]
    run("ip", "-n", site.core.ns, "addr", "add", "198.51.100.3/24", "dev", "eth0")
    wait_for(lambda: vrf_row(site, "green")["state"] == "serving", "the new next hop", 60)
    client = site.clients["untagged"]
    seen = len(client.events())
    client.renew()
    client.wait_event({"renew"}, seen, 30)


def vrf_row(site, name):
    return next(v for v in site.appliance.api("/v1/vrfs") if v["name"] == name)


def test_the_law_of_counting_holds(site):
    wait_for(site.appliance.law_holds, "rx + copies = tx + drops")
