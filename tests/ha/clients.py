"""Many DHCP clients in one namespace: they acquire, renew, release and come again as others, all the time, and
write down what they were told. What must not happen is in `wrong`."""

import collections
import ctypes
import os
import random
import select
import socket
import struct
import threading
import time

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
BROADCAST_MAC, ANY_IP, ALL_ONES = b"\xff" * 6, b"\0" * 4, b"\xff" * 4
DISCOVER, OFFER, REQUEST, ACK, NAK, RELEASE = 1, 2, 3, 5, 6, 7
COOKIE = bytes.fromhex("63825363")
ANSWER_S = 0.35       # how long a client waits before it asks again
TRIES = 6             # of a REQUEST, before it begins anew
RENEW_S = (0.05, 0.6)  # between an ACK and the next renewal
LEAVES = 0.06         # part of the renewals that are a RELEASE instead

Answer = collections.namedtuple("Answer", "time kind mac address server xid")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def frame_of(source_mac, target_mac, source, target, payload):
    udp = struct.pack("!HHHH", 68, 67, 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, source, target)
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return target_mac + source_mac + b"\x08\x00" + header + udp


def message_of(kind, mac, xid, ciaddr=ANY_IP, options=()):
    fixed = struct.pack("!BBBBIHH4s4s4s4s16s192x", 1, 1, 6, 0, xid, 0, 0, ciaddr, ANY_IP, ANY_IP, ANY_IP, mac)
    fields = [(53, bytes([kind])), *options]
    return fixed + COOKIE + b"".join(bytes([code, len(value)]) + value for code, value in fields) + b"\xff"


def answer_of(frame, now):
    """The Answer in a frame to a client, or None."""
    if len(frame) < 282 or frame[12:14] != b"\x08\x00" or frame[23] != 17 or frame[34:38] != b"\x00\x43\x00\x44":
        return None
    message = frame[42:]
    if message[0] != 2 or message[236:240] != COOKIE:
        return None
    options, at = {}, 240
    while at + 1 < len(message) and message[at] != 255:
        if message[at] == 0:
            at += 1
            continue
        options[message[at]] = message[at + 2:at + 2 + message[at + 1]]
        at += 2 + message[at + 1]
    return Answer(now, options.get(53, b"\0")[0], message[28:34], message[16:20], options.get(54),
                  struct.unpack("!I", message[4:8])[0])


class Client:
    def __init__(self, mac):
        self.mac, self.state, self.due = mac, "init", 0.0
        self.address = self.server = None
        self.xid = self.tries = 0
        self.told = collections.deque(maxlen=60)  # the last answers, for a failure's report


