"""The native engine is killed with SIGKILL at random moments while clients are served: every ACK is in its journal and
comes into the store, no address is given twice.

XK_CRASH_ROUNDS kills (default 200, half of them here) in batches, as in test_acks. XK_SEED makes it the same run again.
"""

import pathlib
import time
import types

import pytest

from test_acks import BATCH, ROUNDS, SEED, WIDE, check, random_of, revive
from xkl.appliance import Appliance
from xkl.lab import run, wait_for
from xkl.load import Load, wire
from xkl.topology import appliance_section, attachment, vrf

# What is killed at once, and how often in proportion.
VICTIMS = {("dataplane",): 5, ("kead",): 3, ("dataplane", "kead"): 4}


@pytest.fixture(scope="module", params=["local", "replicated"])
def site(lab, request):
    made = serve(lab, "n" + request.param[0], request.param)
    yield made
    made.appliance.teardown()


def serve(lab, name, durability, state_dir=None):
    """An appliance with one VRF of the native engine, and a namespace for its clients."""
    router = lab.netns(f"r{name}")
    far = wire(lab, router, name)
    section = appliance_section(lab, lab.tag + name)
    if state_dir:
        section = "".join(f'state_dir = "{state_dir}"\n' if line.startswith("state_dir") else line
                          for line in section.splitlines(keepends=True))
    config = (section + vrf(name, WIDE, attachment(f"xkl-{name}0"), engine="native")
              + f'  [vrf.native]\n  durability = "{durability}"\n')
    appliance = Appliance(lab, router, config, name=f"appliance-{name}").start()
    return types.SimpleNamespace(lab=lab, vrf=name, far=far, appliance=appliance, durability=durability, given={},
                                 killed=0)


def kill(site, names):
    for name in names:
        process = getattr(site.appliance, name)
        if process.alive():
            process.kill()
            process.popen.wait(5)
            site.killed += 1


def journals(site):
    """The journal files of the VRF, oldest first."""
    state = pathlib.Path(site.appliance.settings()["state_dir"])
    return sorted((state / "native" / site.vrf).glob("journal-*"))


def test_killed_at_random(site, say):
    rounds = ROUNDS // 4  # of each durability
    chance = random_of(site)
    done, acks = 0, 0
    while done < rounds:
        load = Load(site.appliance, site.vrf, site.far, rate=500, grace_s=1, acks=True)
        for _ in range(min(BATCH, rounds - done)):
            time.sleep(chance.uniform(0, 0.5))  # a dataplane is back after about as long
            kill(site, chance.choices(list(VICTIMS), VICTIMS.values())[0])
            done += 1
            time.sleep(chance.uniform(0, 0.05))
            revive(site)
        site.appliance.wait_serving()
        load.wait_flowing()
        load.stop()
        check(site, load.acks())
        acks += len(load.acks())
    say(f"{site.durability}: {done} rounds, {site.killed} processes killed, {acks} ACKs of {len(site.given)} addresses, "
        "each of them in the store")
    assert acks > 3 * rounds


def test_torn_tail(site):
    """All dies at once, and the journal ends inside a record: what was whole counts, and it is said."""
    load = Load(site.appliance, site.vrf, site.far, rate=500, grace_s=1, acks=True)
    load.wait_flowing(400)
    kill(site, ("dataplane", "kead"))
    with journals(site)[-1].open("ab") as journal:
        journal.write(bytes(random_of(site).randbytes(37)))
    revive(site)
    site.appliance.wait_serving()
    load.wait_flowing()
    load.stop()
    assert load.acks()
    check(site, load.acks())


def test_full_disk(lab, site):
    """While the disk takes nothing there is no ACK of a new lease, it is said why, and afterwards all goes on."""
    mount = pathlib.Path(lab.directory) / f"small-{site.durability}"
    mount.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64m", "xkl-small", mount)
    lab.on_close(lambda: run("umount", "-l", mount, check=False))
    small = serve(lab, "f" + site.vrf, site.durability, state_dir=mount)
    appliance = small.appliance
    load = Load(appliance, small.vrf, small.far, rate=200, grace_s=1, acks=True)
    ballast = mount / "ballast"
    with ballast.open("wb") as file:
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError:
            pass
    before = appliance.counters(small.vrf)["drops"].get("serve_not_durable", 0)
    wait_for(lambda: appliance.counters(small.vrf)["drops"].get("serve_not_durable", 0) > before + 50,
             "requests that are not answered for want of a journal", 60)
    ballast.unlink()
    appliance.wait_serving()
    load.wait_flowing()
    acked = appliance.counters(small.vrf)["notes"]["serve_ack"]
    wait_for(lambda: appliance.counters(small.vrf)["notes"]["serve_ack"] > acked + 100, "ACKs to be given again", 30)
    load.stop()
    assert load.acks()
    check(small, load.acks())
    appliance.teardown()


def test_the_seed_is_said(say):
    say(f"XK_SEED={SEED}")
