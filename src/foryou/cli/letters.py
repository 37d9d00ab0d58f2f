"""dead-letters: what could not be folded, and why."""

from datetime import UTC, datetime
from typing import Any

from foryou.cli import show
from foryou.cli.app import HomeOption, JsonOption, app
from foryou.cli.look import PANEL, NumberOption
from foryou.cli.opening import opened
from foryou.domain.log import DeadLetter, Entry, Stream
from foryou.ingest.codec import letter_of

SHOWN_BYTES = 60


@app.command("dead-letters", rich_help_panel=PANEL)
def dead_letters(num: NumberOption = 20, home: HomeOption = None, json: JsonOption = False) -> None:
    """Show the newest records that could not be folded, and why. Each lies in its stream, too, and counts nothing."""
    store = opened(home)
    ends = store.log.ends(Stream.DEAD_LETTERS)
    found = [entry for p, end in ends.items() for entry in store.log.read(Stream.DEAD_LETTERS, p, end - num, num)]
    found.sort(key=lambda entry: (entry.appended_ms, entry.partition, entry.offset))
    for entry in found[-num:]:
        _tell(entry, letter_of(entry.record.body), json)
    if not found and not json:
        show.say("no dead letters: every record of the log could be folded")
    store.close()


def _tell(entry: Entry, letter: DeadLetter, json: bool) -> None:
    if json:
        told: dict[str, Any] = {name: getattr(letter, name) for name in letter.__struct_fields__}
        show.as_json(told | {"body": letter.body.hex(), "found_ms": entry.appended_ms})
        return
    at = datetime.fromtimestamp(entry.appended_ms / 1e3, UTC).strftime("%Y-%m-%d %H:%M:%S")
    place = f"{letter.stream} {letter.partition}/{letter.offset}"
    show.say(f"{at}  {place}  {show.plain(letter.key)}  {show.plain(letter.reason)}")
    show.say(f"[dim]    {show.plain(repr(letter.body[:SHOWN_BYTES]))}[/]")
