"""The kernel's pktgen drives the appliance, and every packet it sent is found again under a name.

    pktgen on one interface ---- wire ---- the other: the appliance, in a namespace of its own

pktgen writes its own payload, so what it sends to port 67 is no DHCP message: the classifier has to hand it
over (or to pass it on), and the dataplane has to drop it, each packet counted under its reason. Last line:
one JSON object. Exits with 1 if a packet is missing.

Without arguments it uses the two wired virtio-net interfaces of scripts/vm-lab, where nothing it measures
is speed. On real hardware give two ports that are connected by a cable and used by nobody:
    sudo python3 bench/pktgen.py --generator enp3s0f0 --port enp3s0f1 --count 10000000
"""

import argparse
import json
import pathlib
import re
import sys
import time

from common import say
from xkl.appliance import Appliance
from xkl.kernel import SMALL
from xkl.lab import Lab, LabError, remove_leftovers, run, wait_for
from xkl.topology import appliance_section, attachment, vrf

PKTGEN = pathlib.Path("/proc/net/pktgen")
BASE = ["clone_skb 0", "delay 0", "dst_mac ff:ff:ff:ff:ff:ff", "src_mac_count 1024", "dst_min 255.255.255.255",
        "dst_max 255.255.255.255", "src_min 0.0.0.0", "src_max 0.0.0.0", "udp_src_min 68", "udp_src_max 68",
        "udp_dst_min 67", "udp_dst_max 67"]
# name -> (pktgen settings, kind of counter, the counter that gets every packet)
CASES = {
    "untagged": (["pkt_size 342"], "drops", "dhcp_op_bad"),
    "vlan 100": (["pkt_size 346", "vlan_id 100"], "drops", "dhcp_op_bad"),
    "qinq 200.300": (["pkt_size 350", "vlan_id 300", "svlan_id 200"], "drops", "dhcp_op_bad"),
    "short": (["pkt_size 120"], "drops", "dhcp_truncated"),
    "vlan without attachment": (["pkt_size 346", "vlan_id 999"], "xdp", "pass_unmapped"),
    "other port": (["pkt_size 342", "udp_dst_min 5000", "udp_dst_max 5000"], "xdp", "pass_not_dhcp"),
    "flood": (["pkt_size 342"], "drops", "dhcp_op_bad"),
}
# Where else a packet may end when nobody paces the sender.
FULL = ("port_overrun", "vrf_queue_full", "buffer_none")


class Pktgen:
    """One thread of pktgen with one device, in the namespace we are in."""

    def __init__(self, interface):
        run("modprobe", "pktgen")
        self.interface = interface
        self.device = PKTGEN / interface

    def send(self, settings, count, rate):
        """Sends count packets; returns how many, and in how many seconds. Rate 0: as fast as it can."""
        self.write(PKTGEN / "kpktgend_0", "rem_device_all", f"add_device {self.interface}")
        paced = [f"ratep {rate}"] if rate else []
        self.write(self.device, *BASE, *settings, *paced, f"count {count}")
        start = time.monotonic()
        self.write(PKTGEN / "pgctrl", "start")
        seconds = time.monotonic() - start
        report = self.device.read_text()
        found = re.search(r"pkts-sofar: (\d+)\s+errors: (\d+)", report)
        if not found or "Result: OK" not in report:
            raise LabError(f"pktgen on {self.interface}: {report}")
        return int(found[1]), seconds

    @staticmethod
    def write(path, *lines):
        for line in lines:
            try:
                path.write_text(line + "\n")
            except OSError as error:
                raise LabError(f"pktgen: '{line}' to {path}: {error.strerror}") from error


