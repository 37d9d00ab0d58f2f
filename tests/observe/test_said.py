"""Are lines on standard error objects where that is wanted, and does a request's line bear its name?"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from prometheus_client import CollectorRegistry

import worlds
from foryou.api import rest
from foryou.observe.metrics import Metrics, exposition
from foryou.observe.said import say, speak, with_fields
from foryou.wiring import serving


@pytest.fixture
def spoken() -> Iterator[None]:
    """Put everything back as it was."""
    root = logging.getLogger()
    before = list(root.handlers), root.level
    yield
    speak("text")
    root.handlers[:], level = before
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_text_is_the_line_itself_and_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    say("nothing is the matter")
    say("answered", "info", status=200)
    assert capsys.readouterr().err == "nothing is the matter\nanswered status=200\n"


@pytest.mark.usefixtures("spoken")
def test_json_says_when_how_bad_what_and_who(capsys: pytest.CaptureFixture[str]) -> None:
    speak("json")
    say("the log is away: »x«", partition=3)
    try:
        raise ValueError("broken")
    except ValueError as error:
        logging.getLogger("foryou.door").error(
            "request %s failed", "r1", exc_info=error, extra=with_fields(request_id="r1")
        )
    away, failed = lines(capsys)
    assert (away["level"], away["message"], away["partition"]) == ("warning", "the log is away: »x«", 3)
    assert away["at"].endswith("+00:00")
    assert (failed["level"], failed["request_id"], failed["logger"]) == ("error", "r1", "foryou.door")
    assert "ValueError: broken" in failed["exception"]
    assert away["pid"] == failed["pid"] > 0


@pytest.mark.usefixtures("spoken")
@pytest.mark.parametrize(("told", "wanted"), [("off", []), ("failed", [500]), ("all", [200, 404, 500])])
def test_requests_are_told_with_the_id_that_the_caller_has(
    told: str, wanted: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, metrics = worlds.home_in(tmp_path), Metrics(CollectorRegistry())
    app = rest.app(lambda: serving.service(home, metrics), metrics, exposition(), told=told)
    with TestClient(app, raise_server_exceptions=False) as client:
        speak("json")
        answers = [client.get("/healthz"), client.get("/nowhere")]
        monkeypatch.setattr(app.state.service, "ready", lambda: 1 / 0)
        answers.append(client.get("/readyz"))
    said = [line for line in lines(capsys) if "status" in line]
    assert [line["status"] for line in said] == wanted
    named = {answer.status_code: answer.headers["x-request-id"] for answer in answers}
    assert all(line["request_id"] == named[line["status"]] for line in said)
    assert all(line["ms"] >= 0 and line["level"] == "info" for line in said)
