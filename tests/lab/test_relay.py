"""Relays below, servers elsewhere, DPDK drivers, and perfdhcp through the appliance."""

import json
import re
import types

import pytest

from xkl.appliance import Appliance
from xkl.clients import Client
from xkl.lab import in_netns, quiet, run, wait_for
from xkl.topology import Router, appliance_section, attachment, subnet, vrf
from xkl.wire import assert_sound, dhcp_packets

WIDE = """
  [[vrf.subnet]]
  prefix = "10.0.0.0/16"
  pools = ["10.0.16.0-10.0.240.255"]
  gateway = "10.0.0.1"
"""
SERVER = "192.0.2.2"
LOAD = "10.0.2.1"


@pytest.fixture(scope="module")
def site(lab):
    """red: Kea, a wide pool and a subnet for a relay further down. green: a server elsewhere. grey: DPDK."""
    router = Router(lab)
    router.connect()
    for name, number in (("grn", 1), ("gry", 2), ("up", 3)):
        ns = lab.netns(name)
        lab.veth(router.ns, f"xkl-{name}0", ns, "eth0", f"02:00:00:00:03:{number:02x}")
    up = f"{lab.tag}-up"
    run("ip", "-n", router.ns, "addr", "add", "192.0.2.1/24", "dev", "xkl-up0")
    run("ip", "-n", up, "addr", "add", f"{SERVER}/24", "dev", "eth0")
    run("ip", "-n", up, "route", "add", "default", "via", "192.0.2.1")
    config = (appliance_section(lab, lab.tag)
              + '\n[[port]]\nname = "dpdk0"\ndriver = "ethdev"\ndevice = "net_af_packet0,iface=xkl-gry0"\n'
              + vrf("red", WIDE, subnet("10.77.0.0/24"), attachment("xkl-red0", prefix="10.0.0.0/16"))
              + vrf("green", '  [[vrf.subnet]]\n  prefix = "10.20.0.0/24"\n  gateway = "10.20.0.1"\n',
                    attachment("xkl-grn0"), engine="relay")
              + f'  [vrf.relay]\n  servers = ["{SERVER}"]\n  server_id_override = true\n'
              + vrf("grey", subnet("10.30.0.0/24"), attachment("dpdk0")))
    server = lab.spawn(up, "dnsmasq", [
        "dnsmasq", "-k", "-p", "0", "-u", "root", "--log-facility=-", "--log-dhcp", "-i", "eth0",
        "--dhcp-range=10.20.0.100,10.20.0.149,255.255.255.0,600", "--dhcp-leasefile=" + str(lab.directory / "dnsmasq.leases")])
    appliance = Appliance(lab, router.ns, config).start(wait=False)
    appliance.wait_serving()
    captures = {"up": lab.capture(up, "eth0", "up"),
                "red0": lab.capture(router.switch, "red0", "red0", f"not host {LOAD}")}
    return types.SimpleNamespace(lab=lab, router=router, appliance=appliance, captures=captures, server=server)


def test_relay_engine_with_a_server_elsewhere(site):
    """giaddr is the attachment's address; the server's answer comes back; renewals are relayed too."""
    client = Client(site.lab, "udhcpc", f"{site.lab.tag}-grn", "eth0", "02:00:00:00:03:01", "udhcpc-green").start()
    lease = client.wait_bound(20)
    assert lease["address"].startswith("10.20.0.")
    relayed = dhcp_packets(site.captures["up"], "dhcp.type == 1 && ip.dst == 192.0.2.2")
    assert relayed and all(p["dhcp.ip.relay"] == "10.20.0.1" for p in relayed)
    seen = len(client.events())
    client.renew()
    client.wait_event({"renew"}, seen)
    client.release()
    wait_for(lambda: "DHCPRELEASE" in site.server.output(), "the release at the server")
    client.stop()
    up0 = json.loads(run("ip", "-n", site.router.ns, "-j", "link", "show", "xkl-up0").stdout)[0]
    assert_sound(site.captures["up"], [up0["address"]])


