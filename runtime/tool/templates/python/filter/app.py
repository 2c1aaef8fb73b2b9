"""{title}: a rule node. `process` is the place to begin."""

from dataclasses import dataclass

from pacificsoft_sdk import Message, Node, Reject, export


@dataclass
class Configuration:
    key: str = "temperature"
    limit: float = 25.0


class {type}(Node):
    """Is a value above a limit?"""

    type_name = "{name}"
    class_ids = ["org.example.{type}"]
    title = "{title}"
    family = "FILTER"
    relations = ["True", "False", "Failure"]
    Configuration = Configuration

    def process(self, message: Message):
        value = message.number(self.configuration.key)
        if value is None:
            raise Reject(f"the message has no number {self.configuration.key}")
        return "True" if value > self.configuration.limit else "False"


Nodes = export({type})
