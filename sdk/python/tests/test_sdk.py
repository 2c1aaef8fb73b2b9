"""The SDK, natively: schemas, outcomes, the glue, messages and the test's platform."""

import json
import unittest
from dataclasses import dataclass, field
from typing import Literal, Optional

from componentize_py_types import Err
from wit_world.imports import answer, outcome

from pacificsoft_sdk import (
    EntityId,
    Node,
    Reject,
    alarms,
    by_id,
    by_name,
    clock,
    content,
    credentials,
    customers,
    effect,
    emit,
    end,
    entities,
    export,
    history,
    http_request,
    identity,
    log,
    metrics,
    package,
    payload,
    proxy,
    publish,
    readings,
    relations,
    schema,
    secret,
    tls,
)
from pacificsoft_sdk.testing import TestMessage, named, platform


@dataclass
class Range:
    low: float = 0.0
    high: Optional[float] = None


@dataclass
class Configuration:
    key: str
    mode: Literal["raise", "clear"] = "raise"
    count: int = field(default=3, metadata={"minimum": 1})
    ranges: list[Range] = field(default_factory=list)


class HotURLNode(Node):
    """One sentence.

    More help.
    """

    class_ids = ["org.example.Hot"]
    relations = ["True", "False", "Failure"]
    Configuration = Configuration

    def process(self, message):
        answers = {"name": "False", "elsewhere": "Elsewhere", "several": [effect("clear-alarm", alarm_type="hot"), "True"], "nothing": None}
        return answers[message.text("say")]


class SchemaTest(unittest.TestCase):
    def test_a_dataclass_says_what_is_expected(self):
        told = schema.schema(Configuration)
        self.assertEqual(told["required"], ["key"])
        self.assertEqual(told["properties"]["count"], {"type": "integer", "minimum": 1, "default": 3})
        self.assertEqual(told["properties"]["mode"]["enum"], ["raise", "clear"])
        self.assertEqual(told["properties"]["ranges"]["items"]["properties"]["high"]["anyOf"][1], {"type": "null"})
        self.assertEqual(schema.defaults(Configuration), {"mode": "raise", "count": 3, "ranges": []})

    def test_configurations_are_read_and_refused(self):
        read = schema.read(Configuration, {"key": "t", "ranges": [{"high": 4}], "more": 1})
        self.assertEqual(read, Configuration("t", ranges=[Range(0.0, 4.0)]))
        for value, says in [
            ({}, "key is missing"),
            ({"key": 4}, "key is 4, not string"),
            ({"key": "t", "count": 1.5}, "count is 1.5, not integer"),
            ({"key": "t", "count": True}, "count is True, not integer"),
            ({"key": "t", "mode": "other"}, "one of raise, clear"),
            ({"key": "t", "ranges": [{"low": "x"}]}, "ranges[0].low"),
            ([], "not object"),
        ]:
            with self.assertRaises(ValueError) as refused:
                schema.read(Configuration, value)
            self.assertIn(says, str(refused.exception))