def configuration(lab, port):
    servers = ('  [vrf.relay]\n  servers = ["192.0.2.2"]\n  server_interface = "up0"\n'
               '  next_hop = "02:00:00:00:00:99"\n  source = "192.0.2.1"\n')
    subnet = '  [[vrf.subnet]]\n  prefix = "10.0.0.0/24"\n  gateway = "10.0.0.1"\n'
    text = appliance_section(lab, "xklp") + SMALL
    for name, vlan in (("red", None), ("blue", 100), ("grey", "200.300")):
        text += vrf(name, subnet, attachment(port, vlan), servers + ('  server_vrf = "red"\n' if name != "red" else ""),
                    engine="relay")
    return text


def difference(before, after):
    return {kind: {name: count - before[kind].get(name, 0) for name, count in after[kind].items()
                   if count != before[kind].get(name, 0)} for kind in ("drops", "xdp")}


def run_case(name, appliance, pktgen, count, rate):
    """Sends one case's packets and finds each of them again; returns its figures."""
    settings, kind, counter = CASES[name]
    before = appliance.counters()
    sent, seconds = pktgen.send(settings, count, rate)

    def found():
        moved = difference(before, appliance.counters())
        full = sum(moved["drops"].get(reason, 0) for reason in FULL)
        return moved, moved[kind].get(counter, 0) + (full if kind == "drops" else 0), full
    try:
        wait_for(lambda: found()[1] >= sent, "every packet to be counted", 15)
    except LabError:
        pass  # said below, with the figures
    moved, accounted, full = found()
    redirected = moved["xdp"].get("redirect_dhcp4", 0)
    wanted = sent if kind == "drops" else 0
    good = accounted == sent and redirected == wanted and (rate == 0 or full == 0) and appliance.law_holds()
    say(f"{name:24} sent {sent:8}  {counter} {accounted - full:8}  no room {full:7}  "
        f"{sent / seconds:9.0f}/s  {'ok' if good else 'WRONG: ' + json.dumps(moved)}")
    return {"sent": sent, "accounted": accounted, "full": full, "good": good, "pps": sent / seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="eth1", help="pktgen sends here (default eth1)")
    parser.add_argument("--port", default="eth0", help="the appliance serves here; in a namespace meanwhile (default eth0)")
    parser.add_argument("--count", type=int, default=2000, help="packets of each case; ten times as many of the flood")
    parser.add_argument("--rate", type=int, default=2000, help="packets/s of all cases but the flood")
    options = parser.parse_args()
    remove_leftovers("xklp")
    with Lab("p") as lab:
        router, up = lab.netns("r"), lab.netns("u")
        lab.veth(router, "up0", up, "eth0")
        run("sysctl", "-qw", f"net.ipv6.conf.{options.generator}.disable_ipv6=1", check=False)
        run("ip", "link", "set", options.port, "netns", router)
        lab.on_close(lambda: run("ip", "-n", router, "link", "set", options.port, "netns", "1", check=False))
        # The classifier wants VLANs that no VLAN device is for; virtio-net's filter cannot be switched off.
        run("ip", "-n", router, "link", "set", options.port, "up", "promisc", "on")
        run("ip", "link", "set", options.generator, "up")
        appliance = Appliance(lab, router, configuration(lab, options.port)).start()
        pktgen = Pktgen(options.generator)
        results = {name: run_case(name, appliance, pktgen, *((options.count * 10, 0) if name == "flood" else
                                                             (options.count, options.rate))) for name in CASES}
        total = appliance.counters()
        for warning in appliance.ctl("status")["warnings"]:
            say(f"warning: {warning}")
        say(f"rx {total['rx']} + copies {total['copies']} = tx {total['tx']} + drops {sum(total['drops'].values())}"
            f" {total['drops']}; the classifier: {total['xdp']}")
    good = all(result["good"] for result in results.values())
    sent = sum(result["sent"] for result in results.values())
    say(json.dumps({"sent": sent, "accounted": sum(r["accounted"] for r in results.values()),
                    "unaccounted": sent - sum(r["accounted"] for r in results.values()),
                    "no_room": sum(r["full"] for r in results.values()),
                    "cases_ok": sum(r["good"] for r in results.values()), "cases": len(results),
                    "flood_pps": round(results["flood"]["pps"])}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
