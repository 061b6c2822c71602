"""So many DNS queries a second, and their answers: `python dns_load.py RATE SECONDS NAMES ROTATED`.

A server of its own at 127.0.0.77:53 answers each with 8 addresses. ROTATED: 1 gives others in each answer, as some
content networks do. Prints how many answers came.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
import time

WHERE = ("127.0.0.77", 53)
ADDRESSES = 8
SLICE = 0.005


def query(number: int, name: int) -> bytes:
    labels = b"".join(bytes([len(each)]) + each for each in (b"n%d" % name, b"example", b"org"))
    return struct.pack("!6H", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


def serve(rotated: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(WHERE)
        count = 0
        while True:
            asked, client = server.recvfrom(512)
            count += rotated
            first = count + count // 500  # another one each time that a name is asked for again
            name = int(asked[14 : 13 + asked[12]])
            records = b"".join(
                b"\xc0\x0c" + struct.pack("!2HIH", 1, 1, 60, 4) + bytes((198, 18 + (name >> 8), name & 255, each))
                for each in ((first + i) % 250 for i in range(ADDRESSES))
            )
            server.sendto(
                asked[:2] + b"\x81\x80" + asked[4:6] + struct.pack("!3H", ADDRESSES, 0, 0) + asked[12:] + records,
                client,
            )


def ask(rate: int, seconds: float, names: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(WHERE)
        client.settimeout(1)
        began = time.monotonic()
        sent = 0
        while (now := time.monotonic()) < began + seconds:
            due = int((now - began) * rate)
            while sent < due:
                client.send(query(sent, sent % names))
                client.recv(1024)
                sent += 1
            time.sleep(SLICE)
        return sent


def main(rate: int, seconds: float, names: int, rotated: bool) -> None:
    server = os.fork()
    if not server:
        serve(rotated)
    time.sleep(0.3)
    try:
        print(ask(rate, seconds, names))
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), bool(int(sys.argv[4])))
