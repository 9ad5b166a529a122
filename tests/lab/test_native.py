"""All three real clients on an untagged, a VLAN and a QinQ attachment of VRFs of the native engine, through all
their states; the dataplane is killed while they have leases."""

import json
import types

import pytest

from test_clients import (ALL, LEASE_TIME_S, ROUTER_MACS, leases, move, moved, old_address_asked, packets, rebinds,
                          refusals)
from xkl.appliance import Appliance
from xkl.clients import BOUND, RENEWED
from xkl.lab import in_netns, run, wait_for
from xkl.topology import KINDS, SEGMENTS, Router, appliance_section, attachment, two_vrfs, vrf
from xkl.wire import assert_sound


@pytest.fixture(scope="module")
def site(lab):
    """The appliance with nine bound clients, and captures of both wires."""
    router = Router(lab)
    clients = {(s, k): router.add_client(s, k) for s, k in ALL}
    router.connect()
    config = two_vrfs(lab, lab.tag, lease_time_s=LEASE_TIME_S).replace('engine = "kea"', 'engine = "native"')
    appliance = Appliance(lab, router.ns, config).start()
    captures = {"trunk": lab.capture(router.switch, "trunk", "trunk"), "red0": lab.capture(router.switch, "red0", "red0")}
    for client in clients.values():
        client.start()
    for client in clients.values():
        client.wait_bound(40)
    return types.SimpleNamespace(lab=lab, router=router, clients=clients, appliance=appliance, config=config,
                                 captures=captures)


def row_of(site, client):
    """Its lease in the store, once the mirror has it."""
    return wait_for(lambda: leases(site, client.vrf).get(client.mac), f"{client.name}'s lease in the store", 5)


def addresses(site, client):
    """Of the client's active leases: those of a subnet it came from are there until they are over."""
    return {row["address"] for row in site.appliance.leases(client.vrf)
            if row["mac"] == client.mac and row["state"] == "active"}


@pytest.mark.parametrize("segment,kind", ALL)
def test_dora(site, segment, kind):
    client = site.clients[segment, kind]
    lease = client.wait_bound()
    assert lease["server"] == "10.0.0.1" and lease["gateway"] == "10.0.0.1"
    assert lease["lease_time"] == str(LEASE_TIME_S)
    row = row_of(site, client)
    assert row["address"] == lease["address"] and row["state"] == "active"
    assert packets(site, client, "dhcp.option.dhcp == 5"), "no ACK on the wire"


def test_no_kea_runs(site):
    assert site.appliance.ctl("kea", "status") == []


def test_same_addresses_in_both_vrfs_never_meet(site):
    red = {r["address"] for r in leases(site, "red").values()}
    blue = {r["address"] for r in leases(site, "blue").values()}
    assert red & blue, f"the VRFs should have given out the same addresses: {red} {blue}"
    for client in site.clients.values():
        others = {o.mac for o in site.clients.values() if o is not client}
        pushed = packets(site, client, "dhcp.type == 2 && !(eth.dst == ff:ff:ff:ff:ff:ff)")
        assert pushed and all(p["eth.dst"] not in others for p in pushed)


@pytest.mark.parametrize("segment,kind", ALL)
def test_renewal_is_unicast_and_answered(site, segment, kind):
    client = site.clients[segment, kind]
    seen = len(client.events())
    address = client.lease()["address"]
    if kind != "dhclient":
        client.renew()
    renewed = client.wait_event(RENEWED, seen, LEASE_TIME_S + 5)
    assert renewed["address"] == address

    def unicast():
        return packets(site, client, f"dhcp.option.dhcp == 3 && ip.dst == 10.0.0.1 && ip.src == {address}")
    assert wait_for(unicast, f"{client.name}'s unicast renewal on the wire", 5)


