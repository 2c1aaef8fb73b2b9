"""Tells whether a device is inside of a circle, and when it crosses the border.

The node remembers where each device was, also across restarts: the first message of a device leaves along `Inside` or `Outside`, a crossing
leaves along `Entered` or `Left`, with the distance in the metadata.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import asin, cos, radians, sin, sqrt

from pacificsoft_sdk import Message, Node, Reject, emit, export, state

EARTH_RADIUS_M = 6_371_000
#: Devices remembered at most: the platform keeps 1 000 keys for a node. The one that was made first is forgotten; ids sort by age.
DEVICES_MAX = 1_000


@dataclass
class Configuration:
    """Where the fence stands. Paths name the coordinates in the payload."""

    latitude: float = field(default=52.52, metadata={"title": "Latitude of the centre", "minimum": -90, "maximum": 90})
    longitude: float = field(default=13.405, metadata={"title": "Longitude of the centre", "minimum": -180, "maximum": 180})
    radius_m: float = field(default=500.0, metadata={"title": "Radius, metres", "exclusiveMinimum": 0})
    latitude_path: str = "latitude"
    longitude_path: str = "longitude"


class Geofence(Node):
    """Tells whether a device is inside of a circle.

    Messages leave along `Inside` or `Outside`, or along `Entered` or `Left` when the device has crossed the border since its last one.
    """

    class_ids = ["org.example.Geofence"]
    family = "FILTER"
    icon = "share_location"
    relations = ["Inside", "Outside", "Entered", "Left", "Failure"]
    state_schema = "inside/1"
    Configuration = Configuration

    def open(self) -> None:
        if self.configuration.radius_m <= 0:
            raise ValueError("the radius is not above 0")

    def process(self, message: Message):
        latitude = message.number(self.configuration.latitude_path)
        longitude = message.number(self.configuration.longitude_path)
        if latitude is None or longitude is None:
            raise Reject("the message has no coordinates")
        distance_m = self.distance_m(latitude, longitude)
        inside = distance_m <= self.configuration.radius_m
        was = self.remember(message.originator().id, inside)
        if was is None or was == inside:
            return "Inside" if inside else "Outside"
        metadata = dict(message.metadata_entries()) | {"distanceM": str(round(distance_m))}
        return emit("Entered" if inside else "Left", metadata=metadata)

    def remember(self, device: str, inside: bool) -> bool | None:
        """Keeps where a device is; answers where it was."""
        was = state.get(device)
        if was is None and len(known := state.keys()) >= DEVICES_MAX:
            state.delete(known[0])
        if was != bytes([inside]):
            state.set(device, bytes([inside]))
        return None if was is None else was == b"\1"

    def distance_m(self, latitude: float, longitude: float) -> float:
        """From the centre, along a great circle (haversine formula)."""
        here, there = radians(self.configuration.latitude), radians(latitude)
        north, east = there - here, radians(longitude - self.configuration.longitude)
        half = sin(north / 2) ** 2 + cos(here) * cos(there) * sin(east / 2) ** 2
        return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(half)))


Nodes = export(Geofence)
