"""The appliance in the lab: both daemons, its CLI, its logs."""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import tomllib

from .lab import LabError, in_netns, run, wait_for

SOURCE = pathlib.Path(__file__).resolve().parents[3]
DEFAULT_BUILD = SOURCE / "build" / "release"


def build_dir():
    """Where the binaries are: XK_BUILD_DIR, or the release preset's folder."""
    return pathlib.Path(os.environ.get("XK_BUILD_DIR", DEFAULT_BUILD))


class Appliance:
    """xdp-kead and xdp-kea-dataplane in one namespace, as a configuration file says."""

    def __init__(self, lab, ns, config, name="appliance"):
        self.lab, self.ns, self.name = lab, ns, name
        self.config = pathlib.Path(lab.directory) / f"{name}.toml"
        self.write_config(config)
        self.kead = self.dataplane = None
        lab.on_close(self.teardown)

    def write_config(self, text):
        self.text = text
        self.config.write_text(text)

    def settings(self):
        """[appliance] of the configuration, as the daemon reads it."""
        section = tomllib.loads(self.text)["appliance"]
        section.setdefault("api_socket", section["run_dir"] + "/api.sock")
        return section

    @staticmethod
    def binary(name):
        found = next(iter(sorted(build_dir().rglob(name))), None)
        if not found:
            raise LabError(f"{name} is not in {build_dir()}: build it first")
        return found

    def start_kead(self):
        self.kead = self.lab.spawn(self.ns, f"{self.name}-kead",
                                   [self.binary("xdp-kead"), "--config", self.config])
        socket = pathlib.Path(self.settings()["api_socket"])
        wait_for(lambda: (socket.exists() and self.ctl("status", check=False) is not None) or not self.kead.alive(),
                 f"xdp-kead to answer; it said:\n{self.kead.output()[-3000:]}")
        if not self.kead.alive():
            raise LabError(f"xdp-kead ended: {self.kead.output()[-3000:]}")

    def start_dataplane(self):
        socket = pathlib.Path(self.settings()["run_dir"]) / "dataplane.sock"
        self.dataplane = self.lab.spawn(self.ns, f"{self.name}-dataplane",
                                        [self.binary("xdp-kea-dataplane"), "--control", socket])

    def start(self, wait=True):
        self.start_kead()
        self.start_dataplane()
        if wait:
            self.wait_serving()
        return self

    def wait_serving(self, vrfs=None, timeout=40):
        """Waits until every VRF (or those named) is serving."""
        def serving():
            if self.kead and not self.kead.alive():
                raise LabError(f"xdp-kead ended: {self.kead.output()[-3000:]}")
            status = self.ctl("status", check=False)
            if not status or status["dataplane_state"] != "running":
                return False
            rows = [v for v in status["vrfs"] if vrfs is None or v["name"] in vrfs]
            return rows and all(v["state"] == "serving" for v in rows)
        try:
            wait_for(serving, "every VRF to be served", timeout)
        except LabError as error:
            raise LabError(f"{error}\n{json.dumps(self.ctl('status', check=False), indent=1)}\n{self.logs()}") from error

    def ctl(self, *args, check=True, form="json"):
        """Runs xdp-keactl and returns its JSON (form="text": its table). None if it failed and check is off."""
        argv = [self.binary("xdp-keactl"), "-s", self.settings()["api_socket"]]
        if form == "json":
            argv += ["-o", "json"]
        done = run(*argv, *args, check=False)
        if done.returncode != 0:
            if check:
                raise LabError(f"xdp-keactl {' '.join(args)}: exit {done.returncode}: {done.stdout}{done.stderr}")
            return None
        return unwrapped(json.loads(done.stdout)) if form == "json" else done.stdout

    def api(self, path):
        """GET of the API, without a process in between: for what is asked often. A listing is its rows."""
        connection = http.client.HTTPConnection("localhost", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.closing(connection):
            connection.sock.connect(self.settings()["api_socket"])
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        if answer.status != 200:
            raise LabError(f"GET {path}: {answer.status}: {body.decode(errors='replace')}")
        return unwrapped(json.loads(body))

    def leases(self, vrf):
        """All leases of a VRF, page by page."""
        rows, start = [], ""
        while True:
            page = self.api(f"/v1/leases?vrf={vrf}" + (f"&from={start}" if start else ""))
            rows += page["leases"]
            start = page["next"]
            if not start:
                return rows

    def counters(self, vrf=None):
        """Counters of one VRF, or the total; drops and notes as dictionaries."""
        view = self.api("/v1/counters")
        row = view["total"] if vrf is None else next(v for v in view["vrfs"] if v["vrf"] == vrf)
        return {**row, "drops": as_dict(row["drops"]), "notes": as_dict(row["notes"]), "xdp": as_dict(view["xdp"])}

    def law_holds(self):
        """rx + copies = tx + drops, in every VRF and in total."""
        view = self.api("/v1/counters")
        return all(r["rx"] + r["copies"] == r["tx"] + sum(as_dict(r["drops"]).values())
                   for r in view["vrfs"] + [view["total"]])

    def reload(self, text=None):
        if text is not None:
            self.write_config(text)
        return self.ctl("reload")

    def logs(self):
        parts = [f"--- {p.name}\n{p.output()[-4000:]}" for p in (self.kead, self.dataplane) if p]
        return "\n".join(parts)

    def teardown(self):
        """Stops both daemons and removes all they own on the machine."""
        for process in (self.dataplane, self.kead):
            if process:
                process.stop(5)
        if pathlib.Path(f"/run/netns/{self.ns}").exists():
            done = run(*in_netns(self.ns), self.binary("xdp-kead"), "--config", self.config, "--teardown", check=False)
            if done.returncode != 0:
                print(f"teardown: exit {done.returncode}: {done.stdout}{done.stderr}")
        for key in ("state_dir", "run_dir"):
            if key in self.settings():
                shutil.rmtree(self.settings()[key], ignore_errors=True)

    def kill_dataplane(self):
        self.dataplane.kill(signal.SIGKILL)
        self.dataplane.popen.wait(5)


def unwrapped(answer):
    """A listing is an object with one array: the array; anything else as it is."""
    values = list(answer.values()) if isinstance(answer, dict) else []
    return values[0] if len(values) == 1 and isinstance(values[0], list) else answer


def as_dict(pairs):
    """[[name, count], ...] or {name: count} as a dictionary."""
    return dict(pairs) if isinstance(pairs, list) else pairs
