"""Renewals/s of the native engine, durable, and of Kea, measured as serve4 does it.

Clients get an address each, then renew by unicast again and again, each asking for twice the lease time it asked for
before: so every renewal is one that must be recorded. How many there are of renewals that the recorded lease covers
already is measured beside it. Last line: one JSON object.
"""

import json
import sys

from serve4 import KEA_ENV, Clients, Other, Ours, kea, measure
from xkl.lab import Lab, LabError, awake, remove_leftovers

CLIENTS = 100_000  # so many that none renews more than a few times in a trial
GROWS = ("--grows", "--lease", 7200)


def main():
    remove_leftovers("xklb")
    with Lab("b") as lab, awake():
        server = Other(lab, "kea1", kea(0), KEA_ENV)
        kea_rate, _ = measure(Clients(server.wire, False), "Kea, one thread", "renew", *GROWS)
        server.close()
        site = Ours(lab, "local")
        clients = Clients(site.wire, True, CLIENTS)
        recorded, half = measure(clients, "ours, each recorded", "renew", *GROWS)
        covered, _ = measure(clients, "ours, recorded before", "renew")
        site.close()
    print(json.dumps({"renew_per_s": round(recorded), "renew_covered_per_s": round(covered),
                      "kea_renew_per_s": round(kea_rate), "ratio_kea": round(recorded / kea_rate, 2),
                      "p99_us": round(half["reply_p99_ms"] * 1000)}))


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        print(f"renew4: {error}", file=sys.stderr)
        sys.exit(1)
