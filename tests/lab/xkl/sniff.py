"""A sniffer that knows whether it missed anything, and as much of DHCP as is to be looked at."""

import collections
import ctypes
import select
import socket
import struct
import threading
import time

from .lab import LabError

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33
OUTGOING = 4  # sll_pkttype
BUFFER_BYTES = 64 << 20

DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6
IP_AT, UDP_BYTES, BOOTP_BYTES = 14, 8, 240

Packet = collections.namedtuple("Packet", "time_s outgoing source destination type giaddr circuit_id")


def options_of(field):
    """[(code, value)] of an options field, or of option 82's content (which has no END)."""
    found, at = [], 0
    while at + 1 < len(field) and field[at] != 255:
        if field[at] == 0:
            at += 1
            continue
        found.append((field[at], field[at + 2:at + 2 + field[at + 1]]))
        at += 2 + field[at + 1]
    return found


def dhcp_of(frame, time_s, outgoing):
    """The Packet in an untagged frame, or None if it is no DHCP."""
    if len(frame) < IP_AT + 20 or frame[12:14] != b"\x08\x00" or frame[IP_AT + 9] != 17:
        return None
    udp = IP_AT + 4 * (frame[IP_AT] & 15)
    message = frame[udp + UDP_BYTES:]
    if not {67, 68} & set(struct.unpack_from("!HH", frame, udp)) or len(message) < BOOTP_BYTES:
        return None
    options = dict(options_of(message[BOOTP_BYTES:]))
    agent = dict(options_of(options.get(82, b"")))
    return Packet(time_s, outgoing, socket.inet_ntoa(frame[IP_AT + 12:IP_AT + 16]),
                  socket.inet_ntoa(frame[IP_AT + 16:IP_AT + 20]), options.get(53, b"\0")[0],
                  socket.inet_ntoa(message[24:28]), agent.get(1, b"").decode(errors="replace"))


class Sniffer(threading.Thread):
    """All DHCP that an interface sees, in `packets`. A context manager; nothing is missed, or close() says so."""

    def __init__(self, ns, interface):
        super().__init__(daemon=True)
        self.ns, self.interface = ns, interface
        self.packets = []
        self.missed = None
        self.ready, self.ending = threading.Event(), threading.Event()
        self.error = None
        self.start()
        self.ready.wait(10)
        if self.error:
            raise LabError(f"sniffer on {interface}: {self.error}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def run(self):
        try:
            self.listen()
        except OSError as error:
            self.error = error
        self.ready.set()

    def listen(self):
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{self.ns}", "rb") as target:
            if libc.setns(target.fileno(), CLONE_NEWNET) != 0:  # of this thread only
                raise OSError(ctypes.get_errno(), f"setns {self.ns}")
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sock.bind((self.interface, ETH_P_ALL))
            self.ready.set()
            while not self.ending.is_set():
                if select.select([sock], [], [], 0.05)[0]:
                    self.take(sock)
            last = time.time()  # what comes later is not waited for
            while select.select([sock], [], [], 0)[0] and self.take(sock) < last:
                pass
            self.missed = struct.unpack("II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]

    def take(self, sock):
        frame, ancillary, _, address = sock.recvmsg(2048, 64)
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
        time_s = seconds + nanoseconds / 1e9
        packet = dhcp_of(frame, time_s, address[2] == OUTGOING)
        if packet:
            self.packets.append(packet)
        return time_s

    def count(self, *types):
        """How many there were of these message types."""
        return sum(1 for packet in list(self.packets) if packet.type in types)

    def close(self):
        """Ends it when all is read that has arrived; LabError if anything was missed."""
        self.ending.set()
        self.join(30)
        if self.missed != 0:
            raise LabError(f"sniffer on {self.interface} in {self.ns} missed {self.missed} packets {self.error or ''}")
