"""What an operator decided of a VRF outlives a start at which the VRF is not there; leases go only as they were meant to."""

import pathlib

from xkl.appliance import Appliance
from xkl.lab import run, runs, wait_for
from xkl.topology import appliance_section, attachment, subnet, vrf

RED, BLUE = (vrf(n, subnet("10.0.0.0/16"), attachment(f"xkl-{n}0")) for n in ("red", "blue"))


def shown(appliance, name):
    return next(v for v in appliance.ctl("vrf", "list") if v["name"] == name)


def kea(appliance, name):
    return next(k for k in appliance.ctl("kea", "status") if k["vrf"] == name)


def test_a_deleted_vrf_comes_later_than_the_daemon(lab):
    router = lab.netns("r")
    for name in ("red", "blue"):
        run("ip", "-n", router, "link", "add", f"xkl-{name}0", "up", "type", "veth", "peer", "name", f"xkl-{name}1")
        run("ip", "-n", router, "link", "set", f"xkl-{name}1", "up")
    head = appliance_section(lab, lab.tag)
    appliance = Appliance(lab, router, head + RED + BLUE).start()
    appliance.wait_serving()
    before, directory = shown(appliance, "red")["id"], pathlib.Path(kea(appliance, "red")["directory"])
    appliance.ctl("vrf", "delete", "red", "--yes")
    appliance.kead.kill()
    appliance.kead.popen.wait(10)
    appliance.write_config(head + BLUE)
    appliance.start_kead()
    appliance.wait_serving(["blue"])
    assert (shown(appliance, "red")["state"], shown(appliance, "red")["origin"]) == ("deleted", "awaited")
    appliance.reload(head + RED + BLUE)
    assert (shown(appliance, "red")["state"], shown(appliance, "red")["origin"]) == ("deleted", "configured")
    appliance.ctl("vrf", "resume", "red")
    appliance.wait_serving()
    assert shown(appliance, "red")["id"] == before and kea(appliance, "red")["directory"] == str(directory)

    # Taken back while its Kea ends, or when it has: nothing of it is left to happen later.
    for _ in range(4):
        appliance.ctl("vrf", "delete", "red", "--purge", "--yes")
        appliance.ctl("vrf", "resume", "red")
        appliance.wait_serving()
        assert directory.is_dir()
    pid = kea(appliance, "red")["pid"]
    appliance.ctl("vrf", "delete", "red", "--yes")
    wait_for(lambda: not runs(pid), "its Kea to end")
    appliance.ctl("vrf", "delete", "red", "--yes")  # looks for leases to delete, too
    assert directory.is_dir(), "this time nobody wanted its leases deleted"
