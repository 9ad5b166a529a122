"""The installed units under a real systemd: start, reload, crashes, watchdogs, stop; the journal tells it all."""

import http.client
import pathlib
import re
import time

import pytest

from xkl.appliance import Appliance, build_dir
from xkl.lab import LabError, run, wait_for
from xkl.systemd import Systemd
from xkl.topology import Router, attachment, subnet, vrf

KEAD, DATAPLANE = "xdp-kead", "xdp-kea-dataplane"
CONFIG = pathlib.Path("/etc/xdp-kea/xdp-kea.toml")
# The units' own would be waited for too long here.
WATCHDOG_S = 6


def config(lab, lease_time_s=600, queue_depth=512):
    """Paths are those that the units expect."""
    return (f'[appliance]\nname = "{lab.tag}"\nrun_dir = "/run/xdp-kea"\nbpf_dir = "/sys/fs/bpf/{lab.tag}"\n'
            + vrf("red", f"queue_depth = {queue_depth}\n", subnet(lease_time_s=lease_time_s), attachment("xkl-red0")))


class Installed(Appliance):
    """Asked by its API; removes what it owns unless that was done."""

    def teardown(self):
        if leftovers(self.lab):
            super().teardown()


def leftovers(lab):
    """What it has pinned."""
    path = pathlib.Path("/sys/fs/bpf") / lab.tag
    return [p for p in path.rglob("*") if p.is_file()] if path.exists() else []


class Site:
    """The appliance, installed, and the systemd that runs it."""

    def __init__(self, lab):
        self.lab = lab
        run("cmake", "--install", build_dir(), "--prefix", "/usr")
        self.router = Router(lab)
        self.client = self.router.add_client("untagged", "udhcpc")
        self.router.connect()
        self.appliance = Installed(lab, self.router.ns, config(lab))
        self.appliance.logs = lambda: "\n".join(self.systemd.journal(unit)[-6000:] for unit in (KEAD, DATAPLANE))
        CONFIG.parent.mkdir()
        CONFIG.write_text(config(lab))
        self.systemd = Systemd(lab, self.router.ns, [f"/usr/lib/systemd/system/{u}.service" for u in (KEAD, DATAPLANE)])
        for unit in (KEAD, DATAPLANE):
            self.systemd.drop_in(unit, f"[Service]\nWatchdogSec={WATCHDOG_S}\n")
        self.systemd.ctl("daemon-reload")

    def status(self):
        """None while nobody answers, or only that it is still starting."""
        try:
            return self.appliance.api("/v1/status")
        except (OSError, http.client.HTTPException, LabError):
            return None

    def wait_replaced(self, unit, pid):
        wait_for(lambda: self.systemd.main_pid(unit) not in (0, pid), f"{unit} to be started again", 90, interval=0.5)

    def serves(self):
        """The status, once the VRF is served by a dataplane that is connected."""
        status = self.status()
        good = status and status["dataplane_state"] == "running" and [v["state"] for v in status["vrfs"]] == ["serving"]
        return status if good else None

    def wait_serving(self, timeout=90):
        return wait_for(self.serves, f"the VRF to be served: {self.status()}", timeout)

    def kea_pid(self):
        return self.status()["keas"][0]["pid"]

    def renew(self):
        """The client's lease is renewed through dataplane and Kea."""
        before = len(self.client.events())
        self.client.renew()
        return self.client.wait_event({"renew"}, before)

    def restarts(self, unit):
        return int(self.systemd.property(unit, "NRestarts"))


@pytest.fixture(scope="module")
def site(lab):
    return Site(lab)


def test_start_is_done_when_it_serves(site):
    site.systemd.ctl("start", KEAD)
    assert site.systemd.ctl("is-active", KEAD).stdout == "active\n"
    wait_for(lambda: site.systemd.ctl("is-active", DATAPLANE, check=False).stdout == "active\n",
             "the dataplane to be ready")
    site.wait_serving()
    site.client.start()
    assert site.client.wait_bound()["address"].startswith("10.0.0.")
    # The unit has no mount namespace of its own: its network namespaces are the machine's.
    site.systemd.inside("ip", "-n", site.status()["keas"][0]["netns"], "link", "show")


