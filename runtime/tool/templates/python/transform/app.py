"""{title}: a rule node. `process` is the place to begin."""

from dataclasses import dataclass

from pacificsoft_sdk import Message, Node, Reject, emit, export


@dataclass
class Configuration:
    key: str = "temperature"
    factor: float = 1.8


class {type}(Node):
    """Writes a value in another unit beside it."""

    type_name = "{name}"
    class_ids = ["org.example.{type}"]
    title = "{title}"
    family = "TRANSFORMATION"
    relations = ["Success", "Failure"]
    Configuration = Configuration

    def process(self, message: Message):
        value = message.number(self.configuration.key)
        if value is None:
            raise Reject(f"the message has no number {self.configuration.key}")
        converted = value * self.configuration.factor
        return emit("Success", message.value() | {"converted": converted})


Nodes = export({type})
