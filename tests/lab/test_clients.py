"""All three real clients on an untagged, a VLAN and a QinQ attachment, through all their states."""

import json
import types

import pytest

from xkl.appliance import Appliance
from xkl.clients import BOUND, RENEWED
from xkl.lab import in_netns, run, wait_for
from xkl.topology import KINDS, SEGMENTS, Router, two_vrfs
from xkl.wire import assert_sound, client_macs, dhcp_packets

LEASE_TIME_S = 24
ROUTER_MACS = ("02:00:00:00:0a:01", "02:00:00:00:0a:02")
ALL = [(segment, kind) for segment in SEGMENTS for kind in KINDS]


@pytest.fixture(scope="module")
def site(lab):
    """The appliance with nine bound clients, and captures of every wire."""
    router = Router(lab)
    clients = {(s, k): router.add_client(s, k) for s, k in ALL}
    router.connect()
    config = two_vrfs(lab, lab.tag, lease_time_s=LEASE_TIME_S)
    appliance = Appliance(lab, router.ns, config).start()
    keas = {v["vrf"]: v["netns"] for v in appliance.ctl("kea", "status")}
    captures = {"trunk": lab.capture(router.switch, "trunk", "trunk"),
                "red0": lab.capture(router.switch, "red0", "red0"),
                **{vrf: lab.capture(netns, "any", f"kea-{vrf}") for vrf, netns in keas.items()}}
    for client in clients.values():
        client.start()
    for client in clients.values():
        client.wait_bound(40)
    return types.SimpleNamespace(lab=lab, router=router, clients=clients, appliance=appliance, config=config,
                                 captures=captures)


def leases(site, vrf):
    """The active leases of a VRF by MAC."""
    return {row["mac"]: row for row in site.appliance.ctl("lease", "list", "--vrf", vrf) if row["state"] == "active"}


def packets(site, client, where):
    """DHCP packets of one client on its own wire."""
    wire = "red0" if client.segment == "untagged" else "trunk"
    return dhcp_packets(site.captures[wire], f"dhcp.hw.mac_addr == {client.mac} && {where}")


@pytest.mark.parametrize("segment,kind", ALL)
def test_dora(site, segment, kind):
    client = site.clients[segment, kind]
    lease = client.wait_bound()
    assert lease["server"] == "10.0.0.1" and lease["gateway"] == "10.0.0.1"
    assert lease["lease_time"] == str(LEASE_TIME_S)
    row = leases(site, client.vrf)[client.mac]
    assert row["address"] == lease["address"] and row["state"] == "active"
    assert [p["type"] for p in packets(site, client, "dhcp.option.dhcp == 5")], "no ACK on the wire"


def test_same_addresses_in_both_vrfs_never_meet(site):
    red = {r["address"] for r in leases(site, "red").values()}
    blue = {r["address"] for r in leases(site, "blue").values()}
    assert red & blue, f"the VRFs should have given out the same addresses: {red} {blue}"
    macs = {vrf: {c.mac for c in site.clients.values() if c.vrf == vrf} for vrf in ("red", "blue")}
    for vrf in ("red", "blue"):
        assert client_macs(site.captures[vrf]) == macs[vrf], f"{vrf}'s Kea saw others' clients"
    for c in site.clients.values():
        others = {o.mac for o in site.clients.values() if o is not c}
        pushed = packets(site, c, "dhcp.type == 2 && !(eth.dst == ff:ff:ff:ff:ff:ff)")
        assert all(p["eth.dst"] not in others for p in pushed)


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


def rebinds(site, client):
    return packets(site, client,
                   "dhcp.option.dhcp == 3 && ip.dst == 255.255.255.255 && !(dhcp.ip.client == 0.0.0.0)")


@pytest.mark.parametrize("segment", SEGMENTS)
def test_nak_after_a_subnet_change(site, segment):
    """The VRF moves to another subnet: a client that comes back with its old address is refused (RFC 2131
    4.3.2) and gets a new one. udhcpc never asks for an old address; Kea leaves its renewal unanswered, and
    it starts anew when its lease is over."""
    clients = [site.clients[segment, kind] for kind in KINDS]
    site.appliance.reload(moved(site.config, clients[0].vrf, "10.0.7.0/24"))
    try:
        move(site, clients, "10.0.7.")
    finally:
        site.appliance.reload(site.config)
    move(site, clients, "10.0.0.")