class OutcomeTest(unittest.TestCase):
    def test_effects_have_their_fields_by_name(self):
        saved = effect("save-time-series", values={"t": 1})
        name, record = named(saved)
        self.assertEqual((name, record.entity, record.ttl_seconds), ("save-time-series", None, 0))
        self.assertEqual(record.values, content({"t": 1}))
        self.assertEqual(named(effect("save-attributes", scope="SERVER_SCOPE", values=payload()))[1].values, payload())
        self.assertEqual(named(effect("report-presence", event="inactive", timestamp=5))[1].event.name, "INACTIVE")
        replied = named(effect("reply-rest", request_id="r", payload=[1]))
        self.assertEqual((replied[0], replied[1].payload), ("reply-rest", content([1])))
        row = named(effect("save-row", table="t", columns={"a": 1}))[1]
        self.assertEqual((row.table, row.columns, row.ttl_seconds), ("t", content({"a": 1}), 0))
        for wrong, error in [
            (lambda: effect("no-such"), ValueError),
            (lambda: effect("clear-alarm"), TypeError),
            (lambda: effect("clear-alarm", alarm_type="a", colour="red"), TypeError),
        ]:
            self.assertRaises(error, wrong)

    def test_requests_have_text_with_secrets_in_it(self):
        asked = http_request("POST", ["https://a/", secret("key")], headers={"X-A": "b"}, basic_auth=("u", [secret("word")]), body={"t": 1})
        name, request = named(asked)
        self.assertEqual((name, request.method, request.timeout_ms), ("http-request", "POST", 0))
        self.assertEqual(request.url, [outcome.Piece_Text("https://a/"), outcome.Piece_Secret("key")])
        self.assertEqual(request.headers, [("X-A", [outcome.Piece_Text("b")])])
        self.assertEqual(request.basic_auth, ([outcome.Piece_Text("u")], [outcome.Piece_Secret("word")]))
        self.assertEqual(request.body, outcome.RequestBody_Content(content({"t": 1})))
        self.assertEqual(named(http_request("GET", "https://a/", text=""))[1].body, outcome.RequestBody_Text([outcome.Piece_Text("")]))
        self.assertIsNone(named(http_request("GET", "https://a/"))[1].body)
        self.assertEqual(named(http_request("GET", "https://a/", accepted_if="/ok"))[1].accepted_if, "/ok")

    def test_a_conversation_may_have_certificates_of_its_own(self):
        own = tls(authorities="PEM", identity=identity("PEM", [secret("key")]))
        pem, key, word = [outcome.Piece_Text("PEM")], [outcome.Piece_Secret("key")], [outcome.Piece_Secret("word")]
        self.assertEqual(own, outcome.Tls(pem, outcome.Identity(pem, key, None)))
        self.assertEqual(identity("PEM", [secret("key")], password=[secret("word")]), outcome.Identity(pem, key, word))
        self.assertEqual(named(http_request("GET", "https://a/", tls=own))[1].tls, own)
        self.assertEqual(named(publish("mqtts://b", "t", body={}, tls=own))[1].tls, own)
        self.assertIsNone(named(publish("mqtts://b", "t", body={}))[1].tls)

    def test_a_request_may_go_by_way_of_a_proxy(self):
        way = proxy("http://proxy.test:3128", basic_auth=("u", [secret("word")]))
        login = ([outcome.Piece_Text("u")], [outcome.Piece_Secret("word")])
        self.assertEqual(way, outcome.Proxy("http://proxy.test:3128", login))
        self.assertEqual(named(http_request("GET", "https://a/", proxy=way))[1].proxy, way)
        self.assertIsNone(named(http_request("GET", "https://a/"))[1].proxy)
        self.assertEqual(named(publish("smtp://a", "b", text="c", proxy=way))[1].proxy, way)
        self.assertIsNone(proxy("http://proxy.test:3128").basic_auth)

    def test_what_is_kept_is_said_by_a_word(self):
        kept = named(effect("save-time-series", values={"t": 1}, keep="latest"))[1]
        self.assertEqual((kept.keep, kept.quiet), (outcome.Keep.LATEST, False))
        self.assertIsNone(named(effect("save-attributes", scope="SERVER_SCOPE", values={}))[1].keep)

    def test_a_publish_names_its_broker(self):
        told = publish("mqtt://broker.test", "a/b", text=["x", secret("s")], basic_auth=("u", [secret("word")]), options={"retain": "true"})
        name, one = named(told)
        self.assertEqual((name, one.broker, one.topic, one.options, one.timeout_ms), ("publish", "mqtt://broker.test", "a/b", [("retain", "true")], 0))
        self.assertEqual(one.payload, outcome.RequestBody_Text([outcome.Piece_Text("x"), outcome.Piece_Secret("s")]))
        self.assertEqual(one.basic_auth, ([outcome.Piece_Text("u")], [outcome.Piece_Secret("word")]))
        self.assertEqual(named(publish("mqtt://b", "t", body={"t": 1}))[1].payload, outcome.RequestBody_Content(content({"t": 1})))
        self.assertIsNone(named(effect("leave-chain"))[1].relation)
        self.assertEqual(named(effect("enter-chain", of_originator=True))[1], outcome.EnterChain(None, True))

    def test_a_changed_message_keeps_what_is_not_given(self):
        message = emit("Success", {"a": 1}, metadata={"k": "v"}).message
        self.assertEqual((message.kind, message.metadata, message.payload), (None, [("k", "v")], content({"a": 1})))


class PackageTest(unittest.TestCase):
    def setUp(self):
        self.told = []
        answer.decide = self.told.append
        answer.fail = self.told.append
        self.nodes = export(HotURLNode)()

    def test_describes_itself(self):
        (told,) = self.nodes.describe()
        self.assertEqual((told.type_name, told.title), ("hot-url-node", "hot url node"))
        self.assertEqual((told.description, told.details), ("One sentence.", "More help."))
        self.assertEqual(json.loads(told.configuration_schema)["required"], ["key"])

    def test_errors_are_the_contracts(self):
        for refused in (
            lambda: self.nodes.open("hot-url-node", "{}"),
            lambda: self.nodes.open("hot-url-node", "{oops"),
            lambda: self.nodes.open("other", "{}"),
            lambda: self.nodes.upgrade("other", 0, "{}"),
        ):
            self.assertRaises(Err, refused)
        self.assertEqual(self.nodes.upgrade("hot-url-node", 0, '{"key": "t"}'), '{"key": "t"}')

    def test_every_answer_becomes_the_contracts(self):
        self.nodes.open("hot-url-node", '{"key": "t"}')
        for say, number in [("name", 1), ("elsewhere", package.HANDED_OVER), ("several", package.HANDED_OVER), ("nothing", package.HANDED_OVER)]:
            package._MESSAGE = TestMessage.telemetry({"say": say})
            self.assertEqual(self.nodes.process(), number, say)
        elsewhere, several, nothing = self.told
        self.assertEqual(elsewhere, outcome.Outcome_Steps(outcome.Steps([], [outcome.Emission("Elsewhere", None)])))
        self.assertEqual([len(several.value.effects), len(several.value.emissions)], [1, 1])
        self.assertIn("None", nothing)
        self.assertEqual(package.outcome(end()), outcome.Outcome_Steps(outcome.Steps([], [])))

    def test_an_exception_fails_the_message(self):
        self.nodes.open("hot-url-node", '{"key": "t"}')
        package._MESSAGE = TestMessage.telemetry({"say": "surprise"})
        self.assertEqual(self.nodes.process(), package.HANDED_OVER)
        self.assertEqual(self.told, ["KeyError: 'surprise'"])
        self.assertEqual(package.reason(Reject("no")), "no")


