"""Durable leases per second and how long a commit takes: the embedded store, etcd with one node, and a Kea of its
own as reference, whose lease file is never synced (strace counts). Last line: one JSON object.

Everything is on the disk of the working directory (build/), in one run.
"""

import json
import pathlib
import re
import shutil
import signal
import socket
import tempfile

from common import say
from xkl.appliance import Appliance
from xkl.foreign import kea
from xkl.lab import Lab, Process, in_netns, remove_leftovers, run, wait_for

SECONDS = 3
DORA_SECONDS = 5
DORA_RATE = 20_000  # more than Kea can: it answers as many as it can
SYNCS = "fsync,fdatasync,sync,syncfs,sync_file_range,msync"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def commits(backend, where):
    say(f"== {backend}")
    done = run("build/release/bench/bench_lease_commit", backend, where, SECONDS)
    say(done.stdout.rsplit("\n", 2)[0])
    return json.loads(done.stdout.splitlines()[-1])


def on_etcd(lab, place):
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    etcd = Process("etcd", [
        "etcd", f"--data-dir={place}", f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}"],
        lab.directory / "etcd.log")
    lab.processes.append(etcd)
    wait_for(lambda: "ready to serve client requests" in etcd.output() or not etcd.alive(), "etcd")
    return commits("etcd", client)


def dora(clients_ns, first):
    done = run(*in_netns(clients_ns), Appliance.binary("xdp-kea-gen"), "dora", "--interface", "gen0", "--rate", DORA_RATE,
               "--seconds", DORA_SECONDS, "--clients", 1_000_000, "--first-client", first)
    return json.loads(done.stdout.splitlines()[-1])


def on_kea(lab, place):
    """DORA/s of a plain Kea, and how often it synced while it gave leases: counted by strace in a second round,
    which that slows down."""
    clients, servers = lab.netns("c"), lab.netns("s")
    lab.veth(servers, "srv0", clients, "gen0")
    run("ip", "-n", servers, "addr", "add", "10.0.0.1/8", "dev", "srv0")
    config = {"interfaces-config": {"interfaces": ["srv0"], "dhcp-socket-type": "raw"},
              "lease-database": {"type": "memfile", "persist": True, "name": str(place / "kea-leases4.csv")},
              "subnet4": [{"id": 1, "subnet": "10.0.0.0/8", "pools": [{"pool": "10.1.0.0 - 10.200.255.255"}]}]}
    server = kea(lab, servers, "srv0", "kea", config)
    plain = dora(clients, 0)
    say(f"== Kea with memfile, nothing in front\n{plain}")
    counted = pathlib.Path(lab.directory) / "strace.txt"
    strace = lab.spawn(servers, "strace", ["strace", "-f", "-c", "-e", f"trace={SYNCS},write,writev", "-o", counted,
                                           "-p", str(server.pid)])
    wait_for(lambda: "attached" in strace.output() or not strace.alive(), "strace")
    traced = dora(clients, 2_000_000)
    strace.kill(signal.SIGINT)
    strace.popen.wait(10)
    table = counted.read_text()
    say(f"== strace -c of it, while it gave {traced['acks']} leases\n{table}")
    rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", table, re.M)
    calls = {name: int(count) for count, name in rows if name != "total"}
    if not calls.get("write") and not calls.get("writev"):
        raise SystemExit("lease_commit: strace saw not even a write: it counted nothing")
    return plain["acks"] / DORA_SECONDS, sum(calls.get(name, 0) for name in SYNCS.split(","))


def main():
    place = pathlib.Path(tempfile.mkdtemp(prefix="lease-commit-", dir="build"))
    remove_leftovers("xkllc")
    try:
        embedded = commits("embedded", place / "store")
        with Lab("lc") as lab:
            etcd = on_etcd(lab, place.absolute() / "etcd")
        with Lab("lc") as lab:
            kea_per_s, kea_syncs = on_kea(lab, place.absolute())
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print(json.dumps({
        "embedded_per_s": embedded["per_s"], "embedded_p50_ms": embedded["p50_ms"], "embedded_p99_ms": embedded["p99_ms"],
        "etcd_per_s": etcd["per_s"], "etcd_p50_ms": etcd["p50_ms"], "etcd_p99_ms": etcd["p99_ms"],
        "kea_per_s": round(kea_per_s), "kea_syncs": kea_syncs,
        "embedded": embedded["by_in_flight"], "etcd": etcd["by_in_flight"]}))


if __name__ == "__main__":
    main()
