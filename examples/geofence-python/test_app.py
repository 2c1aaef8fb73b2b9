"""The geofence, natively."""

import unittest

from app import Geofence
from pacificsoft_sdk import Reject
from pacificsoft_sdk.testing import TestMessage, platform

BERLIN, POTSDAM = (52.52, 13.405), (52.39, 13.06)


def at(place: tuple[float, float]) -> TestMessage:
    return TestMessage.telemetry({"latitude": place[0], "longitude": place[1]}, deviceName="tracker")


class GeofenceTest(unittest.TestCase):
    def setUp(self):
        platform.reset()

    def test_tells_where_a_device_is_and_when_it_crosses(self):
        node = Geofence.opened({})
        self.assertEqual(node.process(at(BERLIN)), "Inside")
        self.assertEqual(node.process(at(BERLIN)), "Inside")
        left = node.process(at(POTSDAM))
        self.assertEqual(left.relation, "Left")
        metadata = dict(left.message.metadata)
        self.assertEqual(metadata["deviceName"], "tracker")
        self.assertAlmostEqual(int(metadata["distanceM"]), 27_500, delta=500)
        self.assertEqual(node.process(at(POTSDAM)), "Outside")
        self.assertEqual(node.process(at(BERLIN)).relation, "Entered")

    def test_forgets_the_oldest_device_when_there_are_too_many(self):
        platform.state.update({f"{number:04}": b"\1" for number in range(1_000)})
        self.assertEqual(Geofence.opened({}).process(at(BERLIN)), "Inside")
        self.assertEqual(len(platform.state), 1_000)
        self.assertNotIn("0000", platform.state)

    def test_refuses_what_it_cannot_use(self):
        with self.assertRaises(Reject):
            Geofence.opened({}).process(TestMessage.telemetry({"latitude": 1}))
        for bad in ({"radius_m": 0}, {"radius_m": "far"}):
            with self.assertRaises(ValueError):
                Geofence.opened(bad)


if __name__ == "__main__":
    unittest.main()
