"""Is every setting described, bounded, read by somebody, and refused with a clear word when it is wrong?"""

import re
from functools import cache
from pathlib import Path

import msgspec
import pytest

from foryou import config
from foryou.config import Boost, Config, Pin, Placement, explain, load
from foryou.domain.errors import Invalid

SOURCE = Path(config.__file__).parent
LEAVES = [key for key, *_ in explain(Config())]


@cache
def all_but_the_configuration() -> str:
    paths = (path for path in SOURCE.rglob("*.py") if path != Path(config.__file__))
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def test_the_tree_has_leaves_of_every_group() -> None:
    groups = {key.split(".")[0] for key in LEAVES if "." in key}
    rest = {"rollout", "ensemble", "observe", "placements"}
    assert groups == {"serve", "stores", "fold", "trend", "train"} | rest
    assert {"home", "data"} < set(LEAVES)


@pytest.mark.parametrize("key", LEAVES)
def test_every_leaf_is_described(key: str) -> None:
    _, value, usual, meaning = next(row for row in explain(Config()) if row[0] == key)
    assert meaning, "no description"
    assert value == usual
    assert not meaning.endswith("."), "a line, not a text"


def test_the_defaults_are_within_their_bounds() -> None:
    assert msgspec.convert(msgspec.to_builtins(Config()), Config) == Config()


@pytest.mark.parametrize("leaf", sorted({key.split(".")[-1] for key in LEAVES}))
def test_every_leaf_has_a_reader(leaf: str) -> None:
    assert re.search(rf"\.{leaf}\b", all_but_the_configuration()), f"nobody reads .{leaf}"


def test_without_a_file_and_variables_the_defaults_hold(tmp_path: Path) -> None:
    found = load(tmp_path, {})
    assert found == msgspec.structs.replace(Config(), home=str(tmp_path))


def written(folder: Path, text: str) -> Path:
    (folder / "foryou.toml").write_text(text, encoding="utf-8")
    return folder


def test_the_file_is_under_the_variables_and_those_are_under_the_caller(tmp_path: Path) -> None:
    home = written(tmp_path, "[serve]\nport = 1111\nworkers = 3\ndeadline_ms = 50\n")
    said = {"FORYOU_SERVE__PORT": "2222", "FORYOU_SERVE__WORKERS": "4", "OTHER_SERVE__PORT": "1"}
    found = load(home, said, serve={"port": 3333, "workers": None})
    assert (found.serve.port, found.serve.workers, found.serve.deadline_ms) == (3333, 4, 50)


def test_variables_set_leaves_of_every_depth_and_type(tmp_path: Path) -> None:
    said = {
        "FORYOU_TRAIN__EASE_DECAY": "0.5", "FORYOU_SERVE__HOST": "0.0.0.0", "FORYOU_DATA": "some/where",
        "FORYOU_PLACEMENTS__HOME__CATEGORY_CAP": "7", "FORYOU_REQUIRE_SERVICES": "1",
    }  # fmt: skip
    found = load(tmp_path, said)
    assert (found.train.ease_decay, found.serve.host, found.data) == (0.5, "0.0.0.0", "some/where")
    assert found.placements["home"] == Placement(category_cap=7)
    assert found.placements["item"] == Config().placements["item"]


def test_the_home_is_that_of_the_caller_or_of_the_variable(tmp_path: Path) -> None:
    home = written(tmp_path, "[serve]\nport = 1111\n")
    assert load(None, {"FORYOU_HOME": str(home)}).serve.port == 1111
    assert load(home, {"FORYOU_HOME": "/elsewhere"}).home == str(home)


def test_a_new_placement_starts_from_the_defaults_and_old_ones_stay(tmp_path: Path) -> None:
    home = written(tmp_path, "[placements.kids]\nlength = 4\n[placements.item]\nlength = 6\n")
    found = load(home, {})
    assert found.placements["kids"] == Placement(length=4)
    assert found.placements["item"].similar == Config().placements["item"].similar
    assert found.placements["item"].length == 6
    assert "placements.kids.length" in [key for key, *_ in explain(found)]
    assert next(row for row in explain(found) if row[0] == "placements.item.length")[1:3] == (6, 20)