def test_rebinding(site):
    """The server identifier is out of reach: all clients broadcast after T2 and keep their addresses."""
    clients = list(site.clients.values())
    before = {c: (len(c.events()), c.lease()["address"], len(rebinds(site, c))) for c in clients}
    for client in clients:  # the switch drops what a client sends to its own address
        run("ip", "-n", client.ns, "neigh", "replace", "10.0.0.1", "lladdr", client.mac, "nud", "permanent", "dev", "eth0")
    try:
        for client in clients:
            wait_for(lambda c=client: len(rebinds(site, c)) > before[c][2], f"{client.name} to rebind", LEASE_TIME_S + 10,
                     interval=0.5)
            client.wait_event(RENEWED, before[client][0], 10)
            assert client.lease()["address"] == before[client][1]
    finally:
        for client in clients:
            run("ip", "-n", client.ns, "neigh", "del", "10.0.0.1", "dev", "eth0")


def test_dataplane_killed(site):
    """SIGKILL: the next one knows the leases from its journal, every client keeps its address, and nobody else gets
    one of them."""
    before = {c: (len(c.events()), c.lease()["address"]) for c in site.clients.values()}
    site.appliance.kill_dataplane()
    site.appliance.start_dataplane()
    site.appliance.wait_serving()
    for client, (seen, address) in before.items():
        if client.kind != "dhclient":
            client.renew()
        assert client.wait_event(RENEWED, seen, LEASE_TIME_S + 5)["address"] == address, client.name


@pytest.mark.parametrize("kind", ["dhclient", "dhcpcd"])
@pytest.mark.parametrize("segment", SEGMENTS)
def test_reboot(site, segment, kind):
    """INIT-REBOOT (RFC 2131 3.2): a client that comes back asks for its address without naming a server, and has it.
    udhcpc never does."""
    client = site.clients[segment, kind]
    address, asked, naks = client.lease()["address"], old_address_asked(site, client), refusals(site, client)
    client.stop()
    seen = len(client.events())
    client.start()
    event = client.wait_event(BOUND | RENEWED, seen, LEASE_TIME_S)
    assert event["address"] == address
    wait_for(lambda: old_address_asked(site, client) > asked, f"{client.name}'s INIT-REBOOT on the wire", 5)
    assert refusals(site, client) == naks


@pytest.mark.parametrize("segment", SEGMENTS)
def test_nak_after_a_subnet_change(site, segment):
    """The VRF moves to another subnet: a client that comes back with its old address is refused (RFC 2131 4.3.2) and
    gets a new one."""
    clients = [site.clients[segment, kind] for kind in KINDS]
    site.appliance.reload(moved(site.config, clients[0].vrf, "10.0.7.0/24"))
    try:
        move(site, clients, "10.0.7.")
    finally:
        site.appliance.reload(site.config)
    move(site, clients, "10.0.0.")


@pytest.mark.parametrize("segment", SEGMENTS)
def test_nak_of_a_renewal(site, segment):
    """The operator deletes the lease: the renewal is refused, the client gets another one."""
    client = site.clients[segment, "udhcpc"]
    seen = refusals(site, client)
    address = client.lease()["address"]
    wait_for(lambda: address in addresses(site, client), f"{client.name}'s lease in the store", 5)
    site.appliance.ctl("lease", "delete", client.vrf, address, "--yes")
    wait_for(lambda: address not in addresses(site, client), f"{client.name}'s lease to go")
    events = len(client.events())
    client.renew()
    wait_for(lambda: refusals(site, client) > seen, f"{client.name} to be refused", 10)
    assert packets(site, client, "dhcp.option.dhcp == 6")[-1]["ip.dst"] == "255.255.255.255"
    client.wait_event(BOUND, events, 20)


@pytest.mark.parametrize("segment,kind", ALL)
def test_release(site, segment, kind):
    client = site.clients[segment, kind]
    if kind == "dhcpcd":  # its RELEASE is gone if it has to ask for the server's MAC first
        seen = len(client.events())
        client.renew()
        client.wait_event(RENEWED, seen)
    address = client.lease()["address"]
    assert address in addresses(site, client)
    client.release()
    wait_for(lambda: packets(site, client, "dhcp.option.dhcp == 7"), f"{client.name}'s RELEASE on the wire")
    wait_for(lambda: address not in addresses(site, client), f"{client.name}'s lease to go")
    client.stop()


