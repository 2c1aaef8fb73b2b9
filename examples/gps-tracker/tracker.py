#!/usr/bin/env python3
"""A tracker that speaks the example's binary protocol, over TCP or UDP. Needs nothing but Python 3.

With --demo it creates what it needs on a demo server first: a device and the listeners.
"""

import argparse
import json
import math
import socket
import struct
import time
import urllib.error
import urllib.request

LOGIN, POSITION, STATUS, REPLY, HEARTBEAT = 0x01, 0x02, 0x03, 0x04, 0x05
LOGIN_ANSWER, ACKNOWLEDGEMENT, COMMAND, HEARTBEAT_ANSWER, SETTINGS = 0x81, 0x82, 0x84, 0x85, 0x86
CODES = {0: "done", 1: "again", 2: "not logged in", 3: "denied", 4: "malformed"}
MARK = b"PT"


def checksum(data):
    """CRC-16/CCITT-FALSE."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def frame(kind, number, body):
    content = struct.pack(">HBH", len(body) + 3, kind, number) + body
    return MARK + content + struct.pack(">H", checksum(content))


def position(unit, number, now):
    angle = number / 20
    latitude, longitude = 52.5 + 0.01 * math.sin(angle), 13.4 + 0.01 * math.cos(angle)
    heading = int(math.degrees(angle)) % 360
    fields = (unit, int(now), int(latitude * 1e7), int(longitude * 1e7), 300 + number % 200, heading, 1)
    return frame(POSITION, number, struct.pack(">BIiiHHB", *fields))


class Tracker:
    def __init__(self, arguments):
        self.unit = arguments.unit
        self.udp = arguments.udp
        kind = socket.SOCK_DGRAM if self.udp else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.connect((arguments.host, arguments.port))
        self.buffer = b""

    def send(self, kind, number, body=b""):
        self.socket.sendall(frame(kind, number, bytes([self.unit]) + body))

    def frames(self, seconds):
        """What arrives within some time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            while len(self.buffer) >= 4:
                end = 6 + struct.unpack(">H", self.buffer[2:4])[0]
                if len(self.buffer) < end:
                    break
                content, self.buffer = self.buffer[2 : end - 2], self.buffer[end:]
                kind, number = struct.unpack(">BH", content[2:5])
                yield kind, number, content[5:]
            self.socket.settimeout(max(left, 0.001))
            try:
                received = self.socket.recv(4096)
            except TimeoutError:
                return
            if not received and not self.udp:
                raise SystemExit("the server closed the connection")
            self.buffer += received

    def handle(self, kind, number, body):
        if kind in (LOGIN_ANSWER, ACKNOWLEDGEMENT):
            what = "login" if kind == LOGIN_ANSWER else f"frame {number}"
            print(f"{what}: {CODES.get(body[1], body[1])}")
            if kind == LOGIN_ANSWER and body[1] != 0:
                raise SystemExit(1)
        elif kind == COMMAND:
            length = body[1]
            name, parameters = body[2 : 2 + length].decode(), body[2 + length :].decode()
            print(f"command {name} {parameters}")
            self.send(REPLY, number, bytes([0]) + f"{name} is done".encode())
        elif kind == SETTINGS:
            print(f"settings {body[1:].decode()}")

    def run(self, token, count, every):
        self.send(LOGIN, 1, token.encode())
        for answer in self.frames(2):
            self.handle(*answer)
            if answer[0] == LOGIN_ANSWER:
                break
        self.send(STATUS, 0, bytes([87]) + b"1.0.3")
        for number in range(1, count + 1):
            self.socket.sendall(position(self.unit, number, time.time()))
            for answer in self.frames(every):
                self.handle(*answer)


def call(base, path, token=None, body=None):
    request = urllib.request.Request(base + path, method="GET" if body is None else "POST")
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("X-Authorization", "Bearer " + token)
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, data, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def prepare(arguments):
    """Creates a device and both listeners, unless they are there."""
    login = {"username": "tenant@pacificsoft.org", "password": "tenant"}
    token = call(arguments.http, "/api/auth/login", body=login)["token"]
    carrier = "UDP" if arguments.udp else "TCP"
    wanted = [
        (f"/api/device?accessToken={arguments.token}", {"name": "Tracker " + arguments.token, "type": "tracker"}),
        (
            "/api/plugins/listeners",
            {"name": f"Trackers {carrier}", "adapter": "gps-tracker", "transport": carrier, "port": arguments.port},
        ),
    ]
    for path, body in wanted:
        try:
            call(arguments.http, path, token, body)
            print(f"created: {body['name']}")
        except urllib.error.HTTPError as error:
            reason = json.loads(error.read())["message"]
            if "already exists" not in reason:
                raise SystemExit(f"{body['name']}: {reason}") from error


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7000)
    parser.add_argument("--udp", action="store_true", help="datagrams instead of a connection")
    parser.add_argument("--token", default="TRACKER_1", help="access token of the device")
    parser.add_argument("--unit", type=int, default=1)
    parser.add_argument("--count", type=int, default=10, help="positions to send")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between positions")
    parser.add_argument("--demo", action="store_true", help="create device and listener on a demo server first")
    parser.add_argument("--http", default="http://127.0.0.1:8080", help="REST API of the demo server")
    arguments = parser.parse_args()
    if arguments.demo:
        prepare(arguments)
    Tracker(arguments).run(arguments.token, arguments.count, arguments.every)


if __name__ == "__main__":
    main()
