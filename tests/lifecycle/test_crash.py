"""Each process is killed with SIGKILL while clients are served at a rate: who notices, and for how long."""

import json
import math
import os
import pathlib
import re
import signal
import time
import types

import pytest

from xkl.appliance import SOURCE, Appliance
from xkl.lab import run, wait_for
from xkl.load import TAP, Load, assert_nothing_lost, wire
from xkl.sniff import ACK, OFFER, Sniffer
from xkl.topology import appliance_section, attachment, vrf

VRFS = ("red", "blue")
RATE = 300  # DISCOVERs a second of a load, as long as nobody answers
BURST = 32  # packets that a loop of the dataplane has in its hands at most
WIDE = """
  [[vrf.subnet]]
  prefix = "10.0.0.0/16"
  pools = ["10.0.16.0-10.0.240.255"]
  gateway = "10.0.0.1"
"""


@pytest.fixture(scope="module")
def site(lab):
    """red and blue, a Kea each, each with a generator on a port of its own."""
    router = lab.netns("r")
    far = {name: wire(lab, router, name, tapped=True) for name in VRFS}
    config = appliance_section(lab, lab.tag) + "".join(vrf(n, WIDE, attachment(f"xkl-{n}0")) for n in VRFS)
    appliance = Appliance(lab, router, config).start()
    return types.SimpleNamespace(lab=lab, router=router, far=far, appliance=appliance, config=config)


def load(site, name, **settings):
    return Load(site.appliance, name, site.far[name], **settings)


def keas(site):
    return {row["vrf"]: row for row in site.appliance.ctl("kea", "status")}


def on_the_machine(site):
    """What a new xdp-kead has to find and keep: by what the kernel calls it."""
    bpf = pathlib.Path(site.appliance.settings()["bpf_dir"])
    netns = {v["name"]: site.appliance.ctl("vrf", "show", v["name"])["vrf"]["netns"] for v in site.appliance.ctl("vrf", "list")}
    links = json.loads(run("ip", "-n", site.router, "-j", "link", "show").stdout)
    return {"keas": {name: row["pid"] for name, row in keas(site).items()},
            "namespaces": {n: os.stat(f"/run/netns/{ns}").st_ino for n, ns in netns.items()},
            "links": {(link["ifindex"], link["ifname"], link["address"]) for link in links},
            "maps": {p.name: json.loads(run("bpftool", "-j", "map", "show", "pinned", p).stdout)["id"]
                     for p in bpf.glob("xk_*")},
            "attached": {p.name: json.loads(run("bpftool", "-j", "link", "show", "pinned", p).stdout)["id"]
                         for p in (bpf / "links").iterdir()},
            "dataplane": site.appliance.ctl("status")["dataplane_pid"]}


def test_kead_killed(site, say):
    """Nobody notices: not while it is dead, nor when the next one takes everything over."""
    before = on_the_machine(site)
    assert len(before["maps"]) == 4 and len(before["attached"]) == 4, before
    loads = [load(site, name) for name in VRFS]
    with Sniffer(site.far["red"], TAP) as sniffer:
        site.appliance.kead.kill()
        site.appliance.kead.popen.wait(5)
        seen = sniffer.count(OFFER, ACK)
        wait_for(lambda: sniffer.count(OFFER, ACK) > seen + 600, "clients to be served without xdp-kead")
        site.appliance.start_kead()
        site.appliance.wait_serving()
    for each in loads:
        each.wait_flowing()
    say("; ".join(f"{each.vrf}: {assert_nothing_lost(each.stop())}" for each in loads))
    assert on_the_machine(site) == before
    assert all(row["restarts"] == 0 for row in keas(site).values())
    assert site.appliance.law_holds()


def kea_sent(site):
    """Packets that the Keas have sent since they were started."""
    total = 0
    for name in VRFS:
        answer = site.appliance.ctl("kea", "command", name, json.dumps(
            {"command": "statistic-get", "arguments": {"name": "pkt4-sent"}}))
        total += answer["arguments"]["pkt4-sent"][0][0]
    return total


