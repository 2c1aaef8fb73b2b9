"""Builds components: `python -m pacificsoft_build component --wit WIT --app app.py --out out.wasm`, and the types of the contract.

A component's imports are what its user is asked to permit, so only those interfaces are imported that the application imports: it is
loaded once natively, with the types of the whole contract, to see which they are. Needs `componentize-py`.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORLD = "rule-node"
#: Every node reads its message and answers.
ALWAYS = ["message", "answer"]

PROBE = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps([name.removeprefix("wit_world.imports.") for name in sys.modules if name.startswith("wit_world.imports.")]))
"""


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="pacificsoft_build", description="Builds Pacificsoft components from Python.")
    commands = parser.add_subparsers(dest="command", required=True)
    types_ = commands.add_parser("types", help="generates the types of the contract, for tests and editors")
    types_.add_argument("--wit", type=Path, required=True, help="folder of the contract")
    types_.add_argument("--out", type=Path, required=True, help="folder that goes onto Python's path")
    component_ = commands.add_parser("component", help="builds a component")
    component_.add_argument("--wit", type=Path, required=True, help="folder of the contract")
    component_.add_argument("--app", type=Path, required=True, help="module that says `Nodes = export(…)`")
    component_.add_argument("--out", type=Path, required=True, help="the component")
    arguments = parser.parse_args()
    try:
        if arguments.command == "types":
            types(arguments.wit, arguments.out)
        else:
            component(arguments.wit, arguments.app, arguments.out)
    except BuildError as error:
        print(f"pacificsoft_build: {error}", file=sys.stderr)
        return 1
    return 0


class BuildError(Exception):
    """Something the author can mend."""


def types(wit: Path, out: Path) -> None:
    """Generates the types of the whole contract into a folder."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    componentize_py("-d", str(wit), "-w", WORLD, "bindings", str(out))


def component(wit: Path, app: Path, out: Path) -> None:
    """Builds a component from a module."""
    if not app.is_file():
        raise BuildError(f"{app} is not there")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        types(wit, work / "types")
        narrow(wit, work / "wit", imports_of(app, work / "types"))
        out.parent.mkdir(parents=True, exist_ok=True)
        paths = [argument for path in (app.resolve().parent, HERE) for argument in ("-p", str(path))]
        componentize_py("-d", str(work / "wit"), "-w", "narrow", "componentize", *paths, "--stub-wasi", "-o", str(out), app.stem)


def imports_of(app: Path, types_: Path) -> list[str]:
    """Interfaces of the contract that a module imports, directly or through the SDK."""
    path = [str(folder) for folder in (app.resolve().parent, HERE, types_)]
    script = f"import sys; sys.path[:0] = {path!r}\n{PROBE}"
    probe = subprocess.run([sys.executable, "-c", script, app.stem], capture_output=True, text=True)
    if probe.returncode:
        raise BuildError(f"{app.name} cannot be imported:\n{probe.stderr.strip()}")
    return json.loads(probe.stdout.strip().splitlines()[-1])


def narrow(wit: Path, out: Path, imports: list[str]) -> None:
    """The contract with a world that imports only some of the interfaces that `rule-node` does."""
    shutil.copytree(wit, out)
    text = (wit / "rule-node.wit").read_text()
    world = re.search(r"world rule-node \{(.*?)\n\}", text, re.DOTALL)
    package = re.search(r"^package .*?;", text, re.MULTILINE)
    if world is None or package is None:
        raise BuildError(f"{wit} is not the contract")
    kept = []
    for line in world.group(1).splitlines():
        offered = re.match(r"\s*import ([a-z0-9-]+);", line)
        if offered is None or offered.group(1).replace("-", "_") in [*ALWAYS, *imports]:
            kept.append(line)
    body = "\n".join(kept)
    (out / "narrow.wit").write_text(f"{package.group(0)}\n\n/// What this component imports.\nworld narrow {{{body}\n}}\n")


def componentize_py(*arguments: str) -> None:
    """Runs componentize-py; shows what it says only when it fails."""
    program = Path(sys.executable).with_name("componentize-py")
    command = [str(program) if program.exists() else "componentize-py", *arguments]
    try:
        ran = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise BuildError("componentize-py is missing: `pip install componentize-py==0.25.1`") from None
    if ran.returncode:
        raise BuildError(f"componentize-py failed:\n{ran.stdout.strip()}\n{ran.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main())
