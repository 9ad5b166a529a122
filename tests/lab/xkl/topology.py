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
DEMO_SEGMENTS = {**SEGMENTS, "native": ("green", "300")}


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
        vrf_name, vlans = DEMO_SEGMENTS[segment]
        if vlans is None:
            self.bridged.append(f"c{number}")
        else:
            self.access.append(f"c{number}:{vlans}")
        client = Client(self.lab, kind, ns, "eth0", mac, label or f"{kind}-{segment}")
        client.segment, client.vrf = segment, vrf_name
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


def demo_config():
    """conf/demo.toml."""
    return (pathlib.Path(__file__).resolve().parents[3] / "conf" / "demo.toml").read_text()


def appliance_section(lab, name):
    """[appliance] with every path inside the lab's directory; name marks the kernel objects."""
    run_dir = pathlib.Path(lab.directory) / name
    run_dir.mkdir(exist_ok=True)
    run_dir.chmod(0o755)
    return f"""
[appliance]
name = "{name}"
state_dir = "{run_dir}/state"
run_dir = "{run_dir}/run"
bpf_dir = "/sys/fs/bpf/{name}"
api_socket = "{run_dir}/run/api.sock"
"""


def subnet(prefix="10.0.0.0/24", first=100, last=149, lease_time_s=600):
    """A [[vrf.subnet]] whose gateway is its .1."""
    base = prefix.rsplit(".", 1)[0]
    return f"""
  [[vrf.subnet]]
  prefix = "{prefix}"
  pools = ["{base}.{first}-{base}.{last}"]
  gateway = "{base}.1"
  dns = ["192.0.2.53"]
  domain = "lab.example"
  lease_time_s = {lease_time_s}
"""


def attachment(interface, vlan=None, prefix=None):
    """A [[vrf.attachment]]; vlan like 100 or 200.300 (outer tag 0x88a8 then)."""
    lines = [f'  [[vrf.attachment]]\n  interface = "{interface}"']
    if vlan:
        lines.append(f'  vlan = "{vlan}"')
        if "." in str(vlan):
            lines.append('  outer_tpid = "0x88a8"')
    if prefix:
        lines.append(f'  subnet = "{prefix}"')
    return "\n".join(lines) + "\n"


def vrf(name, *parts, engine="kea"):
    """A [[vrf]] of subnets and attachments."""
    return f'\n[[vrf]]\nname = "{name}"\nengine = "{engine}"\n' + "".join(parts)


def two_vrfs(lab, name, **subnet_settings):
    """red (untagged and QinQ) and blue (VLAN 100) with the same subnet."""
    one = subnet(**subnet_settings)
    return (appliance_section(lab, name)
            + vrf("red", one, attachment("xkl-red0"), attachment("xkl-trunk", "200.300"))
            + vrf("blue", one, attachment("xkl-trunk", 100)))
