"""How long a VRF with 1,000,000 leases takes to be served again on a new machine: the store opened and Kea's
lease file made from it, then a real Kea started with that file. Last line: one JSON object.
"""

import json
import pathlib
import shutil
import sys
import tempfile
import time

from common import say
from xkl.appliance import Appliance
from xkl.foreign import kea
from xkl.lab import Lab, LabError, remove_leftovers, run

LEASES = 1_000_000


def resident(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise LabError(f"{process.name} has no VmRSS")


def start_kea(lab, servers, name, file):
    """Seconds until a Kea with this lease file serves, and the bytes of memory it takes."""
    config = {"lease-database": {"type": "memfile", "persist": True, "name": str(file), "lfc-interval": 0},
              "store-extended-info": True,
              "subnet4": [{"id": 1, "subnet": "10.0.0.0/8", "pools": [{"pool": "10.1.0.0 - 10.250.255.200"}]}]}
    started = time.monotonic()
    process = kea(lab, servers, "srv0", name, config)
    seconds = time.monotonic() - started
    memory = resident(process)
    process.stop()
    return seconds, memory


def main():
    place = pathlib.Path(tempfile.mkdtemp(prefix="restore-", dir="build")).absolute()
    remove_leftovers("xklrs")
    try:
        store = json.loads(run(Appliance.binary("bench_restore"), place, LEASES, timeout=300).stdout.splitlines()[-1])
        say(f"store: {store}")
        file = place / "kea" / "kea-leases4.csv"
        with Lab("rs") as lab:
            servers, clients = lab.netns("s"), lab.netns("c")
            lab.veth(servers, "srv0", clients, "cli0")
            run("ip", "-n", servers, "addr", "add", "10.0.0.1/8", "dev", "srv0")
            _, empty = start_kea(lab, servers, "empty", place / "none.csv")
            kea_s, full = start_kea(lab, servers, "full", file)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    say(f"Kea with {LEASES} leases: serves after {kea_s:.2f} s, {full >> 20} MiB; without: {empty >> 20} MiB")
    print(json.dumps({"store_ready_s": store["store_ready_s"], "kea_ready_s": round(kea_s, 2),
                      "bytes_per_lease": round((full - empty) / LEASES)}))


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        print(f"restore: {error}", file=sys.stderr)
        sys.exit(1)
