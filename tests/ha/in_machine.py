"""Runs in the virtual machine of test_power.py: one appliance, until the machine's power is cut. Arguments: the letter
of the half, its address. Its interfaces are the machine's third and those after it: to etcd, then of each VRF."""

import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

from pair import VRFS, appliance_config  # noqa: E402
from xkl.appliance import Appliance  # noqa: E402
from xkl.lab import Lab, run  # noqa: E402


def main():
    letter, address = sys.argv[1:]
    with Lab("vm") as lab:
        ns = lab.netns(f"r{letter}")
        for number, name in enumerate(["mgmt", *(f"xkl-{vrf_name}" for vrf_name in VRFS)], 2):
            run("ip", "link", "set", f"eth{number}", "netns", ns, "name", name)
            run("ip", "-n", ns, "link", "set", name, "up")
        run("ip", "-n", ns, "addr", "add", f"{address}/24", "dev", "mgmt")
        Appliance(lab, ns, appliance_config(lab, letter), name=f"edge-{letter}").start()
        print("serving", flush=True)
        signal.pause()


main()