def test_hardening_is_in_force(site):
    """Of the running processes, not of a file."""
    def field(unit, name):
        status = site.systemd.inside("cat", f"/proc/{site.systemd.main_pid(unit)}/status").stdout
        return re.search(rf"^{name}:\s*(\S+)", status, re.M).group(1)
    for unit in (KEAD, DATAPLANE):
        assert field(unit, "NoNewPrivs") == "1" and field(unit, "Seccomp") == "2", unit
    assert int(field(DATAPLANE, "CapEff"), 16) == 0


def test_reload(site):
    before = site.status()["generation"]
    changed = config(site.lab, lease_time_s=300, queue_depth=256)
    CONFIG.write_text(changed)
    site.systemd.ctl("reload", KEAD)
    assert site.status()["generation"] == before + 1
    assert site.renew()["lease_time"] == "300"

    CONFIG.write_text("nonsense = 1\n")
    refused = site.systemd.ctl("reload", KEAD, check=False)
    assert refused.returncode != 0
    assert site.systemd.ctl("is-active", KEAD).stdout == "active\n"
    assert "nonsense" in site.systemd.journal(KEAD)
    CONFIG.write_text(changed)
    assert site.serves() and site.status()["generation"] == before + 1


def test_killed_dataplane_is_back(site):
    """Time from SIGKILL to the moment when the VRF is served again, as the API says."""
    count = site.restarts(DATAPLANE)
    pid = site.status()["dataplane_pid"]
    start = time.monotonic()
    site.systemd.signal(DATAPLANE, "KILL")

    def back():
        status = site.serves()
        return status and status["dataplane_pid"] != pid
    wait_for(back, "the dataplane to be back", 60, interval=0.01)
    print(f"dataplane killed: back in service after {time.monotonic() - start:.2f} s")
    assert site.restarts(DATAPLANE) == count + 1
    site.renew()


def test_killed_kead_adopts(site):
    count, kea = site.restarts(KEAD), site.kea_pid()
    pid = site.systemd.main_pid(KEAD)
    site.systemd.signal(KEAD, "KILL")
    site.wait_replaced(KEAD, pid)
    site.wait_serving()
    assert site.restarts(KEAD) == count + 1 and site.kea_pid() == kea
    site.renew()


def test_watchdog_replaces_what_hangs(site):
    before = {unit: (site.restarts(unit), site.systemd.main_pid(unit)) for unit in (KEAD, DATAPLANE)}
    kea = site.kea_pid()
    for unit in before:
        site.systemd.signal(unit, "STOP")
    for unit, (count, pid) in before.items():
        site.wait_replaced(unit, pid)
        assert site.restarts(unit) == count + 1
    site.wait_serving()
    assert site.kea_pid() == kea
    site.renew()
    for unit in before:
        assert "Watchdog timeout" in site.systemd.journal(unit)


def test_stop_leaves_kea_and_start_adopts_it(site):
    kea = site.kea_pid()
    site.systemd.ctl("stop", KEAD, DATAPLANE)
    assert site.systemd.ctl("is-active", KEAD, DATAPLANE, check=False).stdout == "inactive\ninactive\n"
    assert "kea-dhcp4" in site.systemd.inside("cat", f"/proc/{kea}/comm").stdout
    site.systemd.ctl("start", KEAD)
    site.wait_serving()
    assert site.kea_pid() == kea
    site.renew()


def test_journal(site):
    """Lines are structured and have their priority, and no time of their own."""
    for unit in (KEAD, DATAPLANE):
        text = site.systemd.journal(unit)
        assert re.search(rf"^level=info program={unit} msg=", text, re.M), text
        assert "<6>" not in text
    dataplane_lost = site.systemd.inside("journalctl", "-o", "cat", "-p", "warning", "-u", KEAD).stdout
    assert "level=warning" in dataplane_lost and "level=info" not in dataplane_lost


def test_teardown_ends_the_unit(site):
    """Nothing is started again, and nothing is left."""
    kea = site.kea_pid()
    site.systemd.inside("xdp-keactl", "teardown", "--yes")
    wait_for(lambda: site.systemd.ctl("is-active", KEAD, check=False).stdout == "inactive\n", "xdp-kead to end")
    assert site.systemd.property(KEAD, "Result") == "success"
    assert site.systemd.inside("test", "-e", f"/proc/{kea}", check=False).returncode != 0
    assert not leftovers(site.lab)
