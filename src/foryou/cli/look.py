"""recommend, similar, why-not, events, replay, skew, trace, config: look at what is known and why."""

import time
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from foryou import config as configuration
from foryou.api.answers import chosen, exposure, told
from foryou.cli import show
from foryou.cli.app import HomeOption, JsonOption, app, settings
from foryou.cli.opening import opened
from foryou.domain.errors import NotFound
from foryou.domain.event import hash64
from foryou.domain.log import Entry, Stream
from foryou.domain.slate import Answer, Query, Verdict
from foryou.ingest.codec import event_of, exposure_record
from foryou.ingest.collector import check_id
from foryou.serve.interleaving import mixed
from foryou.wiring import past
from foryou.wiring.home import Home
from foryou.wiring.logtime import newest_ms
from foryou.wiring.skew import measure as measure_skew

PANEL = "Look"
OLD_MS = 30 * 86_400_000
NumberOption = Annotated[int, typer.Option("--num", "-n", min=1, max=500, help="how many items")]


def answered(home: Home, placement: str, **wanted: Any) -> tuple[str, Answer]:
    """Ask without a server; remembered as an answer that was shown. Data of the past is asked on its own time.

    Raises Invalid for an id that no user or item can have.
    """
    for field in ("user_id", "anchor", "asked"):
        if value := wanted.get(field):
            check_id(field, value)
    live = home.live()
    newest, now = newest_ms(home), home.clock.now_ms()
    if newest and now - newest > OLD_MS:
        now = newest
    live.refresh(now)
    name = uuid.uuid4().hex
    query = Query(now_ms=now, seed=hash64(f"{wanted['user_id']}:{name}"), **wanted)
    _, pipeline, part = chosen(live, query, placement)
    answer = pipeline.run([query])[0][0]
    if part.beside:
        answer = mixed(answer, part.beside[1].run([query])[0][0], query)
    if not query.asked:  # a question about an item shows nothing to anybody
        home.log.append(Stream.EXPOSURES, [exposure_record(exposure(name, placement, query, answer, part))])
    return name, answer


def tell_answer(title: str, name: str, answer: Answer, quiet: bool = False) -> None:
    """Print an answer as a table."""
    rows = [
        [
            place + 1,
            item.item_id,
            item.title,
            item.score,
            item.source,
            item.reason.text,
        ]
        for place, item in enumerate(answer.items)
    ]
    show.table(title, ["", "item", "title", "score", "source", "reason"], rows, quiet)
    degraded = f"; degraded: {', '.join(answer.degraded)}" if answer.degraded else ""
    show.say(show.plain(f"bundle {answer.bundle}; recommendation {name}{degraded}"), quiet)


@app.command(rich_help_panel=PANEL)
def recommend(user: str, num: NumberOption = 20, home: HomeOption = None, json: JsonOption = False) -> None:
    """Recommend items to a user, with reasons."""
    store = opened(home)
    _shown(f"For user {user}", *answered(store, "home", user_id=user, k=num), json)
    store.close()


@app.command(rich_help_panel=PANEL)
def similar(item: str, num: NumberOption = 20, home: HomeOption = None, json: JsonOption = False) -> None:
    """Show items that go with an item."""
    store = opened(home)
    _shown(f"Goes with item {item}", *answered(store, "item", user_id="", k=num, anchor=item), json)
    store.close()


def _shown(title: str, name: str, answer: Answer, json: bool) -> None:
    if json:
        show.as_json(
            {"recommendation_id": name, "bundle": answer.bundle, "degraded": answer.degraded, "items": answer.items}
        )
    else:
        tell_answer(title, name, answer)


@app.command("why-not", rich_help_panel=PANEL)
def why_not(user: str, item: str, num: NumberOption = 20, home: HomeOption = None, json: JsonOption = False) -> None:
    """Say why an item is, or is not, among a user's recommendations: the verdict of every stage."""
    store = opened(home)
    _, answer = answered(store, "home", user_id=user, k=num, asked=item)
    store.close()
    verdict = answer.verdict or Verdict("unknown_item")
    if json:
        show.as_json({"user_id": user, "item_id": item, "text": told(verdict, num), "verdict": verdict})
        return
    show.say(told(verdict, num))
    show.say(
        f"found by: {', '.join(verdict.proposed_by) or 'no source'}; dropped by: {verdict.dropped_by or 'no rule'}"
    )
    rows = [[name, value, verdict.parts[name]] for name, value in verdict.inputs.items()]
    show.table("What the ranker saw", ["input", "value", "adds to the score"], rows)