def test_chained_relay(site):
    """A relay further down keeps its giaddr; its replies go back to it, and its client gets a lease."""
    lab, router = site.lab, site.router
    middle, leaf = lab.netns("mid"), lab.netns("leaf")
    lab.veth(router.switch, "mid", middle, "up0", "02:00:00:00:04:01")
    run("ip", "-n", router.switch, "link", "set", "mid", "master", "br0")
    lab.veth(middle, "down0", leaf, "eth0", "02:00:00:00:04:02")
    run("ip", "-n", middle, "addr", "add", "10.0.1.7/16", "dev", "up0")
    run("ip", "-n", middle, "addr", "add", "10.77.0.1/24", "dev", "down0")
    relay = lab.spawn(middle, "dhcrelay", ["dhcrelay", "-4", "-d", "-id", "down0", "-iu", "up0", "10.0.0.1"])
    client = Client(lab, "udhcpc", leaf, "eth0", "02:00:00:00:04:02", "udhcpc-leaf").start()
    assert client.wait_bound(30)["address"].startswith("10.77.0.")
    hop = dhcp_packets(site.captures["red0"], "dhcp.type == 2 && udp.dstport == 67")
    assert hop and all(p["ip.dst"] == "10.77.0.1" for p in hop), relay.output()
    client.release()
    wait_for(lambda: client.mac not in [r["mac"] for r in site.appliance.ctl("lease", "list", "--vrf", "red")],
             "the release")
    client.stop()
    relay.stop()


def test_dpdk_driver_port(site):
    """A port that DPDK drives (net_af_packet): the same service without XDP in front."""
    client = Client(site.lab, "udhcpc", f"{site.lab.tag}-gry", "eth0", "02:00:00:00:03:02", "udhcpc-grey").start()
    assert client.wait_bound(20)["address"].startswith("10.30.0.")
    seen = len(client.events())
    client.renew()
    client.wait_event({"renew"}, seen)
    client.stop()


def test_perfdhcp_2000_a_second(site):
    """perfdhcp, 2,000 DORA/s for 10 s: nothing dropped anywhere, but by perfdhcp's own socket, if it does.

    A disk that stands still for a moment holds ACKs back, and then they come at once: the 208 KiB of perfdhcp's socket
    are full with some 270. What it did not take is counted by the kernel, and must be all that is missing.
    """
    lab, router = site.lab, site.router
    load = lab.netns("load")
    lab.veth(router.switch, "load", load, "eth0", "02:00:00:00:05:01")
    run("ip", "-n", router.switch, "link", "set", "load", "master", "br0")
    run("ip", "-n", load, "addr", "add", f"{LOAD}/16", "dev", "eth0")
    before = site.appliance.counters("red")
    with quiet():
        done = run(*in_netns(load), "perfdhcp", "-4", "-r", "2000", "-p", "10", "-W", "500000", "-R", "20000", "-l",
                   "eth0", "10.0.0.1", check=False, timeout=120)
    drops = [int(n) for n in re.findall(r"^drops: (\d+)", done.stdout, re.MULTILINE)]
    sent = [int(n) for n in re.findall(r"^sent packets: (\d+)", done.stdout, re.MULTILINE)]
    names, values = (line.split()[1:] for line in run(*in_netns(load), "cat", "/proc/net/snmp").stdout.splitlines()
                     if line.startswith("Udp:"))
    overflowed = int(dict(zip(names, values))["RcvbufErrors"])
    assert len(drops) == 2 and sum(drops) == overflowed, f"{overflowed} overflowed\n{done.stdout}{done.stderr}"
    assert min(sent) > 19_000, done.stdout
    wait_for(site.appliance.law_holds, "rx + copies = tx + drops")
    after = site.appliance.counters("red")
    assert sum(after["drops"].values()) == sum(before["drops"].values()), after["drops"]
    assert after["requests"] - before["requests"] >= sum(sent)