def restart_delay_s():
    """How long systemd waits before it starts a dataplane that has ended, as its unit says."""
    unit = (SOURCE / "conf" / "systemd" / "xdp-kea-dataplane.service").read_text()
    return int(re.search(r"^RestartSec=(\d+)ms$", unit, re.M).group(1)) / 1000


def test_dataplane_killed(site, say):
    """Service is back within a second, with the time that its unit waits before the restart, which is done here;
    until then DHCP passes to the kernel, and every packet is accounted for."""
    xdp, total, sent = site.appliance.counters()["xdp"], site.appliance.counters(), kea_sent(site)
    loads = [load(site, name, grace_s=1) for name in VRFS]
    with Sniffer(site.far["red"], TAP) as red, Sniffer(site.far["blue"], TAP) as blue:
        for each in loads:  # what is under way when the dataplane is killed was seen to begin
            each.wait_flowing()
        passed = site.appliance.counters()["xdp"]["pass_no_socket"]
        killed = time.time()
        site.appliance.kill_dataplane()
        ended = time.time()
        wait_for(lambda: site.appliance.counters()["xdp"]["pass_no_socket"] >= passed + 20, "DHCP to pass to the kernel",
                 interval=0.005)
        started = time.time()
        site.appliance.start_dataplane()
        site.appliance.wait_serving()
        for each in loads:
            each.wait_flowing()
    figures = [each.stop() for each in loads]
    back = {}
    for name, sniffer in (("red", red), ("blue", blue)):
        back[name] = min(p.time_s for p in sniffer.packets if p.type in (OFFER, ACK) and p.time_s > started) - started
        assert not [p for p in sniffer.packets if p.type in (OFFER, ACK) and ended < p.time_s < started]
    since_kill = max(back.values()) + started - killed
    say(f"served again {', '.join(f'{name} {s * 1000:.0f} ms' for name, s in back.items())} after the restart, "
        f"{since_kill * 1000:.0f} ms after the kill; its unit waits {restart_delay_s() * 1000:.0f} ms more")
    assert since_kill + restart_delay_s() < 1.0

    after = site.appliance.counters()
    xdp = {name: count - xdp[name] for name, count in after["xdp"].items()}
    sent = kea_sent(site) - sent + sum(f.discovers + f.offers for f in figures)
    redirected = sum(count for name, count in xdp.items() if name.startswith("redirect_"))
    dead = redirected - (after["rx"] - total["rx"])
    # It may have waited for its CPU when it was killed: what came since it sent its last packet was in its sockets.
    packets = [p for sniffer in (red, blue) for p in sniffer.packets if p.time_s <= ended]
    last = max((p.time_s for p in packets if p.type in (OFFER, ACK)), default=killed)
    # How many requests came meanwhile is what the generators send in that time.
    dying = math.ceil((ended - min(last, killed)) * RATE * len(VRFS))
    drops = {name: count - total["drops"].get(name, 0) for name, count in after["drops"].items()}
    say(f"of {sent} packets sent {redirected} to the dataplane, {xdp['pass_no_socket']} to the kernel; {dead} were in "
        f"the sockets of the one that died; drops: {drops}")
    assert sent == redirected + xdp["pass_no_socket"], xdp
    assert 0 <= dead <= BURST + 2 * dying, "more than came in before its sockets were closed"
    assert site.appliance.law_holds() and set(drops) <= {"port_overrun", "unmapped", "dataplane_ended"}
    figures = load(site, "red")
    figures.wait_flowing()
    assert_nothing_lost(figures.stop())


def test_kea_killed(site, say):
    """Its VRF is served again by the next one; the other VRF does not notice."""
    before = keas(site)
    other, own = load(site, "blue"), load(site, "red", grace_s=1)
    os.kill(before["red"]["pid"], 9)
    wait_for(lambda: keas(site)["red"]["restarts"] == before["red"]["restarts"] + 1, "the restart to be counted")
    site.appliance.wait_serving()
    own.wait_flowing(1000)
    other.wait_flowing()
    say(f"blue: {assert_nothing_lost(other.stop())}")
    figures = own.stop()
    say(f"red: {figures.discovers - figures.acks} of {figures.discovers} conversations were cut off")
    assert figures.acks > 0 and figures.discovers > figures.acks
    after = keas(site)
    assert after["red"]["pid"] != before["red"]["pid"] and after["blue"] == {**after["blue"], "pid": before["blue"]["pid"],
                                                                            "restarts": 0}
    assert site.appliance.law_holds()


