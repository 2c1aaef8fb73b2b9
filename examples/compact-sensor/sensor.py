#!/usr/bin/env python3
"""A sensor that speaks the example's compact format over MQTT 3.1.1. Needs nothing but Python 3.

With --demo it creates what it needs on a demo server first: a device profile that names the adapter, and a device.
"""

import argparse
import json
import random
import socket
import struct
import time
import urllib.error
import urllib.request

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 0x10, 0x20, 0x30, 0x40, 0x82, 0x90


def text(value):
    return struct.pack(">H", len(value)) + value.encode()


def reading():
    """Version, now, temperature, humidity, battery."""
    temperature, humidity = random.gauss(21, 1), random.uniform(40, 60)
    return struct.pack(">BBBhBBBH", 1, 0xFE, 1, round(temperature * 100), 2, round(humidity * 2), 3, 3300)


class Sensor:
    def __init__(self, arguments):
        self.socket = socket.create_connection((arguments.host, arguments.port))
        self.buffer = b""
        body = text("MQTT") + bytes([4, 0x82]) + struct.pack(">H", 60) + text("") + text(arguments.token)
        self.send(CONNECT, body)
        for first, body in self.packets(5):
            if first == CONNACK and body[1] == 0:
                break
            raise SystemExit(f"the server refused the connection with code {body[1]}")
        self.send(SUBSCRIBE, struct.pack(">H", 1) + text("o") + b"\x00")

    def send(self, first, body):
        length, size = b"", len(body)
        while True:
            size, byte = divmod(size, 128)
            length += bytes([byte | 0x80 if size else byte])
            if not size:
                break
        self.socket.sendall(bytes([first]) + length + body)

    def packet(self):
        """A packet from the front of the buffer, if it is complete."""
        size = 0
        for at, byte in enumerate(self.buffer[1:5]):
            size |= (byte & 0x7F) << (7 * at)
            if byte < 0x80:
                end = at + 2 + size
                if len(self.buffer) < end:
                    return None
                found = self.buffer[0], self.buffer[at + 2 : end]
                self.buffer = self.buffer[end:]
                return found
        return None

    def packets(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            while found := self.packet():
                yield found
            self.socket.settimeout(max(left, 0.001))
            try:
                received = self.socket.recv(4096)
            except TimeoutError:
                return
            if not received:
                raise SystemExit("the server closed the connection")
            self.buffer += received

    def handle(self, first, body):
        if first == PUBACK:
            print(f"reading {struct.unpack('>H', body[:2])[0]} is on disk")
        elif first & 0xF0 == PUBLISH:
            topic = struct.unpack(">H", body[:2])[0]
            payload = body[2 + topic :]
            if payload[0] == 1:
                length = payload[5]
                name, parameters = payload[6 : 6 + length].decode(), payload[6 + length :].decode()
                print(f"command {name} {parameters}")
                self.send(PUBLISH, text("a") + payload[1:5] + b"\x00done")
            else:
                print(f"settings {payload[1:].hex(' ')}")

    def run(self, count, every):
        for number in range(1, count + 1):
            self.send(PUBLISH | 0x02, text("r") + struct.pack(">H", number) + reading())
            for packet in self.packets(every):
                self.handle(*packet)


def call(base, path, token=None, body=None):
    request = urllib.request.Request(base + path, method="GET" if body is None else "POST")
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("X-Authorization", "Bearer " + token)
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, data, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


def prepare(arguments):
    """Creates a profile and a device, unless they are there."""
    login = {"username": "tenant@pacificsoft.org", "password": "tenant"}
    token = call(arguments.http, "/api/auth/login", body=login)["token"]
    transport = {"type": "DEFAULT", "adapter": "compact-sensor"}
    profile = {"configuration": {"type": "DEFAULT"}, "transportConfiguration": transport}
    wanted = [
        ("/api/deviceProfile", {"name": "compact sensor", "profileData": profile}),
        (f"/api/device?accessToken={arguments.token}", {"name": "Sensor " + arguments.token, "type": "compact sensor"}),
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
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--token", default="SENSOR_1", help="access token of the device")
    parser.add_argument("--count", type=int, default=10, help="readings to send")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between readings")
    parser.add_argument("--demo", action="store_true", help="create profile and device on a demo server first")
    parser.add_argument("--http", default="http://127.0.0.1:8080", help="REST API of the demo server")
    arguments = parser.parse_args()
    if arguments.demo:
        prepare(arguments)
    Sensor(arguments).run(arguments.count, arguments.every)


if __name__ == "__main__":
    main()
