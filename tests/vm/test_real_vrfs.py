"""VRFs bound to VRF devices, on VLAN and QinQ devices of the kernel, with real clients and real Keas.

First those of the configuration, then some that are found while everything runs.
"""

import pathlib
import socket
import statistics
import time
import types

import pytest

from xkl.appliance import Appliance
from xkl.clients import Client
from xkl.kernel import SERVER, SMALL, Core, KernelRouter, attachments, mac_of, tagged
from xkl.lab import run, wait_for
from xkl.topology import appliance_section, attachment, subnet, vrf

LATENCY_ROUNDS = 5


@pytest.fixture(scope="module")
def site(lab):
    """red: Kea, on VLAN 100 and QinQ 200.300 of p1. green: relay, untagged on p2, its server in vrf-core. vrf-*: found."""
    router = KernelRouter(lab)
    p1, p2 = router.wire("p1"), router.wire("p2")
    router.vrf("dev-red", 1001)
    router.vrf("dev-green", 1002)
    router.vlan("p1", 100, "dev-red", "10.0.0.1/24")
    router.vlan("p1", 200, protocol="802.1ad")
    router.vlan("p1.200", 300, "dev-red")
    router.ip("link set p2 master dev-green", "addr add 10.0.0.1/24 dev p2")
    core = Core(router, ["10.0.0"])
    text = (appliance_section(lab, lab.tag) + SMALL
            + '[discovery]\nenabled = true\ninclude = ["vrf-*"]\npool = "100-149"\nlease_time_s = 600\n'
            + vrf("red", 'device = "dev-red"\n', subnet(), attachment("p1.100"), attachment("p1.200.300"))
            + vrf("green", 'device = "dev-green"\n', '  [[vrf.subnet]]\n  prefix = "10.0.0.0/24"\n  gateway = "10.0.0.1"\n',
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
    for words in ([], ["vrf", "dev-green"]):
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


def keas(site):
    return {row["vrf"]: row for row in site.appliance.api("/v1/kea")}


def fresh_lease(site, ns, interface, label):
    """A new client's lease there."""
    client = Client(site.lab, "udhcpc", ns, interface, mac_of(ns, interface), label).start()
    try:
        return client.wait_bound(60)
    finally:
        client.stop()
        run("ip", "-n", ns, "addr", "flush", "dev", interface)


def test_a_vrf_comes_its_interface_moves_and_it_goes(site):
    """vrf-green is made, an interface with a client in it; that moves to vrf-red; vrf-green is deleted."""
    router, lab = site.router, site.lab
    far = router.wire("p3")
    interface = tagged(lab, far, 103)
    router.ip("link add vrf-green type vrf table 1003", "link set vrf-green up")
    router.vlan("p3", 103, "vrf-green", "10.3.0.1/24")
    wait_for(lambda: attachments(site.appliance).get(("vrf-green", "p3.103", "103"), {}).get("state") == "serving",
             "vrf-green to be served", 60)
    lease = fresh_lease(site, far, interface, "udhcpc-green")
    assert lease["address"].startswith("10.3.0.") and lease["server"] == "10.3.0.1"
    green = vrf_row(site, "vrf-green")
    pid = keas(site)["vrf-green"]["pid"]
    assert pathlib.Path(f"/run/netns/{green['netns']}").exists() and green["handoff"] in router.links()

    router.ip("link add vrf-red type vrf table 1004", "link set vrf-red up", "addr flush dev p3.103",
              "link set p3.103 master vrf-red", "addr add 10.4.0.1/24 dev p3.103")
    wait_for(lambda: attachments(site.appliance).get(("vrf-red", "p3.103", "103"), {}).get("state") == "serving",
             "vrf-red to be served", 60)
    lease = fresh_lease(site, far, interface, "udhcpc-red")
    assert lease["address"].startswith("10.4.0.") and lease["server"] == "10.4.0.1"
    assert not any(key[0] == "vrf-green" for key in attachments(site.appliance))

    router.ip("link del vrf-green")
    wait_for(lambda: "vrf-green" not in [v["name"] for v in site.appliance.api("/v1/vrfs")], "vrf-green to be gone", 30)
    wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "its Kea to end", 30)
    wait_for(lambda: not pathlib.Path(f"/run/netns/{green['netns']}").exists(), "its namespace to go", 30)
    assert "vrf-green" not in keas(site) and green["handoff"] not in router.links()
    rows = site.appliance.api("/v1/attachments")
    assert not [r for r in rows if r["vrf"] == "vrf-green" or r["interface"] == green["handoff"]], rows
    assert all(r["state"] == "serving" for r in rows), rows


def started_kea(netns):
    """The pid of the Kea that serves in that namespace (not one that only tests a configuration), or None."""
    for pid in run("ip", "netns", "pids", netns, check=False).stdout.split():
        try:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"kea-dhcp4") and b"-t" not in words:
            return int(pid)
    return None