def lost_by_sockets(pid):
    """Datagrams that the server sockets of a Kea have had no space for, as its kernel tells."""
    with open(f"/proc/{pid}/net/udp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return sum(int(row[-1]) for row in rows if int(row[1].split(":")[1], 16) == 67)


def test_kea_hangs(site, say):
    """It is replaced, what its sockets lost meanwhile is known, and the other VRF does not notice."""
    before, since = keas(site), site.appliance.ctl("events")["last"]
    other = load(site, "blue")
    pid = before["red"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    stopped = time.time()
    own = load(site, "red", rate=2000, grace_s=1)
    wait_for(lambda: lost_by_sockets(pid) > 100, "the sockets to overflow")
    figures = own.stop()
    lost = lost_by_sockets(pid)
    assert lost <= figures.requests and figures.dropped == {}
    wait_for(lambda: keas(site)["red"]["state"] == "silent", "its silence to be seen", 40)
    wait_for(lambda: keas(site)["red"]["restarts"] == before["red"]["restarts"] + 1, "it to be replaced", 40)
    say(f"replaced {time.time() - stopped:.0f} s after it stopped; its sockets lost {lost} of {figures.requests} requests")
    site.appliance.wait_serving()
    after = keas(site)
    assert after["red"]["pid"] != pid and after["red"]["socket_drops"] - before["red"]["socket_drops"] == lost
    assert f"pid {pid}, left its control socket without answer" in after["red"]["last_error"]
    kinds = [e["kind"] for e in site.appliance.ctl("events", "--since", since, "--vrf", "red")["events"]]
    assert [k for k in kinds if k.startswith("kea_")] == ["kea_silent", "kea_lost", "kea_died", "kea_started"], kinds
    own = load(site, "red")
    own.wait_flowing()
    assert_nothing_lost(own.stop())
    say(f"blue: {assert_nothing_lost(other.stop())}")
    assert after["blue"]["pid"] == before["blue"]["pid"]


LOOP = """#!/bin/sh
# Kea, until there is a file named broken: then it starts no more.
if [ "$1" = -c ] && [ -e {directory}/broken ]; then
  date +%s.%N >>{directory}/starts
  echo "the disk is on fire" >&2
  exit 1
fi
exec /usr/sbin/kea-dhcp4 "$@"
"""


def test_kea_in_a_crash_loop(site, say):
    """It is tried again at growing distances, what it said last is shown, and nobody else notices."""
    directory = site.lab.directory / "loop"
    directory.mkdir()
    (directory / "kea").write_text(LOOP.format(directory=directory))
    (directory / "kea").chmod(0o755)
    starts = directory / "starts"
    starts.touch()
    starts.chmod(0o666)
    head, red, blue = site.config.split("[[vrf]]")
    site.appliance.reload("[[vrf]]".join([head, red + f'  [vrf.kea]\n  binary = "{directory}/kea"\n', blue]))
    site.appliance.wait_serving()
    other = load(site, "blue")
    (directory / "broken").touch()
    os.kill(keas(site)["red"]["pid"], 9)
    wait_for(lambda: len(starts.read_text().splitlines()) >= 4, "four starts", 60)
    row = keas(site)["red"]
    assert row["state"] in ("backoff", "starting") and "the disk is on fire" in row["last_error"], row
    shown = next(v for v in site.appliance.ctl("vrf", "list") if v["name"] == "red")
    assert shown["state"] == "degraded" and "the disk is on fire" in shown["reason"], shown
    assert "the disk is on fire" in str(site.appliance.ctl("events", "--vrf", "red"))
    times = [float(line) for line in starts.read_text().splitlines()]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert all(gap >= 0.95 * 0.2 * 2 ** i for i, gap in enumerate(gaps[:3])), gaps
    say(f"blue: {assert_nothing_lost(other.stop())}; red was started after {', '.join(f'{g * 1000:.0f}' for g in gaps)} ms")
    (directory / "broken").unlink()
    site.appliance.wait_serving()
    site.appliance.reload(site.config)
