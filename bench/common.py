"""What the benchmarks share: the lab's modules in reach, and an appliance whose dataplane has a CPU of its own."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "lab"))

from xkl.topology import appliance_section  # noqa: E402

CLIENTS_CPU, DATAPLANE_CPU = 0, 1


def say(text):
    print(text, flush=True)


def appliance_config(lab, rest):
    """A configuration: the appliance in the lab's directory, its one loop on DATAPLANE_CPU, then the rest."""
    return appliance_section(lab, "xklb") + f"""
[[dataplane.lcore]]
cpu = {DATAPLANE_CPU}
loops = ["rx", "vrf", "tx"]
""" + rest