@app.command(rich_help_panel=PANEL)
def events(
    num: NumberOption = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on with new ones until Ctrl-C")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show the newest events of the log."""
    store = opened(home)
    ends = store.log.ends(Stream.EVENTS)
    newest = [entry for p, end in ends.items() for entry in store.log.read(Stream.EVENTS, p, end - num, num)]
    newest.sort(key=lambda entry: (event_of(entry.record.body).received_ms, entry.appended_ms, entry.offset))
    for entry in newest[-num:]:
        _tell_event(entry, json)
    while follow:
        time.sleep(0.1)
        for partition in range(store.log.partitions()):
            for entry in store.log.read(Stream.EVENTS, partition, ends.get(partition, -1), 1_000):
                ends[partition] = entry.offset
                _tell_event(entry, json)
    store.close()


def _tell_event(entry: Entry, json: bool) -> None:
    event = event_of(entry.record.body)
    if json:
        show.as_json(
            {name: getattr(event, name) for name in event.__struct_fields__}
            | {"partition": entry.partition, "offset": entry.offset}
        )
        return
    at = datetime.fromtimestamp(event.at_ms / 1e3, UTC).strftime("%Y-%m-%d %H:%M:%S")
    value = f" {event.value:g} {event.unit}" if event.value is not None else ""
    place = f"[dim]{show.plain(event.event_id)} at {entry.partition}/{entry.offset}[/]"
    what = show.plain(f"user {event.user_id}  {event.action}{value}  {event.item_id or event.query}")
    show.say(f"{at}  {what}  {place}")


@app.command(rich_help_panel=PANEL)
def replay(recommendation_id: str, home: HomeOption = None, json: JsonOption = False) -> None:
    """Reproduce an old answer from its exposure with what was known then. Exit status 3 if it comes out different."""
    check_id("recommendation_id", recommendation_id)
    store = opened(home)
    with show.progress() as report:
        found = past.reproduce(store, recommendation_id, report)
    store.close()
    shown = found.exposure
    if json:
        show.as_json(
            {
                "same": found.same,
                "bundle": shown.bundle,
                "now_ms": shown.now_ms,
                "shown": shown.items,
                "reproduced": found.items,
            }
        )
    else:
        rows = [
            [place + 1, a, b, x, y]
            for place, (a, b, x, y) in enumerate(
                zip(shown.items, found.items, shown.scores, found.scores, strict=False)
            )
        ]
        show.table(
            f"User {shown.user_id}, bundle {shown.bundle}", ["", "shown", "reproduced", "score then", "score now"], rows
        )
        show.say("the same, bit for bit" if found.same else "different")
    if not found.same:
        raise typer.Exit(3)


@app.command(rich_help_panel=PANEL)
def skew(
    limit: Annotated[int, typer.Option(min=1, help="vectors to compare, the newest ones")] = 10_000,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Work out logged inputs of the ranker anew and compare bit for bit. Exit status 3 if any came out different."""
    store = opened(home)
    with show.progress() as report:
        found = measure_skew(store, limit, report)
    store.close()
    if json:
        show.as_json(found)
    else:
        show.say(f"{found.vectors} vectors of {found.answers} answers compared")
        for why, count in found.passed_over.items():
            show.say(f"{count} answers passed over: {why}")
        if found.mismatches:
            show.table("Different", ["input", "vectors"], [[*one] for one in found.mismatches.most_common()])
            show.table(
                "Examples", ["answer", "item", "input", "logged", "worked out anew"],
                [[one.recommendation_id, one.item_id, one.name, one.logged, one.again] for one in found.examples],
            )  # fmt: skip
        show.say(f"{found.mismatches.total()} mismatches")
    if found.mismatches:
        raise typer.Exit(3)


@app.command(rich_help_panel=PANEL)
def trace(event_id: str, home: HomeOption = None, json: JsonOption = False) -> None:
    """Follow one event from accepted to the first answer that knew it, in ms per hop."""
    check_id("event_id", event_id)
    store = opened(home)
    event, hops = past.follow(store, event_id)
    store.close()
    if json:
        show.as_json(
            {
                "event_id": event_id,
                "user_id": event.user_id,
                "hops": [{"name": hop.name, "at_ms": hop.at_ms, "since_ms": hop.since_ms} for hop in hops],
            }
        )
        return
    show.table(
        f"{event.action} of user {event.user_id} on {event.item_id}",
        ["hop", "ms since accepted"],
        [[hop.name, hop.since_ms] for hop in hops],
    )
    for missing in ("visible", "answered")[len(hops) - 2 :]:
        show.say(f"not {missing} yet, or too long ago to know")


@app.command(rich_help_panel=PANEL)
def config(
    explain: Annotated[
        bool, typer.Option("--explain", help="with what each key means and where it differs from the default")
    ] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show the configuration: defaults, foryou.toml of the home, FORYOU_* variables."""
    leaves = list(configuration.explain(settings(home)))
    if not leaves:
        raise NotFound("There is no configuration")
    if json:
        show.as_json(
            [{"key": key, "value": value, "default": usual, "means": means} for key, value, usual, means in leaves]
        )
        return
    for key, value, usual, means in leaves:
        changed = "" if value == usual else f"  [bold](default {_shown_value(usual)})[/]"
        show.say(f"{show.plain(key)} = {_shown_value(value)}{changed}")
        if explain:
            show.say(f"    [dim]{means}[/]")


def _shown_value(value: object) -> str:
    return show.plain(msgspec.json.encode(value).decode())