def answers(path):
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.connect(str(path))
            channel.sendall(b'{"command": "version-get"}')
            return b'"result": 0' in channel.recv(65536)
    except OSError:
        return False


def test_from_event_to_serving(site, capsys):
    """A device with an address comes into a VRF: served within 1 s and the time that Kea takes, from its start until
    it answers on its control socket."""
    router, own = site.router, []
    router.wire("pf")
    for number in range(LATENCY_ROUNDS):
        name = f"vrf-fast{number}"
        router.vrf(name, 1020 + number)
        router.ip(f"link add link pf name pf.{number + 1} type vlan id {number + 1}", f"link set pf.{number + 1} master {name}",
                  f"addr add 10.{20 + number}.0.1/24 dev pf.{number + 1}")
        wait_for(lambda v=name: vrf_row(site, v).get("id"), "its id")
        netns = f"{site.lab.tag}-{vrf_row(site, name)['id']}"
        times = {"event": time.monotonic()}
        router.ip(f"link set pf.{number + 1} up")

        def look(name=name, netns=netns, times=times, port=f"pf.{number + 1}", vid=str(number + 1)):
            if "started" not in times and started_kea(netns):
                times["started"] = time.monotonic()
            if "started" in times and "answers" not in times and answers(pathlib.Path(site.appliance.settings()["state_dir"], "kea", name, "kea-dhcp4.sock")):
                times["answers"] = time.monotonic()
            if attachments(site.appliance).get((name, port, vid), {}).get("state") == "serving":
                times["serving"] = time.monotonic()
            return "serving" in times
        wait_for(look, f"{name} to be served", 60, 0.02)
        own.append(times["serving"] - times["event"] - (times["answers"] - times["started"]))
    with capsys.disabled():
        print(f"\nfrom event to serving, without Kea's own start: median {1000 * statistics.median(own):.0f} ms, longest "
              f"{1000 * max(own):.0f} ms of {LATENCY_ROUNDS}", flush=True)
    assert statistics.median(own) < 1


def test_names_that_share_their_first_14_letters(site):
    """Two VRFs with the longest names there are, told apart by the last letter only, and one subnet."""
    router, names = site.router, ("vrf-customer-1a", "vrf-customer-1b")
    wires = {name: router.wire(f"p{name[-2:]}") for name in names}
    for number, name in enumerate(names):
        router.vrf(name, 1010 + number)
        router.ip(f"link set p{name[-2:]} master {name}", f"addr add 10.5.0.1/24 dev p{name[-2:]}")
    site.appliance.wait_serving(names, 60)
    shown = keas(site)
    assert shown[names[0]]["pid"] != shown[names[1]]["pid"] and shown[names[0]]["netns"] != shown[names[1]]["netns"]
    assert len({vrf_row(site, name)["handoff"] for name in names}) == 2
    for name, ns in wires.items():
        assert fresh_lease(site, ns, "eth0", f"udhcpc-{name}")["address"] == "10.5.0.100"
        assert [r["mac"] for r in site.appliance.ctl("lease", "list", "--vrf", name)] == [mac_of(ns, "eth0")]


def test_clients_of_the_configured_vrfs_noticed_nothing(site):
    for name in ("qinq", "untagged"):
        client = site.clients[name]
        seen = len(client.events())
        client.renew()
        client.wait_event({"renew", "RENEW"}, seen, 30)
    assert all(row["restarts"] == 0 for row in keas(site).values())


def test_the_law_of_counting_holds(site):
    wait_for(site.appliance.law_holds, "rx + copies = tx + drops")
