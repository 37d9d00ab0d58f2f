"""Can somebody bring a file of his own, have a mapping proposed, import it and have it examined? By commands only."""

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from foryou.cli import commands
from foryou.domain.errors import Invalid

START_S = 1_600_000_000
SHOP = "id,name,kind,price\n" + "".join(f"p{n},Thing {n},{'tea' if n % 2 else 'cup'},{n}.5\n" for n in range(20))
LOG = "visitor_id,product_id,event,timestamp\n" + "".join(
    f"v{user},p{(user * 3 + step) % 20},{'buy' if step % 3 else 'view'},{START_S + step * 7_000 + user * 131 % 977}\n"
    for step in range(12)
    for user in range(30)
)


def foryou(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(commands(), [str(word) for word in words])
    if isinstance(done.exception, Exception):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "items.csv").write_text(SHOP)
    (folder / "log.csv").write_text(LOG)
    return folder


def test_a_guessed_mapping_imports_and_the_doctor_is_content(folder: Path, tmp_path: Path) -> None:
    mapping, home = tmp_path / "shop.toml", tmp_path / "home"
    mapping.write_text(foryou("import", "--guess", folder))
    done = json.loads(foryou("import", folder, "--mapping", mapping, "--home", home, "--json"))
    assert (done["events"], done["items"], done["users"], done["rejected"], done["orphans"]) == (360, 20, 30, 0, 0)
    again = json.loads(foryou("import", folder, "--mapping", mapping, "--home", home, "--json"))
    assert (again["stored"], again["repeats"]) == (0, 380)
    found = json.loads(foryou("doctor", "--home", home, "--json"))
    assert (found["healthy"], found["events"], found["items"]) == (True, 360, 20)


def test_a_guess_as_json_holds_the_same_mapping(folder: Path) -> None:
    found = json.loads(foryou("import", "--guess", folder / "log.csv", "--json"))
    assert tomllib.loads(found["toml"]) == found["mapping"]
    assert found["mapping"]["events"][0]["user_id"] == "visitor_id"
    assert any("left out" in doubt for doubt in found["unsure"])


def test_the_doctor_ends_with_3_where_something_is_wrong_and_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    mapping = tmp_path / "log.toml"
    mapping.write_text(foryou("import", "--guess", folder / "log.csv"))
    said = foryou("import", folder / "log.csv", "--mapping", mapping, "--home", home)
    assert "0 lines rejected" in " ".join(said.split())
    said = " ".join(foryou("doctor", "--home", home, code=3).split())
    assert "error orphan events: 360 of 360 events are about items, and the catalog is empty" in said
    assert "send the items (PUT /v1/items/{item_id}, or [[items]] in the mapping" in said
    assert "not fit to learn from (1 errors, 0 warnings, 0 notes)" in said


def test_rows_that_are_left_out_are_counted(folder: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "log.toml"
    mapping.write_text(foryou("import", "--guess", folder / "log.csv") + '[events.skip]\nvisitor_id = "v1"\n')
    said = foryou("import", folder, "--mapping", mapping, "--home", tmp_path / "home")
    assert "12 rows left out as the mapping says" in " ".join(said.split())


def test_options_that_do_not_go_together_are_refused(folder: Path) -> None:
    with pytest.raises(Invalid, match="--guess: only proposes a mapping; say `foryou import --guess FILE` alone"):
        foryou("import", folder, "--guess", folder)
    with pytest.raises(Invalid, match="PATH: is missing; name a folder or a file"):
        foryou("import")
