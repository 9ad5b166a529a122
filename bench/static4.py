"""DORA/s for clients with a static lease: answered in the dataplane, against Kea alone with the same reservations.

    generator (CPU 0) -- xkl-cli0 [xdp-kea-dataplane, CPU 1]
    generator         -- kea0     [kea-dhcp4, raw sockets, memfile]

Both know the same clients by MAC. The generator keeps a number of conversations under way, and begins another when one
is finished; each server is measured with the number that suits it best, of those at which it leaves less than 0.1 % of
them unfinished. Kea is measured on CPU 1 alone and with threads on both CPUs: the better counts. Last line: one JSON
object.
"""

import json
import pathlib
import statistics
import sys

from common import CLIENTS_CPU, DATAPLANE_CPU, appliance_config, say
from xkl.appliance import Appliance
from xkl.lab import Lab, LabError, awake, in_netns, remove_leftovers, run, wait_for

CLIENTS = 50_000
TRIAL_SECONDS = 3
REPEATS = 3
WINDOWS = (8, 32, 128, 512)  # conversations under way at once
UNFINISHED_MAX = 0.001
LEASE_TIME_S = 3600

CONFIG = f"""

[[vrf]]
name = "clients"
  [[vrf.subnet]]
  prefix = "10.0.0.0/16"
  pools = ["10.0.250.0-10.0.250.255"]
  gateway = "10.0.0.1"
  dns = ["10.0.0.2"]
  domain = "bench.example"
  lease_time_s = {LEASE_TIME_S}
  [[vrf.attachment]]
  interface = "xkl-cli0"
"""


def mac_of(number):
    """As the generator has them (bench/gen/frames.cpp)."""
    return "02:58:" + ":".join(f"{number >> shift & 255:02x}" for shift in (24, 16, 8, 0))


def address_of(number):
    return f"10.0.{1 + number // 250}.{1 + number % 250}"


def trial(netns, window):
    """As many conversations as can be with so many under way at once; the generator's figures."""
    done = run(*in_netns(netns), "taskset", "-c", CLIENTS_CPU, Appliance.binary("xdp-kea-gen"), "dora", "--interface",
               "gen0", "--window", window, "--seconds", TRIAL_SECONDS, "--clients", CLIENTS, "--grace", 0.3)
    result = json.loads(done.stdout.splitlines()[-1])
    result["rate"] = result["acks"] / result["seconds"]
    return result


def measure(netns, name):
    """Conversations a second with the number under way at once that suits the server best."""
    best = 0
    for window in WINDOWS:
        runs = [trial(netns, window) for _ in range(REPEATS)]
        rate = statistics.median(r["rate"] for r in runs)
        lost = 1 - sum(r["acks"] for r in runs) / max(1, sum(r["discovers"] for r in runs))
        if lost < UNFINISHED_MAX:
            best = max(best, rate)
        say(f"{name:22} {rate:8.0f} DORA/s with {window:3} at once, p50 {statistics.median(r['p50_ms'] for r in runs):.2f} ms,"
            f" unfinished {lost:.2%}{'' if lost < UNFINISHED_MAX else ': does not count'}")
    if best == 0:
        raise LabError(f"{name} leaves conversations unfinished, however few are under way")
    return best


def ours(lab):
    clients, router = lab.netns("c"), lab.netns("r")
    lab.veth(router, "xkl-cli0", clients, "gen0")
    appliance = Appliance(lab, router, appliance_config(lab, CONFIG)).start()
    file = pathlib.Path(lab.directory) / "leases.csv"
    file.write_text("vrf,mac,address\n" + "".join(f"clients,{mac_of(i)},{address_of(i)}\n" for i in range(CLIENTS)))
    run(appliance.binary("xdp-keactl"), "-s", appliance.settings()["api_socket"], "static", "import", file, timeout=300)
    requests = appliance.counters()["requests"]
    rate = measure(clients, "ours, in the dataplane")
    total = appliance.counters()
    if total["requests"] != requests or not appliance.law_holds():
        raise LabError(f"the dataplane did not answer alone: {total}")
    appliance.teardown()
    return rate


def kea_config(directory, threads):
    return {"Dhcp4": {
        "interfaces-config": {"interfaces": ["kea0"], "dhcp-socket-type": "raw"},
        "lease-database": {"type": "memfile", "persist": True, "name": f"{directory}/leases.csv"},
        "multi-threading": {"enable-multi-threading": True, "thread-pool-size": threads, "packet-queue-size": 1024}
        if threads else {"enable-multi-threading": False},
        "authoritative": True,
        "host-reservation-identifiers": ["hw-address"],
        "reservations-global": False, "reservations-in-subnet": True, "reservations-out-of-pool": True,
        "reservations-lookup-first": True,
        "loggers": [{"name": "kea-dhcp4", "severity": "ERROR", "output_options": [{"output": f"{directory}/log"}]}],
        "subnet4": [{"id": 1, "subnet": "10.0.0.0/16", "pools": [{"pool": "10.0.250.0 - 10.0.250.255"}],
                     "valid-lifetime": LEASE_TIME_S,
                     "option-data": [{"name": "routers", "data": "10.0.0.1"},
                                     {"name": "domain-name-servers", "data": "10.0.0.2"},
                                     {"name": "domain-name", "data": "bench.example"}],
                     "reservations": [{"hw-address": mac_of(i), "ip-address": address_of(i)}
                                      for i in range(CLIENTS)]}]}}


def kea(lab, name, cpus, threads):
    clients, server = lab.netns(f"c{name}"), lab.netns(f"k{name}")
    lab.veth(server, "kea0", clients, "gen0")
    run("ip", "-n", server, "addr", "add", "10.0.0.1/16", "dev", "kea0")
    directory = pathlib.Path(lab.directory) / f"kea-{name}"
    directory.mkdir()
    config = directory / "kea.conf"
    config.write_text(json.dumps(kea_config(directory, threads)))
    process = lab.spawn(server, f"kea-{name}", [
        "env", f"KEA_PIDFILE_DIR={directory}", f"KEA_LOCKFILE_DIR={directory}", "taskset", "-c", cpus, "kea-dhcp4", "-c",
        config])
    try:
        wait_for(lambda: not process.alive() or trial(clients, 1)["acks"] > 0, "Kea to answer", 60)
        if not process.alive():
            raise LabError(f"Kea ended: {process.output()[-2000:]}")
        return measure(clients, f"Kea, {name}")
    finally:
        process.stop()


def main():
    remove_leftovers("xklb")
    with Lab("b") as lab, awake():
        say(f"static4: {CLIENTS} clients with a static lease by MAC, generator on CPU {CLIENTS_CPU}, "
            f"median of {REPEATS} runs of {TRIAL_SECONDS} s")
        kea_rate = max(kea(lab, "one", str(DATAPLANE_CPU), 0), kea(lab, "threads", f"{CLIENTS_CPU},{DATAPLANE_CPU}", 2))
        own = ours(lab)
    print(json.dumps({"ours_dora_per_s": round(own), "kea_dora_per_s": round(kea_rate),
                      "ratio_kea": round(own / kea_rate, 2)}))


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        print(f"static4: {error}", file=sys.stderr)
        sys.exit(1)