@pytest.mark.parametrize("segment", SEGMENTS)
def test_inform(site, segment):
    """A host with an address of its own asks for the rest: answered to its address, no lease made."""
    client = site.clients[segment, "dhcpcd"]
    run("ip", "-n", client.ns, "addr", "flush", "dev", "eth0")
    run("ip", "-n", client.ns, "addr", "add", "10.0.0.222/24", "dev", "eth0")
    seen = len(client.events())
    client.start("--inform")
    wait_for(lambda: packets(site, client, "dhcp.option.dhcp == 8"), f"{client.name}'s INFORM on the wire")
    client.wait_event(BOUND | RENEWED, seen, 20)
    answers = packets(site, client, "dhcp.option.dhcp == 5 && ip.dst == 10.0.0.222")
    assert answers and answers[-1]["dhcp.ip.your"] in ("0.0.0.0", "")
    assert "10.0.0.222" not in addresses(site, client)
    client.stop()


@pytest.mark.parametrize("segment", SEGMENTS)
def test_decline(site, segment):
    """Another host has the address: udhcpc asks by ARP, declines it, and gets another one; the first is set aside."""
    client, other = site.clients[segment, "udhcpc"], site.clients[segment, "dhcpcd"]
    address = client.lease()["address"]  # that it gave back, and is offered again
    run("ip", "-n", other.ns, "addr", "add", f"{address}/24", "dev", "eth0")
    seen = len(client.events())
    client.start("-a")
    bound = client.wait_event(BOUND, seen, 40)
    assert bound["address"] != address
    assert packets(site, client, f"dhcp.option.dhcp == 4 && dhcp.option.requested_ip_address == {address}")
    rows = wait_for(lambda: [r for r in site.appliance.leases(client.vrf)
                             if r["address"] == address and r["state"] == "declined"], "the address to be set aside", 5)
    assert rows[0]["mac"] == client.mac
    run("ip", "-n", other.ns, "addr", "flush", "dev", "eth0")
    client.stop()


def test_every_packet_we_sent_is_sound(site):
    sent = assert_sound(site.captures["trunk"], ROUTER_MACS) + assert_sound(site.captures["red0"], ROUTER_MACS)
    assert sent > 50


def test_the_law_of_counting_holds(site):
    wait_for(site.appliance.law_holds, "rx + copies = tx + drops")
    total = site.appliance.counters()
    assert total["rx"] > 0 and total["replies"] > 0
    taken = {"arp_not_ours", "serve_released", "serve_declined", "serve_silent", "probe_heard", "dataplane_ended", "port_overrun"}
    unexpected = {n: c for n, c in total["drops"].items() if n not in taken}
    assert not unexpected, unexpected


def test_nothing_is_left(site):
    """teardown removes programs and maps, and nothing else."""
    site.appliance.teardown()
    left = {line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines()}
    assert {n for n in left if n.startswith(site.lab.tag + "-")} == set(site.lab.namespaces)
    links = run(*in_netns(site.router.ns), "ip", "-o", "link").stdout
    assert "xkl-red0" in links and "xdp" not in links, links


WIDE = """
  [[vrf.subnet]]
  prefix = "10.30.0.0/16"
  pools = ["10.30.1.0-10.30.255.0"]
  gateway = "10.30.0.1"
"""


def test_a_dpdk_port(lab):
    """The generator at a memif port: twice, for it comes and goes."""
    socket = lab.directory / "memif.sock"
    port = f'\n[[port]]\nname = "dpdk0"\ndriver = "ethdev"\ndevice = "net_memif0,role=server,socket-abstract=no,socket={socket}"\n'
    config = appliance_section(lab, lab.tag) + port + vrf("red", WIDE, attachment("dpdk0"), engine="native")
    appliance = Appliance(lab, lab.netns("dpdk"), config).start()
    for first in (0, 1000):
        done = run(Appliance.binary("xdp-kea-gen"), "dora", "--interface", f"memif:{socket}", "--rate", 2000, "--seconds", 0.5,
                   "--clients", 1000, "--first-client", first)
        figures = json.loads(done.stdout.splitlines()[-1])
        assert figures["discovers"] > 0 and figures["acks"] == figures["discovers"], figures
        assert (figures["refused"], figures["missed"], figures["strays"]) == (0, 0, 0), figures
    wait_for(appliance.law_holds, "rx + copies = tx + drops")
    assert appliance.counters("red")["drops"] == {}
    appliance.teardown()