class TestingTest(unittest.TestCase):
    def test_a_message_reads_like_the_hosts(self):
        message = TestMessage.telemetry({"a": [1, {"b/c": True}], "n": 2.5, "s": "x", "z": None}, k="v")
        self.assertEqual((message.number("n"), message.number("s"), message.integer("/a/0")), (2.5, None, 1))
        self.assertEqual((message.boolean("/a/1/b~1c"), message.text("s"), message.length("a")), (True, "x", 2))
        self.assertEqual([message.shape(path).name for path in ("", "z", "none", "/a/7")], ["OBJECT", "NULL", "ABSENT", "ABSENT"])
        self.assertEqual((message.keys(), message.metadata("k"), message.value("/a/0")), (["a", "n", "s", "z"], "v", 1))
        self.assertIsNone(message.json("none"))

    def test_the_platform_remembers_and_answers(self):
        platform.reset()
        log.warn("careful")
        self.assertEqual(platform.lines, [("warn", "careful")])
        entity = TestMessage.telemetry({}).originator()
        platform.attributes[(entity.id, "SERVER_SCOPE", "limit")] = 7
        platform.latest[(entity.id, "t")] = (5, 21.5)
        platform.now_ms = 9
        self.assertEqual(readings.attribute(entity, "SERVER_SCOPE", "limit"), 7)
        self.assertIsNone(readings.attribute(entity, "CLIENT_SCOPE", "limit"))
        self.assertEqual((readings.latest(entity, "t"), clock.now_ms()), ((5, 21.5), 9))


class ReadsTest(unittest.TestCase):
    def setUp(self):
        platform.reset()

    def test_what_is_stored_is_read_from_the_platform(self):
        device, owner = EntityId("DEVICE", "d"), EntityId("CUSTOMER", "c")
        info = lambda id, name, customer=None: entities.EntityInfo(id, name, "", None, None, 0, customer, None, [])
        platform.entities = [info(device, "D", owner), info(owner, "C")]
        platform.attributes = {("d", "SERVER_SCOPE", "limit"): 7}
        platform.latest = {("d", "t"): (5, 20)}
        platform.series = {("d", "t"): [(1, 10), (2, 15), (5, 20)]}
        platform.relations = [(device, "Has", owner)]
        view = entities.EntityView(EntityId("ENTITY_VIEW", "v"), "V", ["t"], [], [], ["limit"], 0, None)
        platform.views = [(device, view)]
        self.assertEqual((entities.views(device), entities.views(owner)), ([view], []))
        platform.alarms = [{"id": {"id": "a"}, "type": "hot", "originator": {"id": "d"}}]
        platform.credentials = {"d": credentials.DeviceCredentials("ACCESS_TOKEN", "token", None)}
        self.assertEqual(readings.attributes(device, "SERVER_SCOPE", ["limit", "none"]), {"limit": (1, 7)})
        self.assertEqual(readings.latest_values(device, ["t", "none"]), {"t": (5, 20)})
        self.assertEqual(history.series(device, "t", from_ms=2, limit=2, newest_first=True), [(5, 20), (2, 15)])
        self.assertEqual((entities.get(device).name, entities.get(owner)), ("D", None))
        self.assertEqual((entities.find("DEVICE", "D"), entities.find("DEVICE", "E"), customers.find("C")), (device, None, owner))
        self.assertEqual((customers.get(owner).name, customers.of(device).name, customers.of(owner)), ("C", "C", None))
        self.assertEqual(relations.of(owner, relations.Direction.INCOMING), [relations.Related("Has", device)])
        self.assertTrue(relations.exists(device, owner, "Has"))
        self.assertEqual((alarms.active(device, "hot")["id"]["id"], alarms.active(device, "cold")), ("a", None))
        self.assertEqual((alarms.get("a")["type"], len(alarms.all_active(device))), ("hot", 1))
        self.assertEqual(credentials.of(device).credentials_id, "token")
        metrics.add("seen")
        metrics.add("seen", 2)
        metrics.set("depth", 1.5)
        self.assertEqual(platform.figures, {"seen": 3, "depth": 1.5})

    def test_effects_name_entities_by_id_or_by_name(self):
        related = effect("create-relation", target=by_name("DEVICE", "D"), relation_type="Has")
        name, record = named(related)
        self.assertEqual((name, record.source, record.target.value.name), ("create-relation", None, "D"))
        self.assertEqual(by_id(EntityId("DEVICE", "d")).value.id, "d")


if __name__ == "__main__":
    unittest.main()
