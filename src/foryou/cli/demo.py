"""demo: import, train, evaluate, serve, show, in one go."""

import json as jsonlib
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from foryou.bench import freshness, load
from foryou.cli import learn, show
from foryou.cli.app import HomeOption, JsonOption, app, settings
from foryou.config import Config
from foryou.domain.errors import Unavailable
from foryou.ingest import data, importers
from foryou.simulate.world import World
from foryou.wiring import training
from foryou.wiring.home import Home, open_home
from foryou.wiring.launching import launch
from foryou.wiring.logtime import on_clock

PANEL = "Start here"
IMPORTED = ("layout", "events", "users", "items", "stored", "repeats", "rejected")
ROOT = Path(__file__).resolve().parents[3]


@app.command(rich_help_panel=PANEL)
def demo(
    home: HomeOption = None,
    data_path: Annotated[
        Path | None,
        typer.Option(
            "--data", help="folder of a data set; else $FORYOU_DATA, ../shared/data, a download, a simulated world"
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(help="TCP port", show_default="8000")] = None,
    once: Annotated[bool, typer.Option("--once", help="go through everything and exit instead of serving on")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="start from an empty home")] = False,
    json: JsonOption = False,
) -> None:
    """Everything once, on real data: import, train, evaluate, serve, show. Then goes on serving until Ctrl-C."""
    config = settings(home or Path("var/demo"), serve={"port": port})
    if fresh:
        shutil.rmtree(config.home, ignore_errors=True)
    store = open_home(config)
    with show.progress() as report:
        found = _found(data_path, config, report)
        show.say(found.how, json)
        result: dict[str, Any] = {"data": {"path": str(found.path or ""), "how": found.how}}
        result |= _learned(store, found, report, json)
    config = on_clock(config)
    store.close()
    command, environment = launch(config)
    server = subprocess.Popen(command, env=environment)
    try:
        result |= _live(config, server, json)
        if json:
            show.as_json(result)
        if not once:
            show.say(f"\nServing on {_url(config)} until Ctrl-C.", json)
            server.wait()
    finally:
        server.terminate()
        server.wait(timeout=20)


def _found(data_path: Path | None, config: Config, report: show.Report) -> data.Found:
    root = ROOT if (ROOT / "pyproject.toml").is_file() else None
    configured = Path(config.data) if config.data else None
    return data.find(data_path, Path(config.home), configured, root, lambda folder: data.download(folder, report))


def _learned(store: Home, found: data.Found, report: show.Report, json: bool) -> dict[str, Any]:
    """Import, train, evaluate; say what came out."""
    start = time.perf_counter()
    layout = importers.detect(found.path) if found.path else World(now_ms=store.clock.now_ms())
    imported = learn.bring_in(store, layout, report)
    seconds = round(time.perf_counter() - start, 3)
    learn.tell_import(imported, json)
    trained = training.train(store, report)
    learn.tell_trained(trained, json)
    judged = training.judge(store, report)
    learn.tell_judged(judged.judgement, json)
    return {
        "import": {name: getattr(imported, name) for name in IMPORTED} | {"seconds": seconds},
        "train_s": trained.seconds,
        "evaluate": _evaluated(judged),
    }  # fmt: skip


def _evaluated(judged: training.Judged) -> dict[str, Any]:
    done = msgspec.to_builtins(judged.judgement, enc_hook=float)
    pipeline = done["pipeline"]
    return {"pipeline": pipeline["served"] | {"plain": pipeline["plain"], "frozen": pipeline["frozen"]},
            "baselines": done["baselines"], "comparisons": done["comparisons"], "time_split": done["time_split"],
            "sources": done["sources"], "rules": done["rules"], "seconds": judged.seconds}  # fmt: skip


def _url(config: Config) -> str:
    return f"http://{config.serve.host}:{config.serve.port}"


def _live(config: Config, server: "subprocess.Popen[bytes]", json: bool) -> dict[str, Any]:
    """Wait for the server, show a click changing the next answer, measure calls and freshness."""
    url = _url(config)
    load.wait_ready(url, server, 120)
    user = "1"
    before = _get(f"{url}/v1/recommendations?user_id={user}&num_results=5")
    show.say(f"\nFor user {user}, GET {url}/v1/recommendations?user_id={user}&num_results=5", json)
    _tell(before, json)
    clicked = before["items"][0]
    event = {
        "user_id": user,
        "item_id": clicked["item_id"],
        "action": "like",
        "recommendation_id": before["recommendation_id"],
    }
    answer = _post(f"{url}/v1/events", event)
    start = time.perf_counter()
    after = before
    while [i["item_id"] for i in after["items"]] == [
        i["item_id"] for i in before["items"]
    ] and time.perf_counter() - start < 5:
        after = _get(f"{url}/v1/recommendations?user_id={user}&num_results=5")
    taken_ms = 1e3 * (time.perf_counter() - start)
    show.say(
        f"\nThe user likes “{clicked['title']}” (event {answer['event_ids'][0]}); {taken_ms:.0f} ms later:",
        json,
    )
    _tell(after, json)
    calls = load.closed(f"{url}/v1/recommendations?user_id={{user}}&num_results=20", [str(n) for n in range(1, 301)])
    fresh = freshness.measure(url, 100)
    show.say(f"\n300 calls one after another: p50 {calls['p50_ms']:.1f} ms, p99 {calls['p99_ms']:.1f} ms", json)
    show.say(f"100 events until the answer changed: p50 {fresh['p50_ms']:.1f} ms, p99 {fresh['p99_ms']:.1f} ms", json)
    examples = (
        f"curl '{url}/v1/recommendations?user_id={user}&num_results=5'",
        f"curl '{url}/v1/items/{clicked['item_id']}/similar'",
        f"curl {url}/v1/trending", f"curl -X POST {url}/v1/events -d '{jsonlib.dumps(event)}'",
        f"foryou --help   (this home: --home {config.home})",
    )  # fmt: skip
    show.say("\nTry:\n  " + "\n  ".join(examples), json)
    return {"calls": calls, "freshness": fresh}


def _tell(answer: dict[str, Any], json: bool) -> None:
    rows = [
        [item["rank"], item["title"], item["score"], item["source"], item["reason"]["text"]] for item in answer["items"]
    ]
    show.table("", ["", "title", "score", "source", "reason"], rows, json)


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return dict(jsonlib.load(answer))


def _post(url: str, body: Any) -> dict[str, Any]:
    request = urllib.request.Request(url, jsonlib.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return dict(jsonlib.load(answer))
    except OSError as error:
        raise Unavailable(f"{url} does not answer: {error}") from error