WRONG = [
    ("[serve]\nprot = 1\n", "configuration: Object contains unknown field `prot` - at `$.serve`; "),
    ("[servers]\nport = 1\n", "configuration: Object contains unknown field `servers`; "),
    ("[serve]\nport = 0\n", "configuration: Expected `int` >= 1 - at `$.serve.port`; "),
    ("[serve]\nport = 70000\n", "configuration: Expected `int` <= 65535 - at `$.serve.port`; "),
    ('[serve]\nport = "high"\n', "configuration: Expected `int`, got `str` - at `$.serve.port`; "),
    ("[train]\nease_decay = 1.5\n", "configuration: Expected `float` <= 1.0 - at `$.train.ease_decay`; "),
    ("[placements.home]\nexplore_share = 2.0\n", "configuration: Expected `float` <= 1.0 - at `$.placements[...]"),
    ("serve = 3\n", "configuration: Expected `object`, got `int` - at `$.serve`; "),
    (
        '[placements.home]\nranker = "magic"\n',
        "configuration: Invalid enum value 'magic' - at `$.placements[...].ranker`",
    ),
    ('[[placements.home.pins]]\nitem = "a"\nplace = 0\n', "configuration: Expected `int` >= 1 - at `$.placements"),
    ("placements = 3\n", "configuration: Expected `object`, got `int` - at `$.placements`; "),
    ("[placements]\nhome = 3\n", "configuration: Expected `object`, got `int` - at `$.placements[...]`; "),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=range(len(WRONG)))
def test_what_is_unknown_or_out_of_bounds_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Invalid, match=re.escape(said)) as caught:
        load(written(tmp_path, text), {})
    assert caught.value.mend == "`foryou config --explain` lists every key with its bounds"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("filter = 'price <'", "placements.kids.filter: at character 8: a number is expected, not the end"),
        ("boosts = [{when = 'x = 1', add = 1}]", "placements.kids.boosts: at character 1: `x` is not a field"),
        (
            "pins = [{item = 'a', place = 2}, {item = 'b', place = 2}]",
            "placements.kids.pins: place 2 is given twice; give each pin a place of its own",
        ),
    ],
)
def test_an_expression_or_a_pin_that_cannot_be_is_refused_when_it_is_loaded(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(Invalid, match=re.escape(said)):
        load(written(tmp_path, f"[placements.kids]\n{text}\n"), {})


def test_boosts_pins_and_places_are_read_from_the_file(tmp_path: Path) -> None:
    text = """
[placements.kids]
filter = 'not tag = "violence"'
sponsored_places = [1, 4]
calibration = 0.5
[[placements.kids.boosts]]
when = 'category = "Sale"'
add = 0.5
[[placements.kids.pins]]
item = "42"
place = 3
"""
    found = load(written(tmp_path, text), {}).placements["kids"]
    assert found == Placement(
        filter='not tag = "violence"', sponsored_places=(1, 4), calibration=0.5,
        boosts=(Boost('category = "Sale"', 0.5),), pins=(Pin("42", 3),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"FORYOU_SERVE__PROT": "1"}, "unknown field `prot`"),
        ({"FORYOU_NONSENSE": "1"}, "unknown field `nonsense`"),
        ({"FORYOU_SERVE__PORT": "x"}, "at `$.serve.port`"),
        ({"FORYOU_SERVE": "1"}, "at `$.serve`"),
        ({"FORYOU_SERVE__PORT": "2", "FORYOU_SERVE": "1"}, "at `$.serve`"),
        ({"FORYOU_SERVE": "1", "FORYOU_SERVE__PORT": "2"},
         "FORYOU_SERVE__PORT: serve is set as a whole by another variable; unset one of the two"),
        ({"FORYOU_SERVE__PORT__X": "1"}, "at `$.serve.port`"),
        ({"FORYOU_PLACEMENTS": "1"}, "at `$.placements`"),
    ],
)  # fmt: skip
def test_a_variable_that_sets_nothing_is_an_error(tmp_path: Path, said: dict[str, str], text: str) -> None:
    with pytest.raises(Invalid, match=re.escape(text)):
        load(tmp_path, said)


def test_a_file_that_is_no_toml_is_named_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"foryou.toml: .*line 2.*; mend the line, or remove the file"):
        load(written(tmp_path, "[serve]\nport 1\n"), {})


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "foryou.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Invalid, match=r"foryou.toml: .*utf-8.*; mend the line, or remove the file"):
        load(tmp_path, {})


def test_an_override_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="unknown field `prot`"):
        load(tmp_path, {}, serve={"prot": 1})
