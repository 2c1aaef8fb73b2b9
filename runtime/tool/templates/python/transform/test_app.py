"""{title}, natively: `PYTHONPATH=vendor/sdk/python:vendor/types python3 -m unittest`."""

import unittest

from app import {type}
from pacificsoft_sdk import Reject
from pacificsoft_sdk.testing import TestMessage


class {type}Test(unittest.TestCase):
    def test_a_message_without_the_value_fails(self):
        node = {type}.opened({"factor": 2.0})
        node.process(TestMessage.telemetry({"temperature": 21}))
        with self.assertRaises(Reject):
            node.process(TestMessage.telemetry({"humidity": 21}))


if __name__ == "__main__":
    unittest.main()
