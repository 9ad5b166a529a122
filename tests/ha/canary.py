"""How long the machine itself stood still: a process that sleeps 10 ms at a time notes how late it was run, and another
thread of it how long the disk took for a few bytes. A takeover is not the appliances' own while the machine runs nobody."""

import os
import pathlib
import subprocess
import sys
import threading
import time

SLEEP_S, LATE_S, SLOW_DISK_S = 0.01, 0.03, 0.05


class Canary:
    """A context manager."""

    def __init__(self, file):
        self.file = file
        self.seen = []  # what, from, to

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, pathlib.Path(__file__), self.file], stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.reader.join()

    def read(self):
        for line in self.process.stdout:
            what, begin, end = line.split()
            self.seen.append((what, float(begin), float(end)))

    def stood_still(self, begin, end):
        """For how many seconds between two moments of time.monotonic()."""
        return max(sum(max(0.0, min(to, end) - max(since, begin)) for kind, since, to in list(self.seen) if kind == what)
                   for what in ("cpu", "disk"))


def tell(what, begin, end):
    os.write(1, f"{what} {begin} {end}\n".encode())  # at once: there are two threads


def watch_timer():
    while True:
        due = time.monotonic() + SLEEP_S
        time.sleep(SLEEP_S)
        now = time.monotonic()
        if now - due > LATE_S:
            tell("cpu", due, now)


def watch_disk(path):
    with open(path, "wb", buffering=0) as file:
        while True:
            begin = time.monotonic()
            os.pwrite(file.fileno(), b"canary", 0)
            os.fdatasync(file.fileno())
            end = time.monotonic()
            if end - begin > SLOW_DISK_S:
                tell("disk", begin, end)
            time.sleep(SLOW_DISK_S)


if __name__ == "__main__":
    threading.Thread(target=watch_disk, args=(sys.argv[1],), daemon=True).start()
    watch_timer()
