"""A systemd of its own, as a container has it: process 1 of its own process, mount and cgroup namespaces."""

import pathlib
import shutil

from .lab import run, wait_for

SYSTEMD = pathlib.Path("/lib/systemd/systemd")
CGROUPS = pathlib.Path("/sys/fs/cgroup")
# What a service without DefaultDependencies=no waits for, and the journal: nothing else of the machine's
# own units is started.
TAKEN = ("sysinit.target", "basic.target", "shutdown.target", "local-fs.target", "network-pre.target",
         "multi-user.target", "sockets.target", "systemd-journald.service", "systemd-journald.socket",
         "systemd-journald-dev-log.socket")
TARGET = """[Unit]
Requires=systemd-journald.service
After=systemd-journald.service
"""


class Systemd:
    """A service manager in a network namespace that knows the units it is given, and the journal."""

    def __init__(self, lab, ns, units):
        self.directory = pathlib.Path(lab.directory) / "systemd"
        self.units = self.directory / "units"
        for path in (self.units, self.directory / "generators"):
            path.mkdir(parents=True)
        for name in TAKEN:
            shutil.copy(f"/lib/systemd/system/{name}", self.units / name)
        (self.units / "lab.target").write_text(TARGET)
        for unit in units:
            shutil.copy(unit, self.units)
        # A manager takes the group it is in for its root.
        group = CGROUPS / lab.tag
        group.mkdir(exist_ok=True)
        start = (f"echo $$ >{group}/cgroup.procs && exec unshare --pid --mount --cgroup --fork --kill-child sh -c '"
                 f"mount -t proc proc /proc && umount {CGROUPS} && mount -t cgroup2 cgroup {CGROUPS} && "
                 f"exec {SYSTEMD} --system --unit=lab.target --show-status=no'")
        self.process = lab.spawn(ns, "systemd", ["sh", "-c", start], {
            "container": "lab", "SYSTEMD_UNIT_PATH": str(self.units),
            "SYSTEMD_GENERATOR_PATH": str(self.directory / "generators")})
        lab.on_close(self.process.kill)
        self.pid = wait_for(self._first, "systemd to be started")
        wait_for(lambda: self.ctl("is-active", "lab.target", check=False).stdout == "active\n",
                 "systemd to have booted")

    def _first(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def inside(self, *argv, check=True):
        """Runs a command where the manager is."""
        return run("nsenter", "-t", self.pid, "-p", "-m", "-n", "-C", "--", *argv, check=check)

    def ctl(self, *args, check=True):
        return self.inside("systemctl", "--no-pager", *args, check=check)

    def property(self, unit, name):
        return self.ctl("show", "--value", "-p", name, unit).stdout.strip()

    def main_pid(self, unit):
        """Of a unit's main process, as it is called inside."""
        return int(self.property(unit, "MainPID"))

    def signal(self, unit, name):
        """name: "KILL", "STOP"."""
        self.inside("kill", f"-{name}", self.main_pid(unit))

    def journal(self, unit):
        return self.inside("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def drop_in(self, unit, text):
        directory = self.units / f"{unit}.service.d"
        directory.mkdir(exist_ok=True)
        (directory / "lab.conf").write_text(text)


