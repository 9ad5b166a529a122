"""The lab's standard wiring: a router with one untagged port and one VLAN trunk, clients behind both.

    client(s) -- bridge ---------- xkl-red0  |
    client(s) -- lab-switch (VLANs) xkl-trunk | router namespace: the appliance
    servers   -- uplink ---------- xkl-up0    |
"""

import pathlib

from .appliance import Appliance
from .clients import Client
from .lab import run, wait_for

KINDS = ("udhcpc", "dhclient", "dhcpcd")
# segment -> (VRF, lab-switch VLANs; None: untagged)
SEGMENTS = {"untagged": ("red", None), "qinq": ("red", "200@88a8.300"), "vlan": ("blue", "100")}


class Router:
    """The router namespace and the switch namespace behind it; client namespaces are added to them."""

    def __init__(self, lab):
        self.lab = lab
        self.ns = lab.netns("r")
        self.switch = lab.netns("s")
        lab.veth(self.switch, "red0", self.ns, "xkl-red0", "02:00:00:00:0a:01")
        lab.veth(self.switch, "trunk", self.ns, "xkl-trunk", "02:00:00:00:0a:02")
        run("ip", "netns", "exec", self.switch, "ethtool", "-K", "trunk", "txvlan", "off", check=False)
        self.count = 0
        self.access, self.bridged = [], []
        self.tagger = None

    def add_client(self, segment, kind, label=None):
        """A client namespace on a segment; connect() makes the wiring live."""
        self.count += 1
        number = self.count
        ns = self.lab.netns(f"c{number}")
        mac = f"02:00:00:00:01:{number:02x}"
        self.lab.veth(self.switch, f"c{number}", ns, "eth0", mac)
        vlans = SEGMENTS[segment][1]
        if vlans is None:
            self.bridged.append(f"c{number}")
        else:
            self.access.append(f"c{number}:{vlans}")
        client = Client(self.lab, kind, ns, "eth0", mac, label or f"{kind}-{segment}")
        client.segment, client.vrf = segment, SEGMENTS[segment][0]
        return client

    def connect(self):
        """Bridges the untagged clients and starts the VLAN switch for the others."""
        self.lab.bridge(self.switch, "br0", ["red0", *self.bridged])
        if not self.access:
            return
        argv = [Appliance.binary("lab-switch"), "--trunk", "trunk"]
        for port in self.access:
            argv += ["--access", port]
        self.tagger = self.lab.spawn(self.switch, "lab-switch", argv)
        wait_for(lambda: "ready" in self.tagger.output() or not self.tagger.alive(), "lab-switch")


def demo_config(lab):
    """conf/demo.toml as the demo uses it."""
    return (pathlib.Path(__file__).resolve().parents[3] / "conf" / "demo.toml").read_text()
