"""What captures say, decoded by tshark."""

import pathlib

from .lab import LabError, run

CHECKS = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
FIELDS = ("eth.src", "eth.dst", "ip.src", "ip.dst", "dhcp.option.dhcp", "dhcp.hw.mac_addr", "dhcp.ip.client",
          "dhcp.ip.your", "dhcp.ip.relay", "dhcp.id", "frame.time_relative")
MESSAGE_TYPES = {1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK", 7: "RELEASE", 8: "INFORM"}


def dhcp_packets(pcap, where="dhcp"):
    """The DHCP packets of a capture as dictionaries with the last part of each field's name."""
    args = [a for f in FIELDS for a in ("-e", f)]
    done = run("tshark", "-r", pcap, "-Y", where, "-T", "fields", *args, check=False)
    rows = []
    for line in done.stdout.splitlines():
        row = dict(zip(FIELDS, line.split("\t")))
        row["dhcp.hw.mac_addr"] = row["dhcp.hw.mac_addr"].split(",")[0]  # option 61 has one too
        row["type"] = MESSAGE_TYPES.get(int(row["dhcp.option.dhcp"].split(",")[0] or 0), "")
        rows.append(row)
    return rows


def client_macs(pcap):
    """The client MACs of all DHCP packets of a capture."""
    return {row["dhcp.hw.mac_addr"] for row in dhcp_packets(pcap)}


def assert_sound(pcap, macs):
    """Every frame we sent (source MAC one of macs): not malformed, every checksum there and right."""
    ours = " || ".join(f"eth.src == {m}" for m in macs)
    total = run("tshark", "-r", pcap, "-Y", f"({ours})", check=False).stdout.splitlines()
    if not total:
        raise LabError(f"{pathlib.Path(pcap).name}: nothing from {macs}")
    bad = run("tshark", "-r", pcap, *CHECKS, "-Y",
              f"({ours}) && (_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0 "
              "|| udp.checksum == 0 || _ws.expert.severity == error)", check=False).stdout
    assert not bad, f"{pathlib.Path(pcap).name}: {bad}"
    return len(total)
