"""The demo: a lab, the appliance with conf/demo.toml, twelve real clients, a table, and all of it killed and started
again. See scripts/demo."""

import os
import pathlib
import shutil
import signal
import sys
import tomllib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from xkl.appliance import Appliance  # noqa: E402
from xkl.clients import BOUND, RENEWED  # noqa: E402
from xkl.lab import Lab, LabError, in_netns, remove_leftovers, run, wait_for  # noqa: E402
from xkl.topology import DEMO_SEGMENTS, KINDS, Router, demo_config  # noqa: E402

TAG = "xkld"


def say(text):
    print(f"demo: {text}", flush=True)


def remove_old_lab():
    """What an earlier run with --keep, or one that was killed, left on the machine."""
    router = f"{TAG}-r"
    config = pathlib.Path(__file__).resolve().parents[2] / "conf" / "demo.toml"
    if router in run("ip", "netns", "list").stdout:
        for pid in run("ip", "netns", "pids", router).stdout.split():
            run("kill", pid, check=False)
        teardown = run(*in_netns(router), Appliance.binary("xdp-kead"), "--config", config, "--teardown", check=False)
        if teardown.returncode != 0:
            say(f"removing the old appliance: {teardown.stdout}{teardown.stderr}".rstrip())
    remove_leftovers(TAG)
    shutil.rmtree(run_dir(), ignore_errors=True)


def run_dir():
    return tomllib.loads(demo_config())["appliance"]["run_dir"]


def table(rows):
    head = ("VRF", "ENGINE", "ATTACHMENT", "CLIENT", "MAC", "ADDRESS", "LEASE TIME", "SERVER")
    widths = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def lease_rows(appliance, clients):
    """One row a client: what the client says, checked against what the appliance lists."""
    engines = {row["name"]: row["engine"] for row in appliance.ctl("vrf", "list")}
    wait_for(lambda: len(appliance.ctl("lease", "list")) >= len(clients), "the store to follow the journal")
    listed = {(row["vrf"], row["mac"]): row for row in appliance.ctl("lease", "list")}
    rows = []
    for client in clients:
        lease = client.lease()
        known = listed.get((client.vrf, client.mac))
        if known is None or known["address"] != lease["address"]:
            raise LabError(f"{client.name} holds {lease['address']}, but the appliance lists {known}")
        rows.append((client.vrf, engines[client.vrf], known["attachment"], client.kind, client.mac, lease["address"],
                     f"{lease['lease_time']} s", lease["server"]))
    return rows


def show(lab):
    """Brings everything up and prints the table."""
    router = Router(lab)
    clients = [router.add_client(segment, kind) for segment in DEMO_SEGMENTS for kind in KINDS]
    router.connect()
    say(f"lab is up: router {router.ns}, {len(clients)} client namespaces, segments {', '.join(DEMO_SEGMENTS)}")
    appliance = Appliance(lab, router.ns, demo_config())
    appliance.start_kead()
    say("xdp-kead runs: XDP attached, a Kea in a namespace for red and for blue, a journal for green")
    appliance.start_dataplane()
    appliance.wait_serving()
    say(f"xdp-kea-dataplane runs: generation {appliance.ctl('status')['dataplane_generation']} is in force")
    for client in clients:
        client.start()
    for client in clients:
        lease = client.wait_bound(40)
        say(f"{client.name} ({client.vrf}) has {lease['address']}")
    rows = lease_rows(appliance, clients)
    given = [{r[5] for r in rows if r[0] == name} for name in ("red", "blue", "green")]
    say(f"red, blue and green all gave out {', '.join(sorted(set.intersection(*given)))}: same subnet, three VRFs")
    total = appliance.counters()
    drops = sum(total["drops"].values())
    say(f"packets: rx {total['rx']} + copies {total['copies']} = tx {total['tx']} + drops {drops}")
    print()
    table(rows)
    print()
    return router, appliance, clients


def kill_everything(appliance):
    """SIGKILL for both daemons and every Kea, as when the power goes."""
    keas = [row["pid"] for row in appliance.ctl("kea", "status")]
    for process in (appliance.kead, appliance.dataplane):
        process.kill()
    for pid in keas:
        os.kill(pid, signal.SIGKILL)
    for process in (appliance.kead, appliance.dataplane):
        process.popen.wait(5)
    wait_for(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in keas), "the Keas to end")
    return 2 + len(keas)


def survive(appliance, clients):
    """Everything is killed and started again: the same clients have the same addresses."""
    before = {client.name: client.lease()["address"] for client in clients}
    killed = kill_everything(appliance)
    appliance.start()
    say(f"kill -9 of {killed} processes, and all started again: every lease is in the store")
    for client in clients:
        seen = len(client.events())
        if client.kind == "dhclient":  # renews by its own timer only; started again it asks for what it had
            client.stop()
            client.start()
        else:
            client.renew()
        lease = client.wait_event(RENEWED | BOUND, seen)
        if lease["address"] != before[client.name]:
            raise LabError(f"{client.name} had {before[client.name]} and got {lease['address']}")
    lease_rows(appliance, clients)
    say(f"the same {len(clients)} clients renewed the same {len(clients)} leases")


def keep(lab, router, appliance):
    """Leaves everything running and says what to try."""
    ctl = f"{appliance.binary('xdp-keactl')} -s {appliance.settings()['api_socket']}"
    print(f"\nThe lab stays up. Try:\n  {ctl} status\n  {ctl} counters --watch\n"
          f"  ip netns exec {router.ns} tcpdump -ni xkl-trunk -e -c 20\nRemove it: sudo ./scripts/demo --stop")
    lab.processes, lab.closers, lab.namespaces = [], [], []


def interrupted(number, _frame):
    raise LabError(f"interrupted by {signal.Signals(number).name}")


def main(mode):
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    remove_old_lab()
    if mode == "stop":
        say(f"removed the lab; {run_dir()} and its namespaces are gone")
        return 0
    lab = Lab("d")
    try:
        router, appliance, clients = show(lab)
        survive(appliance, clients)
        if mode == "keep":
            keep(lab, router, appliance)
        return 0
    except LabError as error:
        say(f"failed: {error}")
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if lab.namespaces:
            say("cleaning up")
        if lab.namespaces or mode != "keep":
            lab.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "run"))
