"""Do the documents say what the program does? Each word of it stands in them, and their links lead somewhere."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
from litestar.routes import HTTPRoute
from prometheus_client import CollectorRegistry
from typer.core import TyperCommand, TyperGroup, TyperOption

from foryou import cli
from foryou.api import rest
from foryou.api.service import Service
from foryou.config import Config, explain
from foryou.domain.event import Action
from foryou.observe.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
ADRS = DOCS / "adr"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CLICK = re.compile(r'^\s*click \w+ "([^"]+)"', re.MULTILINE)
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# Written in pieces, so that this file does not hold what it forbids.
PRIVATE = re.compile(r"(?<![\w.])/" + r"work/|pypi" + r"\.org|registry\." + r"npmjs|\." + r"library\b")


def documents() -> list[Path]:
    """Give every document that is there."""
    top = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    return [path for path in [*top, *sorted(DOCS.rglob("*.md"))] if path.is_file()]


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def everything() -> str:
    return "\n".join(text(path) for path in documents())


Command = TyperCommand | TyperGroup


def commands(group: TyperGroup, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Command]]:
    """Give every command below this one with its words, groups too."""
    for name, command in group.commands.items():
        assert isinstance(command, Command)
        yield " ".join((*words, name)), command
        if isinstance(command, TyperGroup):
            yield from commands(command, (*words, name))


@cache
def command_line() -> dict[str, Command]:
    group = typer.main.get_command(cli.commands())
    assert isinstance(group, TyperGroup)
    return dict(commands(group))


def meters() -> list[str]:
    registry = CollectorRegistry()
    Metrics(registry)
    return [f"{one.name}_total" if one.type == "counter" else one.name for one in registry.collect()]


def routes() -> list[str]:
    def never() -> Service:
        raise AssertionError("The service is made at start-up only")

    served = rest.app(never, Metrics(CollectorRegistry()), bytes).routes
    return sorted(
        f"{method} {route.path_format}"
        for route in served if isinstance(route, HTTPRoute)
        for method in route.methods - {"OPTIONS"}
    )  # fmt: skip


def slug(heading: str) -> str:
    """Give the anchor that a heading has on the web pages of code forges."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {slug(line.lstrip("#")) for line in CODE.sub("", text(path)).splitlines() if line.startswith("#")}


def links(path: Path) -> list[str]:
    """Give the links of a document that stay in the project: those in the text, and those of its drawings."""
    said = CLICK.findall(text(path)) + LINK.findall(CODE.sub("", text(path)))
    return [link for link in said if not re.match(r"[a-z]+:", link)]


def tracked() -> list[Path]:
    """Give the files that git knows or would take, text or not."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, so nobody says which files belong to the project")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("words", command_line())
def test_every_command_and_its_options_stand_in_the_documents(words: str) -> None:
    assert f"foryou {words}" in everything(), f"write about `foryou {words}` in docs/cli.md"
    for option in command_line()[words].params:
        if isinstance(option, TyperOption) and "--help" not in option.opts:
            for name in (*option.opts, *option.secondary_opts):
                assert f"`{name}" in text(DOCS / "cli.md"), f"write about {name} of `foryou {words}` in docs/cli.md"


@pytest.mark.parametrize("key", [key for key, *_ in explain(Config())])
def test_every_setting_stands_in_the_documents(key: str) -> None:
    assert f"`{key}`" in text(DOCS / "configuration.md"), f"write about {key} in docs/configuration.md"


def test_the_documents_say_the_defaults_that_the_program_has() -> None:
    for key, _, usual, _ in explain(Config()):
        row = re.search(rf"^\| `{re.escape(key)}` \| ([^|]+) \|", text(DOCS / "configuration.md"), re.MULTILINE)
        if row is None:  # the placements: one row for both of them
            assert key.startswith("placements.")
            continue
        if isinstance(usual, tuple):
            words = tuple(word.strip("` ") for word in row[1].split(","))
            assert words == tuple(str(one) for one in usual), f"docs/configuration.md: {key}"
            continue
        said = row[1].strip("` ").replace(",", "")
        same = said == (usual or "empty") if isinstance(usual, str) else float(said) == usual
        assert same, f"docs/configuration.md says that {key} is {said} by default, the program says {usual}"


@pytest.mark.parametrize("name", meters())
def test_every_metric_stands_in_the_documents(name: str) -> None:
    assert f"`{name}`" in text(DOCS / "metrics.md"), f"write about {name} in docs/metrics.md"


@pytest.mark.parametrize("route", routes())
def test_every_endpoint_stands_in_the_documents(route: str) -> None:
    assert route in text(DOCS / "api.md"), f"write about {route} in docs/api.md"


@pytest.mark.parametrize("action", list(Action))
def test_every_action_stands_in_the_documents(action: Action) -> None:
    assert f"`{action}`" in text(DOCS / "api.md"), f"write about the action {action} in docs/api.md"


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in links(document):
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), f"{document.relative_to(ROOT)} links to {link}, which is not there"
        assert ROOT in (target, *target.parents), f"{document.relative_to(ROOT)} links out of the project: {link}"
        if anchor:
            assert anchor in anchors(target), f"{document.relative_to(ROOT)} links to {link}, which has no such heading"


def test_every_decision_is_listed() -> None:
    decisions = {path.name for path in ADRS.glob("*.md")} - {"README.md"}
    assert decisions == set(LINK.findall(text(ADRS / "README.md")))
    for number, name in enumerate(sorted(decisions), start=1):
        assert re.match(rf"{number:04}-[a-z0-9-]+\.md$", name), f"{name}: decisions are numbered without gaps"
        assert text(ADRS / name).startswith(f"# {number:04}: ")
        for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**What would change our mind.**"):
            assert part in text(ADRS / name), f"{name} has no {part}"


def test_no_file_names_a_place_of_somebodys_machine_or_a_registry() -> None:
    for path in tracked():
        try:
            found = PRIVATE.search(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            continue
        assert found is None, f"{path.relative_to(ROOT)} says {found[0]!r}"