def move(site, clients, net):
    """Every client ends up in the net. dhclient and dhcpcd come back with their old address (one whose lease is
    over just then does not), and whoever asks for it is refused."""
    before = {c: (refusals(site, c), old_address_asked(site, c)) for c in clients}
    for client in clients:
        if client.kind == "udhcpc":
            client.renew()
        else:
            client.stop()
            client.start()
    refused = 0
    for client in clients:
        wait_for(lambda c=client: c.lease()["address"].startswith(net), f"{client.name} to move to {net}",
                 2 * LEASE_TIME_S + 10)
        if client.kind != "udhcpc" and old_address_asked(site, client) > before[client][1]:
            seen = [(p["type"], p["ip.src"], p["ip.dst"]) for p in packets(site, client, "dhcp")]
            assert refusals(site, client) > before[client][0], f"{client.name} was not refused: {seen[-12:]}"
            refused += 1
    assert refused > 0, "nobody asked for an address of the old subnet"


def refusals(site, client):
    return len(packets(site, client, "dhcp.option.dhcp == 6"))


def old_address_asked(site, client):
    """How often it has asked as after a reboot: a requested address, no server (RFC 2131 4.3.2)."""
    return len(packets(site, client, "dhcp.option.dhcp == 3 && dhcp.option.requested_ip_address && "
                                     "!dhcp.option.dhcp_server_id"))


@pytest.mark.parametrize("segment", SEGMENTS)
def test_nak_of_a_renewal(site, segment):
    """The address was given to somebody else: the renewal is refused, the client gets another one."""
    client = site.clients[segment, "udhcpc"]
    address = client.lease()["address"]
    other = {"command": "lease4-update", "arguments": {"ip-address": address, "hw-address": "02:00:00:00:ff:01",
                                                       "client-id": "01:02:00:00:00:ff:01"}}
    site.appliance.ctl("kea", "command", client.vrf, json.dumps(other))
    client.renew()
    wait_for(lambda: client.lease()["address"] != address, f"{client.name} to get another address", 2 * LEASE_TIME_S)
    refused = packets(site, client, "dhcp.option.dhcp == 6")
    assert refused and refused[-1]["ip.dst"] == "255.255.255.255"


def moved(config, vrf, prefix):
    """The configuration with one VRF's subnet replaced."""
    head, *vrfs = config.split("\n[[vrf]]\n")
    base = prefix.rsplit(".", 1)[0] + "."
    vrfs = [v.replace("10.0.0.", base) if f'name = "{vrf}"' in v else v for v in vrfs]
    return "\n[[vrf]]\n".join([head, *vrfs])


@pytest.mark.parametrize("segment,kind", ALL)
def test_release(site, segment, kind):
    client = site.clients[segment, kind]
    assert client.mac in leases(site, client.vrf)
    client.release()
    wait_for(lambda: client.mac not in leases(site, client.vrf), f"{client.name}'s lease to go")
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
    assert client.mac not in leases(site, client.vrf)
    client.stop()


def test_every_packet_we_sent_is_sound(site):
    sent = assert_sound(site.captures["trunk"], ROUTER_MACS) + assert_sound(site.captures["red0"], ROUTER_MACS)
    assert sent > 50
    for vrf in ("red", "blue"):
        requests = dhcp_packets(site.captures[vrf], "dhcp.type == 1")
        assert requests and all(p["dhcp.ip.relay"].startswith("169.254.") for p in requests)
        bad = run("tshark", "-r", site.captures[vrf], "-o", "udp.check_checksum:TRUE", "-Y",
                  "dhcp.type == 1 && (_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0)",
                  check=False).stdout
        assert not bad, bad


def test_the_law_of_counting_holds(site):
    wait_for(site.appliance.law_holds, "rx + copies = tx + drops")
    total = site.appliance.counters()
    assert total["rx"] > 0 and total["replies"] > 0
    unexpected = {n: c for n, c in total["drops"].items() if n not in ("arp_not_ours",)}
    assert not unexpected, unexpected


def test_dataplane_holds_no_privilege(site):
    pid = site.appliance.ctl("status")["dataplane_pid"]
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
    for capability_set in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[capability_set], 16) == 0, f"{capability_set} {status[capability_set]}"
    user = run("id", "-u", "xdp-kea").stdout.strip()
    assert status["Uid"].split() == [user] * 4 and status["NoNewPrivs"] == "1"


def test_kea_runs_unprivileged_in_its_namespace(site):
    for row in site.appliance.ctl("kea", "status"):
        assert row["state"] == "running"
        uid = run("stat", "-c", "%U", f"/proc/{row['pid']}").stdout.strip()
        assert uid == "_kea"
        netns = run("ip", "netns", "identify", row["pid"]).stdout.strip()
        assert netns == row["netns"]


def test_nothing_is_left(site):
    """teardown removes namespaces, handoffs, programs and maps, and nothing else."""
    site.appliance.teardown()
    left = {line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines()}
    assert {n for n in left if n.startswith(site.lab.tag + "-")} == set(site.lab.namespaces)
    links = run(*in_netns(site.router.ns), "ip", "-o", "link").stdout
    assert "xkl-red0" in links and "xdp" not in links, links
    assert run("ls", f"/sys/fs/bpf/{site.lab.tag}", check=False).returncode != 0
