"""Several servers for the relay engine: two real Keas elsewhere, one of them stopped and woken again."""

import json
import signal
import types

import pytest

from xkl import foreign
from xkl.appliance import Appliance
from xkl.clients import Client
from xkl.lab import run, wait_for
from xkl.topology import appliance_section, attachment, vrf

SERVERS = {"192.0.2.2": "10.40.0.100-10.40.0.149", "192.0.2.3": "10.40.0.150-10.40.0.199"}
FIRST, SECOND = SERVERS
SUBNET = '  [[vrf.subnet]]\n  prefix = "10.40.0.0/24"\n  gateway = "10.40.0.1"\n'


def config(lab, mode):
    """green: clients on xkl-c0, relayed to both servers."""
    return (appliance_section(lab, lab.tag) + vrf("green", SUBNET, attachment("xkl-c0"), engine="relay")
            + f'  [vrf.relay]\n  servers = {json.dumps(list(SERVERS))}\n  server_mode = "{mode}"\n'
            + '  dead_after_s = 2\n  probe_interval_s = 1\n')


@pytest.fixture(scope="module")
def site(lab):
    router = lab.netns("r")
    switch = lab.netns("s")
    lab.veth(router, "xkl-c0", switch, "far", "02:00:00:00:06:00")
    lab.bridge(switch, "br0", ["far"])
    wan = lab.netns("w")
    lab.veth(router, "xkl-w0", wan, "far")
    lab.bridge(wan, "br0", ["far"])
    run("ip", "-n", router, "addr", "add", "192.0.2.1/24", "dev", "xkl-w0")
    servers = {}
    for number, (address, pool) in enumerate(SERVERS.items(), 1):
        ns = lab.netns(f"k{number}")
        lab.veth(wan, f"k{number}", ns, "eth0", f"02:00:00:00:07:{number:02x}")
        run("ip", "-n", wan, "link", "set", f"k{number}", "master", "br0")
        run("ip", "-n", ns, "addr", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", ns, "route", "add", "default", "via", "192.0.2.1")
        servers[address] = foreign.kea(lab, ns, "eth0", f"kea-{number}", {"subnet4": [{
            "id": 1, "subnet": "10.40.0.0/24", "pools": [{"pool": pool}],
            "option-data": [{"name": "routers", "data": "10.40.0.1"}]}]})
    appliance = Appliance(lab, router, config(lab, "failover")).start()
    made = types.SimpleNamespace(lab=lab, switch=switch, servers=servers, appliance=appliance, clients=0)
    yield made
    for server in servers.values():
        server.kill(signal.SIGCONT)


def client(site):
    """A client that has never been here, with its lease, and which server gave it."""
    site.clients += 1
    number = site.clients
    ns = site.lab.netns(f"c{number}")
    mac = f"02:00:00:00:08:{number:02x}"
    site.lab.veth(site.switch, f"c{number}", ns, "eth0", mac)
    run("ip", "-n", site.switch, "link", "set", f"c{number}", "master", "br0")
    made = Client(site.lab, "udhcpc", ns, "eth0", mac, f"udhcpc-{number}").start()
    address = made.wait_bound(40)["address"]
    server = FIRST if int(address.rsplit(".", 1)[1]) < 150 else SECOND
    return made, server


def states(site):
    return {s["address"]: s for s in site.appliance.ctl("vrf", "show", "green")["servers"]}


def events(site, address):
    """What was told of a server, oldest first."""
    return [e["kind"] for e in site.appliance.ctl("events")["events"]
            if e["vrf"] == "green" and e["kind"].startswith("server_") and f"server {address} " in e["text"]]


def wait_state(site, address, state):
    return wait_for(lambda: (row := states(site)[address])["state"] == state and row, f"{address} to be {state}", 30)


def wait_vrf(site, state):
    return wait_for(lambda: (row := site.appliance.ctl("vrf", "show", "green")["vrf"])["state"] == state and row,
                    f"green to be {state}", 10)


def test_failover_to_the_second_and_back(site):
    first, server = client(site)
    assert server == FIRST
    wait_state(site, FIRST, "live")
    site.servers[FIRST].kill(signal.SIGSTOP)
    moved, server = client(site)  # one that is on its way while the first server dies
    assert server == SECOND
    dead = wait_state(site, FIRST, "dead")
    assert dead["deaths"] == 1 and dead["requests"] > dead["replies"] > 0 and dead["since_unix_s"] > 0
    row = wait_vrf(site, "degraded")
    assert FIRST in row["reason"]
    wait_for(lambda: events(site, FIRST) == ["server_dead"], "its death to be told")
    third, server = client(site)
    assert server == SECOND

    # A reload forgets nothing: the next client does not wait for the dead one again.
    before = states(site)[FIRST]["deaths"]
    site.appliance.reload(site.appliance.text + "  hops_max = 9\n")
    assert states(site)[FIRST]["state"] == "dead" and states(site)[FIRST]["deaths"] == before

    site.servers[FIRST].kill(signal.SIGCONT)
    fourth, _ = client(site)  # its DISCOVER is the probe, if what waited in the socket was not answer enough
    wait_state(site, FIRST, "live")
    wait_for(lambda: events(site, FIRST) == ["server_dead", "server_live"], "its return to be told")
    wait_vrf(site, "serving")
    fifth, server = client(site)
    assert server == FIRST
    assert FIRST in site.appliance.ctl("vrf", "show", "green", form="text")
    wait_for(site.appliance.law_holds, "rx + copies = tx + drops")
    for each in (first, moved, third, fourth, fifth):
        each.stop()


def test_both_dead_both_asked(site):
    for server in site.servers.values():
        server.kill(signal.SIGSTOP)
    try:
        site.clients += 1
        ns = site.lab.netns(f"c{site.clients}")
        mac = f"02:00:00:00:08:{site.clients:02x}"
        site.lab.veth(site.switch, f"c{site.clients}", ns, "eth0", mac)
        run("ip", "-n", site.switch, "link", "set", f"c{site.clients}", "master", "br0")
        waiting = Client(site.lab, "udhcpc", ns, "eth0", mac, f"udhcpc-{site.clients}").start()
        for address in SERVERS:
            wait_state(site, address, "dead")
    finally:
        site.servers[SECOND].kill(signal.SIGCONT)
    waiting.wait_bound(40)
    wait_state(site, SECOND, "live")
    site.servers[FIRST].kill(signal.SIGCONT)
    waiting.stop()
    revived, _ = client(site)
    wait_state(site, FIRST, "live")
    revived.stop()


def test_hash_keeps_clients_apart(site):
    site.appliance.reload(config(site.lab, "hash"))
    pairs = [client(site) for _ in range(8)]
    assert {server for _, server in pairs} == set(SERVERS), "eight clients, and all at one server"
    for made, server in pairs:  # who comes back meets the same server
        before, seen = made.lease()["address"], len(made.events())
        made.stop()
        made.start()
        assert made.wait_event({"bound"}, seen, 20)["address"] == before, server
    for made, _ in pairs:
        made.stop()
    wait_for(site.appliance.law_holds, "rx + copies = tx + drops")
