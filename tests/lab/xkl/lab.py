"""Namespaces, links and processes, owned by one object that removes them."""

import contextlib
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import time

PREFIX = "xkl"


class LabError(Exception):
    """A step of the lab failed; the text says which and why."""


def run(*argv, check=True, timeout=60, **kwargs):
    """Runs a command to its end and returns its CompletedProcess with text output."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=timeout, **kwargs)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(str(a) for a in argv)}: exit {done.returncode}: {done.stdout}{done.stderr}")
    return done


def wait_for(condition, what, timeout=20.0, interval=0.05):
    """Polls until condition() is true and returns its value; LabError naming what after timeout."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"waited {timeout:g} s for {what}")
        time.sleep(interval)


@contextlib.contextmanager
def awake():
    """No CPU halts meanwhile: an idle one polls (the kernel's PM QoS interface, as tuned's network-latency profile uses
    it). In a virtual machine a CPU that halted takes longer to wake than a packet to be answered."""
    with open("/dev/cpu_dma_latency", "wb", buffering=0) as latency:
        latency.write(struct.pack("i", 0))  # microseconds; holds while the file is open
        yield


@contextlib.contextmanager
def quiet():
    """For a load that needs the whole machine: what scripts/test runs beside the suites stands still meanwhile, and no
    CPU halts."""
    session = os.environ.get("XK_BESIDE")
    if session:
        run("pkill", "-STOP", "-s", session, check=False)
    try:
        with awake():
            yield
    finally:
        if session:
            run("pkill", "-CONT", "-s", session, check=False)


def runs(pid):
    """Whether the process is there; one that nobody has waited for yet is not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def in_netns(name):
    """The command prefix that enters a namespace without touching mounts (ip netns exec hides bpffs)."""
    return ["nsenter", f"--net=/run/netns/{name}", "--"]


class Process:
    """A process of the lab with its output in a file."""

    def __init__(self, name, argv, log, env=None):
        self.name, self.log = name, pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(
                [str(a) for a in argv], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                start_new_session=True, env={**os.environ, **(env or {})})

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def output(self):
        return self.log.read_text(errors="replace")

    def kill(self, number=signal.SIGKILL):
        if self.alive():
            self.popen.send_signal(number)

    def stop(self, timeout=10):
        """SIGTERM, then SIGKILL; returns the exit status."""
        self.kill(signal.SIGTERM)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.popen.wait(5)


class Lab:
    """Owner of everything the lab makes. A context manager; close() is idempotent."""

    def __init__(self, tag=""):
        self.tag = PREFIX + tag
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.tag}-"))
        self.directory.chmod(0o755)
        self.namespaces, self.processes, self.closers = [], [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def netns(self, name):
        """Makes namespace <tag>-<name>, its loopback up, and returns its full name."""
        full = f"{self.tag}-{name}"
        run("ip", "netns", "add", full)
        self.namespaces.append(full)
        run("ip", "-n", full, "link", "set", "lo", "up")
        run(*in_netns(full), "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
            "net.ipv6.conf.default.disable_ipv6=1", check=False)
        return full

    def veth(self, a_ns, a_name, b_ns, b_name, mac=None):
        """A veth pair between two namespaces, both ends up; mac is b's."""
        run("ip", "link", "add", a_name, "netns", a_ns, "type", "veth", "peer", "name", b_name, "netns", b_ns)
        if mac:
            run("ip", "-n", b_ns, "link", "set", b_name, "address", mac)
        run("ip", "-n", a_ns, "link", "set", a_name, "up")
        run("ip", "-n", b_ns, "link", "set", b_name, "up")

    def bridge(self, ns, name, members):
        """A bridge that forwards at once, with these members."""
        run("ip", "-n", ns, "link", "add", name, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        for member in members:
            run("ip", "-n", ns, "link", "set", member, "master", name)
        run("ip", "-n", ns, "link", "set", name, "up")

    def spawn(self, ns, name, argv, env=None):
        """Starts a process in a namespace; it ends with the lab."""
        process = Process(name, in_netns(ns) + list(argv), self.directory / f"{name}.log", env)
        self.processes.append(process)
        return process

    def capture(self, ns, interface, name, expression=""):
        """tcpdump of what an interface sees, all of it or what the expression says; returns the pcap's path once it
        listens."""
        path = self.directory / f"{name}.pcap"
        process = self.spawn(ns, f"tcpdump-{name}",
                             ["tcpdump", "-i", interface, "-Z", "root", "--immediate-mode", "-U", "-s", "0", "-w", path,
                              expression])
        wait_for(lambda: "listening on" in process.output() or not process.alive(), f"tcpdump on {interface}")
        if not process.alive():
            raise LabError(f"tcpdump on {interface}: {process.output()}")
        return path

    def on_close(self, action):
        self.closers.append(action)

    def close(self):
        """Ends our processes, removes our namespaces (and with them every link) and files."""
        for process in reversed(self.processes):
            process.kill(signal.SIGTERM)
        for process in reversed(self.processes):
            process.stop(3)
        for action in reversed(self.closers):
            action()
        for name in reversed(self.namespaces):
            run("ip", "netns", "del", name, check=False)
        self.processes, self.closers, self.namespaces = [], [], []
        shutil.rmtree(self.directory, ignore_errors=True)


def remove_leftovers(tag):
    """Removes namespaces <tag>-* that a killed run left, and ends what still runs in them."""
    listed = run("ip", "netns", "list", check=False).stdout.split("\n")
    for line in listed:
        name = line.split(" ")[0]
        if not name.startswith(tag + "-"):
            continue
        for pid in run("ip", "netns", "pids", name, check=False).stdout.split():
            os.kill(int(pid), signal.SIGKILL)
        run("ip", "netns", "del", name, check=False)
