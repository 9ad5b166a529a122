"""Sends random mutations of valid frames on an interface: run inside the sender's namespace.

Usage: mutate.py INTERFACE COUNT SEED FILE...   each FILE a pcap with frames to mutate
"""

import random
import socket
import struct
import sys

MUTATIONS = ("flip", "set", "cut", "grow", "swap", "length")


def frames_of(path):
    """The frames of a classic little-endian pcap file."""
    data = open(path, "rb").read()
    at, frames = 24, []
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        frames.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return frames


def mutated(frame, rng):
    """One to four changes anywhere in the frame; at least 14 bytes stay."""
    frame = bytearray(frame)
    for _ in range(rng.randint(1, 4)):
        kind, at = rng.choice(MUTATIONS), rng.randrange(len(frame))
        if kind == "flip":
            frame[at] ^= 1 << rng.randrange(8)
        elif kind == "set":
            frame[at] = rng.choice((0, 1, 4, 0x7f, 0x80, 0xff, 52, 53, 82, 255))
        elif kind == "cut":
            del frame[max(14, at):]
        elif kind == "grow":
            frame += rng.randbytes(rng.randint(1, 64))
        elif kind == "swap":
            other = rng.randrange(len(frame))
            frame[at], frame[other] = frame[other], frame[at]
        elif at + 1 < len(frame):
            struct.pack_into(">H", frame, at, rng.choice((0, 7, 8, 20, 576, 1500, 0xffff)))
    return bytes(frame[:1514])


def with_sums(frame):
    """The same with right IPv4 and no UDP checksum, where it still looks like that: so that mutations get deep."""
    frame = bytearray(frame)
    at = 12
    while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    ip = at + 2
    if frame[at:at + 2] != b"\x08\x00" or len(frame) < ip + 28 or frame[ip] != 0x45 or frame[ip + 9] != 17:
        return bytes(frame)
    frame[ip + 10:ip + 12] = b"\0\0"
    total = sum(struct.unpack_from(">10H", frame, ip))
    total = (total & 0xffff) + (total >> 16)
    total = (total & 0xffff) + (total >> 16)
    struct.pack_into(">H", frame, ip + 10, total ^ 0xffff)
    frame[ip + 26:ip + 28] = b"\0\0"
    return bytes(frame)


def main(interface, count, seed, *files):
    rng = random.Random(int(seed))
    seeds = [frame for path in files for frame in frames_of(path)]
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind((interface, 0))
    sent = 0
    while sent < int(count):
        frame = mutated(rng.choice(seeds), rng)
        try:
            sender.send(with_sums(frame) if rng.random() < 0.8 else frame)
            sent += 1
        except OSError:  # the link takes no frame like this one
            continue
    print(f"sent {sent} mutations of {len(seeds)} frames, seed {seed}")


if __name__ == "__main__":
    main(*sys.argv[1:])
