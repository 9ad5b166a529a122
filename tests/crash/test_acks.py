"""Processes are killed with SIGKILL at random moments while clients are served: no ACK is lost, no address
is given twice.

XK_CRASH_ROUNDS kills (default 200) in batches. After each batch everything comes up again, and what clients
were told is compared with what the store has. XK_SEED makes it the same run again; it is always said.
"""

import collections
import os
import pathlib
import random
import signal
import time
import types

import pytest

from xkl.appliance import Appliance
from xkl.lab import run, wait_for
from xkl.load import Load, wire
from xkl.topology import appliance_section, attachment, vrf

ROUNDS = int(os.environ.get("XK_CRASH_ROUNDS", "200"))
BATCH = 20
SEED = int(os.environ.get("XK_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
WIDE = """
  [[vrf.subnet]]
  prefix = "10.0.0.0/12"
  pools = ["10.1.0.0-10.15.255.200"]
  gateway = "10.0.0.1"
"""
# What is killed at once, and how often in proportion. A Kea that is killed alone again and again is started
# after ever longer pauses, by intention: with its supervisor it is started at once.
VICTIMS = {("kead",): 4, ("dataplane",): 2, ("kea", "kead"): 4, ("kea", "kead", "dataplane"): 4, ("kea",): 1}


@pytest.fixture(scope="module", params=["available", "strict"])
def site(lab, request):
    made = serve(lab, request.param[0], request.param)
    yield made
    made.appliance.teardown()


def serve(lab, name, durability, state_dir=None):
    """An appliance with one VRF, and a namespace for its clients."""
    router = lab.netns(f"r{name}")
    far = wire(lab, router, name)
    section = appliance_section(lab, lab.tag + name)
    if state_dir:
        section = "".join(f'state_dir = "{state_dir}"\n' if line.startswith("state_dir") else line
                          for line in section.splitlines(keepends=True))
    config = section + vrf(name, WIDE, attachment(f"xkl-{name}0")) + f'  [vrf.kea]\n  durability = "{durability}"\n'
    appliance = Appliance(lab, router, config, name=f"appliance-{name}").start()
    return types.SimpleNamespace(lab=lab, vrf=name, far=far, appliance=appliance, durability=durability, given={},
                                 kills=collections.Counter())


def kea(site):
    return next((row for row in site.appliance.ctl("kea", "status", check=False) or [] if row["pid"]), None)


def kill(site, names):
    """Kills them in one moment, as far as they live. Kea's own file, which it never syncs, is cut somewhere."""
    row = kea(site) if "kea" in names else None
    if row:
        os.kill(row["pid"], signal.SIGKILL)
        site.kills["kea"] += 1
    for name in ("kead", "dataplane"):
        process = getattr(site.appliance, name)
        if name in names and process.alive():
            process.kill()
            process.popen.wait(5)
            site.kills[name] += 1
    if row and "kead" in names:
        file = pathlib.Path(row["directory"]) / "kea-leases4.csv"
        os.truncate(file, random_of(site).randrange(file.stat().st_size + 1))


def random_of(site):
    if not hasattr(site, "random"):
        site.random = random.Random(SEED)
        print(f"XK_SEED={SEED}")
    return site.random


def revive(site):
    if not site.appliance.kead.alive():
        site.appliance.start_kead()
    if not site.appliance.dataplane.alive():
        site.appliance.start_dataplane()


def stored(site):
    """Address -> MAC of the leases in the store."""
    return {row["address"]: row["mac"] for row in site.appliance.leases(site.vrf)}


def check(site, acks):
    for mac, address in acks:
        owner = site.given.setdefault(address, mac)
        assert owner == mac, f"{address} was given to {owner} and to {mac} (XK_SEED={SEED})"
    # What was in the queue on disk goes into the store when the gate is back.
    def missing():
        have = stored(site)
        return {a: m for a, m in site.given.items() if have.get(a) != m}
    wait_for(lambda: not missing(), f"the store to have every lease that was acknowledged (XK_SEED={SEED})", 20)


def test_killed_at_random(site, say):
    rounds = ROUNDS // 2  # each durability has its half
    chance = random_of(site)
    done, acks = 0, 0
    while done < rounds:
        load = Load(site.appliance, site.vrf, site.far, rate=200, grace_s=1, acks=True)
        for _ in range(min(BATCH, rounds - done)):
            time.sleep(chance.uniform(0, 0.2))
            kill(site, chance.choices(list(VICTIMS), VICTIMS.values())[0])
            done += 1
            time.sleep(chance.uniform(0, 0.05))
            revive(site)
        site.appliance.wait_serving()
        load.wait_flowing()
        load.stop()
        check(site, load.acks())
        acks += len(load.acks())
    say(f"{site.durability}: {done} rounds, {sum(site.kills.values())} processes killed "
        f"({', '.join(f'{n} x {name}' for name, n in sorted(site.kills.items()))}), {acks} ACKs of {len(site.given)} addresses, "
        "each of them in the store")
    assert acks > 10 * min(BATCH, rounds)


def test_power_cut(site):
    """All processes at once, and nothing that was not synced is left of Kea's file: the same clients have the
    same addresses."""
    load = Load(site.appliance, site.vrf, site.far, rate=200, grace_s=1, acks=True)
    row = kea(site)
    os.kill(row["pid"], signal.SIGKILL)
    for process in (site.appliance.kead, site.appliance.dataplane):
        process.kill()
        process.popen.wait(5)
    file = pathlib.Path(row["directory"]) / "kea-leases4.csv"
    file.unlink()
    revive(site)
    site.appliance.wait_serving()
    load.wait_flowing()
    load.stop()
    check(site, load.acks())
    lines = file.read_text().splitlines()
    in_kea = {line.split(",")[0] for line in lines[1:]}
    assert {address for _, address in load.acks()} <= in_kea


def test_a_store_that_does_not_open(site):
    """xdp-kead starts all the same and says why; a Kea that runs goes on as its durability says; once the files are
    right all goes on by itself."""
    load = Load(site.appliance, site.vrf, site.far, rate=100, grace_s=1, acks=True)
    load.wait_flowing()
    site.appliance.kead.kill()
    site.appliance.kead.popen.wait(5)
    current = pathlib.Path(site.appliance.settings()["state_dir"]) / "store" / "CURRENT"
    whole = current.read_text()
    current.write_text("MANIFEST-0\n")
    site.appliance.start_kead()
    store = site.appliance.ctl("status")["store"]
    assert store["state"] == "unavailable" and "MANIFEST-0" in store["trouble"], store
    assert "cannot be opened" in site.appliance.kead.output()
    if site.durability == "available":
        load.wait_flowing()
    current.write_text(whole)
    wait_for(lambda: site.appliance.ctl("status")["store"]["state"] == "available", "the store to be open")
    site.appliance.wait_serving()
    load.wait_flowing()
    load.stop()
    assert load.acks()
    check(site, load.acks())


def test_full_disk(lab, site):
    """While the disk takes nothing there is no ACK, it is said why, and afterwards all goes on."""
    mount = pathlib.Path(lab.directory) / f"small-{site.durability}"
    mount.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=48m", "xkl-small", mount)
    lab.on_close(lambda: run("umount", "-l", mount, check=False))
    small = serve(lab, "f" + site.vrf, site.durability, state_dir=mount)
    appliance = small.appliance
    load = Load(appliance, small.vrf, small.far, rate=100, grace_s=1, acks=True)
    ballast = mount / "ballast"
    with ballast.open("wb") as file:
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError:
            pass
    wait_for(lambda: appliance.ctl("status")["store"]["state"] == "unavailable", "the store to be unavailable")
    assert any("takes no leases" in event["text"] for event in appliance.ctl("events")["events"])
    before = appliance.counters(small.vrf)
    wait_for(lambda: appliance.counters(small.vrf)["requests"] > before["requests"] + 100, "clients to go on asking")
    ballast.unlink()
    wait_for(lambda: appliance.ctl("status")["store"]["state"] == "available", "the store to be back", 30)
    load.wait_flowing()
    load.stop()
    assert load.acks()
    check(small, load.acks())
    appliance.teardown()