class Clients(threading.Thread):
    """`count` clients at a time behind the interface of a namespace; a context manager."""

    def __init__(self, ns, interface, gateway, count, seed, number=0, leaves=LEAVES):
        super().__init__(daemon=True)
        self.ns, self.interface, self.gateway = ns, interface, socket.inet_aton(gateway)
        self.random = random.Random(seed)
        self.leaves = leaves
        self.acked_by = None      # source MAC of the last ACK
        self.number = number      # tells the MACs of several groups apart
        self.made = 0
        self.clients = {}         # MAC -> Client
        self.holders = {}         # address -> MAC that was told so and has not released it
        self.gateway_mac = None   # as ARP said last
        self.announced = []       # MACs that said to have it without being asked
        self.answers = []         # times of all OFFERs and ACKs
        self.acks = []            # Answer
        self.wrong = []           # texts
        self.servers = collections.Counter()  # source MACs of answers
        self.stopping = threading.Event()
        self.ready = threading.Event()
        for _ in range(count):
            self.add()

    def add(self):
        self.made += 1
        mac = bytes([2, 0x0c, self.number]) + self.made.to_bytes(3, "big")
        client = self.clients[mac] = Client(mac)
        client.due = time.monotonic() + self.random.uniform(0, 0.5)

    def __enter__(self):
        self.start()
        assert self.ready.wait(10)
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()

    def run(self):
        with open(f"/run/netns/{self.ns}") as file:
            assert ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) == 0
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as self.socket:
            self.socket.bind((self.interface, 0))
            self.ready.set()
            while not self.stopping.is_set():
                if select.select([self.socket], [], [], 0.01)[0]:
                    for _ in range(64):
                        try:
                            frame, where = self.socket.recvfrom(2048, socket.MSG_DONTWAIT)
                        except BlockingIOError:
                            break
                        if where[2] != 4:  # not our own
                            self.receive(frame)
                now = time.monotonic()
                for client in list(self.clients.values()):
                    if client.due <= now:
                        self.act(client, now)

    # ---- what they say ----

    def send(self, client, kind, ciaddr=ANY_IP, options=(), to_mac=BROADCAST_MAC, to=ALL_ONES):
        client.told.append(f"-> {kind} {socket.inet_ntoa(ciaddr)} {[socket.inet_ntoa(v) for _, v in options]} at {time.strftime('%T')}."
                           f"{time.time_ns() // 1_000_000 % 1000:03} xid {client.xid:08x}")
        payload = message_of(kind, client.mac, client.xid, ciaddr, options)
        self.socket.send(frame_of(client.mac, to_mac, ciaddr, to, payload))

    def arp(self, client):
        body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, client.mac, client.address or ANY_IP, b"\0" * 6,
                           self.gateway)
        self.socket.send(BROADCAST_MAC + client.mac + b"\x08\x06" + body)

    def act(self, client, now):
        client.due = now + ANSWER_S * self.random.uniform(0.8, 1.2)
        if client.state == "requesting" and client.tries < TRIES:
            client.tries += 1
            return self.send(client, REQUEST, options=[(50, client.address), (54, client.server)])
        if client.state in ("init", "requesting"):
            client.state, client.tries = "init", 0
            client.xid = self.random.getrandbits(32)
            return self.send(client, DISCOVER)
        if client.state == "bound" and self.random.random() < self.leaves and self.gateway_mac:
            return self.leave(client)
        # By what the gateway's MAC is believed to be, or as one that rebinds.
        client.state = "renewing"
        client.xid = self.random.getrandbits(32)
        if self.random.random() < 0.5:
            return self.send(client, REQUEST, client.address)
        if self.gateway_mac is None or self.random.random() < 0.5:
            self.arp(client)
        if self.gateway_mac:
            self.send(client, REQUEST, client.address, to_mac=self.gateway_mac, to=self.gateway)

    def leave(self, client):
        # Before it is sent: it is free from then on.
        self.holders.pop(client.address, None)
        client.xid = self.random.getrandbits(32)
        self.send(client, RELEASE, client.address, [(54, client.server)], self.gateway_mac, self.gateway)
        del self.clients[client.mac]
        self.add()

    # ---- what they are told ----

    def receive(self, frame):
        if frame[12:14] == b"\x08\x06":
            if frame[28:32] == self.gateway:  # the sender's address: answers and announcements
                self.gateway_mac = frame[22:28]
                if frame[20:22] == b"\0\1":
                    self.announced.append(frame[22:28])
            return
        answer = answer_of(frame, time.monotonic())
        client = answer and self.clients.get(answer.mac)
        if not client:
            return
        self.servers[frame[6:12]] += 1
        if answer.kind in (OFFER, ACK):
            self.answers.append(answer.time)
        client.told.append(f"{answer.kind} {socket.inet_ntoa(answer.address)} by {text(frame[6:12])} "
                           f"at {time.strftime('%T')}.{time.time_ns() // 1_000_000 % 1000:03} xid {answer.xid:08x} of {client.xid:08x}")
        if answer.kind == ACK:
            self.acked_by = frame[6:12]
            self.acked(client, answer)
        elif answer.xid != client.xid:
            return
        elif answer.kind == OFFER and client.state == "init":
            client.state, client.tries, client.due = "requesting", 0, 0.0
            client.address, client.server = answer.address, answer.server
        elif answer.kind == NAK and client.state == "requesting":
            client.state, client.due = "init", answer.time + 0.05  # what another appliance had offered
        elif answer.kind == NAK and client.state != "init":  # one that has begun anew holds nothing
            self.wrong.append(f"{text(client.mac)} was refused {socket.inet_ntoa(client.address)} when it renewed; it was told "
                              f"{', '.join(client.told)}")
            self.holders.pop(client.address, None)
            client.state, client.address, client.due = "init", None, answer.time + 0.05

    def acked(self, client, answer):
        self.acks.append(answer)
        owner = self.holders.setdefault(answer.address, client.mac)
        if owner != client.mac:
            self.wrong.append(f"{socket.inet_ntoa(answer.address)} is held by {text(owner)} and was given to {text(client.mac)}; "
                              f"they were told {', '.join(self.clients[owner].told)} and {', '.join(client.told)}")
        if client.state == "renewing" and client.address != answer.address:
            self.wrong.append(f"{text(client.mac)} renewed {socket.inet_ntoa(client.address)} and was given "
                              f"{socket.inet_ntoa(answer.address)}; it was told {', '.join(client.told)}")
        client.state, client.address, client.server = "bound", answer.address, answer.server or client.server
        client.due = answer.time + self.random.uniform(*RENEW_S)

    # ---- for tests ----

    def answered_after(self, moment):
        """When the first answer came after a moment of time.monotonic(), or None."""
        return next((t for t in reversed(self.answers_since(moment))), None)

    def silence(self, since):
        """How long at most nobody was answered, from a moment on."""
        times = [since, *sorted(self.answers_since(since)), time.monotonic()]
        return max(later - earlier for earlier, later in zip(times, times[1:]))

    def answers_since(self, moment):
        since = []
        for when in reversed(self.answers):
            if when <= moment:
                break
            since.append(when)
        return since


def text(mac):
    return ":".join(f"{byte:02x}" for byte in mac)
