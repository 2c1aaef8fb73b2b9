"""{title}, natively: `PYTHONPATH=vendor/sdk/python:vendor/types python3 -m unittest`."""

import unittest

from app import {type}
from pacificsoft_sdk.testing import TestMessage


class {type}Test(unittest.TestCase):
    def test_values_above_the_limit_are_true(self):
        node = {type}.opened({"limit": 20})
        self.assertEqual(node.process(TestMessage.telemetry({"temperature": 21})), "True")


if __name__ == "__main__":
    unittest.main()
