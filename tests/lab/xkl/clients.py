"""The three real DHCP clients, each in a namespace of its own, with one script that records leases."""

import json
import os
import pathlib
import signal

from .lab import run, wait_for

# Called by every client on every event: notes the event, and gives the interface its address where
# the client leaves that to its script. Paths are filled in, because dhcpcd and dhclient clean the
# environment.
SCRIPT = """#!/bin/sh
event=${{reason:-$1}}
address=${{new_ip_address:-$ip}}
bits=${{new_subnet_cidr:-${{mask:-24}}}}
lease_time=${{new_dhcp_lease_time:-$lease}}
server=${{new_dhcp_server_identifier:-$serverid}}
gateway=${{new_routers:-$router}}
case {kind}:$event in
  dhcpcd:*) ;;
  *:deconfig|*:PREINIT) ip link set {interface} up ;;
  *:EXPIRE|*:RELEASE|*:STOP|*:leasefail|*:nak) ip -4 addr flush dev {interface} ;;
  *:FAIL|*:TIMEOUT) exit 1 ;;
  *:bound|*:renew|*:BOUND|*:RENEW|*:REBIND|*:REBOOT)
    if ! ip -4 addr show dev {interface} | grep -q "inet $address/"; then
      ip -4 addr flush dev {interface}
      ip addr add "$address/$bits" dev {interface}
    fi ;;
esac
printf '{{"event":"%s","address":"%s","lease_time":"%s","server":"%s","gateway":"%s"}}\\n' \\
  "$event" "$address" "$lease_time" "$server" "$gateway" >>{events}
"""

BOUND = {"bound", "BOUND", "REBOOT", "INFORM", "INFORM6"}
RENEWED = {"renew", "RENEW", "REBIND"}


class Client:
    """A DHCP client on one interface. kind: udhcpc, dhclient or dhcpcd."""

    def __init__(self, lab, kind, ns, interface, mac, label=None):
        self.lab, self.kind, self.ns, self.interface, self.mac = lab, kind, ns, interface, mac
        self.name = label or f"{kind}-{ns}"
        self.directory = pathlib.Path(lab.directory) / self.name
        self.directory.mkdir()
        self.events_file = self.directory / "events"
        self.events_file.touch()
        self.script = self.directory / "script"
        self.script.write_text(SCRIPT.format(kind=kind, interface=interface, events=self.events_file))
        self.script.chmod(0o755)
        self.process = None

    def _argv(self, extra):
        d = self.directory
        if self.kind == "udhcpc":
            return ["udhcpc", "-f", "-i", self.interface, "-s", self.script, "-p", d / "pid", "-t", "8", "-T", "1",
                    "-A", "1", *extra]
        if self.kind == "dhclient":
            (d / "conf").write_text("timeout 20;\nretry 1;\ninitial-interval 1;\nbackoff-cutoff 2;\n"
                                    "request subnet-mask, routers, domain-name-servers, domain-name;\n")
            return ["dhclient", "-4", "-d", "-v", "-sf", self.script, "-lf", d / "leases", "-pf", d / "pid",
                    "-cf", d / "conf", *extra, self.interface]
        return ["dhcpcd", "-4", "-B", "-A", "-f", "/dev/null", "-c", self.script, "-t", "20", "-o",
                "subnet_mask,routers,domain_name_servers", *extra, self.interface]

    def start(self, *extra):
        """Starts it in a mount namespace of its own: its state files are its own, and outlive it."""
        places = {"/run/dhcpcd": self.directory / "run", "/var/lib/dhcpcd": self.directory / "lib"}
        for path, own in places.items():
            os.makedirs(path, exist_ok=True)
            own.mkdir(exist_ok=True)
        mounts = "; ".join(f"mount --bind {own} {path}" for path, own in places.items())
        inner = " ".join(f"'{a}'" for a in self._argv(extra))
        self.process = self.lab.spawn(self.ns, self.name, ["unshare", "-m", "sh", "-c", f"{mounts}; exec {inner}"])
        return self

    def events(self):
        """All events so far, oldest first."""
        return [json.loads(line) for line in self.events_file.read_text().splitlines()]

    def lease(self):
        """The last event that carries an address, or None."""
        bound = [e for e in self.events() if e["event"] in BOUND | RENEWED and e["address"]]
        return bound[-1] if bound else None

    def wait_bound(self, timeout=30):
        """Waits for the first lease."""
        return wait_for(self.lease, f"{self.name} to get a lease; it said:\n{self.process.output()[-2000:]}", timeout)

    def wait_event(self, names, after, timeout=30):
        """Waits for one of these events behind the first `after` events, and returns it."""
        def found():
            return next((e for e in self.events()[after:] if e["event"] in names), None)
        return wait_for(found, f"{self.name}: one of {sorted(names)}; events: {self.events()[after:]}", timeout)

    def renew(self):
        """Asks for a unicast renewal now, where the client can be asked."""
        if self.kind == "udhcpc":
            os.kill(self.process.pid, signal.SIGUSR1)
        elif self.kind == "dhcpcd":
            self._control("-N")
        else:
            raise ValueError("dhclient renews only by its own timer")

    def release(self):
        """Releases the lease."""
        if self.kind == "udhcpc":
            os.kill(self.process.pid, signal.SIGUSR2)
        elif self.kind == "dhcpcd":
            self._control("-k")
        else:
            d = self.directory
            run("nsenter", "-t", self.process.pid, "-n", "-m", "--", "dhclient", "-4", "-r", "-sf", self.script,
                "-lf", d / "leases", "-pf", d / "pid", "-cf", d / "conf", self.interface)

    def _control(self, flag):
        run("nsenter", "-t", self.process.pid, "-n", "-m", "--", "dhcpcd", "-4", flag, self.interface)

    def stop(self):
        """Ends it at once without a release."""
        if self.process:
            self.process.kill()
            self.process.popen.wait(5)
