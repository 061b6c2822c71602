"""So many requests a second, over four connections: `python paced.py PORT RATE SECONDS [OPERATIONS]`."""

from __future__ import annotations

import socket
import sys
import time

SLICE = 0.01


def main(port: int, rate: int, seconds: float, operations: int = 100) -> None:
    paths = [f"/item{chr(97 + i % 10)}/{chr(97 + i // 10 % 10)}{'x' * (i // 100)}" for i in range(operations)]
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
    for each in connections:
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    began = time.monotonic()
    sent = 0
    while (now := time.monotonic()) < began + seconds:
        due = int((now - began) * rate)
        while sent < due:
            connection = connections[sent % 4]
            connection.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % paths[sent % operations].encode())
            connection.recv(65536)
            sent += 1
        time.sleep(SLICE)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), *map(int, sys.argv[4:]))
