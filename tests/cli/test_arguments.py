"""Is whatever somebody types after `foryou` answered by a status and a sentence, never by a traceback?"""

import contextlib
import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foryou.cli import main, show
from foryou.config import load
from foryou.domain.catalog import ItemChange
from foryou.domain.log import Stream
from foryou.ingest.codec import event_record, item_record
from foryou.wiring.home import open_home
from tries import tries
from worlds import did

VERBS = ("recommend", "similar", "why-not", "events", "replay", "trace", "config")
ODD = (
    "[/]", "[bold]", "[link=x]", "a b", "--", "-n", "--num", "0", "-1", "501", "\udcff", "é", "🦊", "\n", "\x1b[31m",
    "",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a home in which names look like the markup of a terminal."""
    home = open_home(load(tmp_path_factory.mktemp("typed") / "home", {}))
    title = ItemChange(item_id="[/]", op="put", title="Alien [Director's cut][/]", categories=("[bold]",))
    home.log.append(Stream.ITEMS, [item_record(title)])
    home.log.append(Stream.EVENTS, [event_record(did("[/]", "[/]"))])
    worker = home.worker()
    worker.lease()
    worker.catch_up()
    worker.release()
    home.close()
    return Path(home.config.home)


def typed(*words: str) -> tuple[int, str, str]:
    """Give exit status, output and errors of `foryou` with these words."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["foryou", *words])
        for console, file in ((show.out, out), (show.err, err)):
            patch.setattr(console, "_file", file)  # `file` would hold on to the standard output of this moment
            patch.setattr(console, "_width", 200)  # so that nothing is folded
        try:
            main()
        except SystemExit as done:
            return int(done.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


words = st.sampled_from(ODD) | st.text(st.characters(exclude_characters="\0"), max_size=12)


@tries(60)
@given(verb=st.sampled_from(VERBS), said=st.lists(words, max_size=3))
def test_whatever_is_typed_ends_with_a_status_and_a_sentence(folder: Path, verb: str, said: list[str]) -> None:
    if "-f" in said or any(one.startswith("--fo") for one in said):
        return  # would go on until Ctrl-C
    status, out, err = typed(verb, "--home", str(folder), *said)
    assert status in (0, 1, 2, 3)
    assert "Traceback" not in err
    assert (status == 0 and out != "") or err or status == 3


@pytest.mark.parametrize("verb", ["recommend", "similar"])
def test_names_that_look_like_markup_are_shown_as_they_are(folder: Path, verb: str) -> None:
    status, out, _ = typed(verb, "bob" if verb == "recommend" else "cup", "--home", str(folder))
    assert status == 0
    assert "Alien [Director's cut][/]" in out


def test_an_event_is_shown_as_it_was_sent_without_its_control_characters(folder: Path) -> None:
    status, out, _ = typed("events", "--home", str(folder))
    assert (status, "user [/]  like  [/]" in out) == (0, True)
    assert show.plain("a\x1b[31mb\n\udcff") == r"a\x1b[31mb\n\udcff"


def test_an_error_repeats_what_was_typed_as_it_was(folder: Path) -> None:
    status, out, err = typed("trace", "[/nothing]", "--home", str(folder))
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert "[/nothing]" in err


@pytest.mark.parametrize("verb", ["recommend", "similar", "replay", "trace"])
def test_an_id_that_nobody_can_have_is_refused(folder: Path, verb: str) -> None:
    status, out, err = typed(verb, "\udcff", "--home", str(folder))
    assert (status, out) == (1, "")
    assert "is not valid Unicode; send UTF-8 without lone surrogates" in err
