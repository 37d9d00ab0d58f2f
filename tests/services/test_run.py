"""Are services started, found again and stopped whatever happened to their processes?"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from filelock import FileLock

from foryou.domain.errors import Conflict, NotFound, Unavailable
from foryou.services import ports, processes, run
from foryou.services.registry import SERVICES
from foryou.services.service import Place, Service

LISTEN = """
import socket, sys, time
one = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
time.sleep(600)
"""
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + LISTEN


def settle(place: Place) -> None:
    for port in place.ports:
        if not ports.answers(port):
            raise Unavailable(f"nobody listens on {port}; wait")


def toy(*programs: str) -> Service:
    """Give a service of one process per program, each with a port."""
    return Service(
        "toy", 0, len(programs), 10.0,
        lambda place: {
            f"part-{n}": [sys.executable, "-c", program, str(place.ports[n])] for n, program in enumerate(programs)
        },
        settle, lambda place: f"toy://{place.ports[0]}",
    )  # fmt: skip


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Put a toy service into the registry; gives the folder. Whatever it runs is stopped at the end."""

    def keep(service: Service) -> Path:
        monkeypatch.setitem(SERVICES, "toy", service)
        return tmp_path

    yield keep
    if "toy" in SERVICES:
        run.down(["toy"], tmp_path)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_up_twice_starts_once_and_down_twice_stops_once(kept: Callable[..., Path]) -> None:
    folder, said = kept(toy(LISTEN, LISTEN)), []
    first, second = (run.up(["toy"], folder, None, said.append)[0] for _ in range(2))
    assert (first.state, first.pids, first.ports) == ("up", second.pids, second.ports)
    assert len(said) == 1
    assert run.status(["toy"], folder)[0].pids == first.pids
    for _ in range(2):
        assert run.down(["toy"], folder, report=said.append)[0].state == "down"
    assert [lives(pid) for pid in first.pids.values()] == [False, False]
    assert len(said) == 3


def test_of_two_that_start_it_at_once_one_does(kept: Callable[..., Path]) -> None:
    folder = kept(toy(LISTEN))
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: run.up(["toy"], folder, None)[0], range(2)))
    assert both[0].pids == both[1].pids


def test_a_folder_keeps_its_ports_until_it_is_wiped(kept: Callable[..., Path]) -> None:
    folder = kept(toy(LISTEN))
    first = run.up(["toy"], folder, None)[0]
    run.down(["toy"], folder)
    assert run.up(["toy"], folder)[0].ports == first.ports
    run.down(["toy"], folder, wipe=True)
    assert list(folder.iterdir()) == []


def test_ports_have_their_place_above_the_first_one(kept: Callable[..., Path]) -> None:
    folder, (port,) = kept(replace(toy(LISTEN), offset=3)), ports.free()
    assert run.up(["toy"], folder, port - 3)[0].ports == (port,)


def test_the_ports_of_the_services_do_not_overlap() -> None:
    taken = [service.offset + n for service in SERVICES.values() for n in range(service.ports)]
    assert len(taken) == len(set(taken))


def test_a_pid_that_another_program_has_now_is_left_alone(kept: Callable[..., Path]) -> None:
    folder = kept(toy(LISTEN))
    one = run.up(["toy"], folder, None)[0]
    os.kill(one.pids["part-0"], signal.SIGKILL)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
        state = msgspec.json.decode((folder / "toy" / run.STATE).read_bytes())
        (folder / "toy" / run.STATE).write_bytes(msgspec.json.encode(state | {"pids": {"part-0": stranger.pid}}))
        assert run.status(["toy"], folder)[0].state == "down"
        run.down(["toy"], folder)
        assert run.up(["toy"], folder, None)[0].state == "up"
        assert stranger.poll() is None
        stranger.kill()


def test_a_server_that_died_is_told_and_the_next_start_mends_it(kept: Callable[..., Path]) -> None:
    folder = kept(toy(LISTEN, LISTEN))
    first = run.up(["toy"], folder, None)[0]
    os.kill(first.pids["part-1"], signal.SIGKILL)
    found = _until(lambda: run.status(["toy"], folder)[0], lambda one: "ended" in one.why)
    assert (found.state, found.why) == ("failing", "part-1 ended: listening; `foryou services up toy` mends it")
    assert list(found.pids) == ["part-0"]
    again = run.up(["toy"], folder, None)[0]
    assert (again.state, again.ports) == ("up", first.ports)
    assert not set(first.pids.values()) & set(again.pids.values())


def _until(look: Callable[[], run.Standing], good: Callable[[run.Standing], bool]) -> run.Standing:
    end = time.monotonic() + 10
    while not good(found := look()):
        assert time.monotonic() < end
    return found


def test_who_does_not_listen_to_sigterm_is_killed(kept: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STOP_S", 0.2)
    folder = kept(toy(DEAF))
    (pid,) = run.up(["toy"], folder, None)[0].pids.values()
    run.down(["toy"], folder)
    assert not lives(pid)


def test_a_server_that_ends_at_its_start_is_named_with_its_last_words(kept: Callable[..., Path]) -> None:
    folder = kept(toy(LISTEN, "print('no licence'); raise SystemExit(4)"))
    with pytest.raises(Unavailable, match=r"toy: part-1 ended with status 4: no licence; all .* is in .*output\.log"):
        run.up(["toy"], folder, None)
    assert run.status(["toy"], folder)[0].state == "down"


def test_a_server_that_does_not_get_ready_is_stopped(kept: Callable[..., Path]) -> None:
    folder = kept(replace(toy("import time; time.sleep(600)"), patience_s=0.2))
    with pytest.raises(Unavailable, match=r"toy is not usable after 0 s: nobody listens on \d+; wait"):
        run.up(["toy"], folder, None)
    assert run.status(["toy"], folder)[0].state == "down"


def test_a_server_that_runs_but_does_not_work_is_failing(kept: Callable[..., Path]) -> None:
    service = toy(LISTEN)
    folder = kept(service)
    run.up(["toy"], folder, None)

    def broken(_: Place) -> None:
        raise Unavailable("it says no; ask why")

    kept(replace(service, settle=broken))
    found = run.status(["toy"], folder)[0]
    assert (found.state, found.why) == ("failing", "it says no; ask why")


def test_a_taken_port_is_named(kept: Callable[..., Path]) -> None:
    folder, first = kept(toy(LISTEN)), ports.free()[0]
    run.up(["toy"], folder / "a", first)
    try:
        with pytest.raises(
            Unavailable, match=rf"toy: port {first} is taken; stop what listens there, or wipe .*toy and"
        ):
            run.up(["toy"], folder / "b", first)
    finally:
        run.down(["toy"], folder / "a")


def test_an_unknown_service_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    for call in (run.up, run.down, run.status):
        with pytest.raises(
            NotFound, match="There is no service 'mongo'; there are redis, redis-cluster, kafka, s3, prom"
        ):
            call(["mongo"], tmp_path)


def test_damaged_state_is_told_not_guessed(kept: Callable[..., Path]) -> None:
    folder = kept(toy(LISTEN))
    (folder / "toy").mkdir()
    (folder / "toy" / run.STATE).write_text("{")
    with pytest.raises(Unavailable, match=r"state\.json is damaged: .*; stop what runs in .* and delete the folder"):
        run.up(["toy"], folder, None)
    (folder / "toy" / run.STATE).unlink()


def test_who_waits_too_long_for_another_is_told(kept: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = kept(toy(LISTEN))
    monkeypatch.setattr(run, "LOCK_S", 0.1)
    (folder / "toy").mkdir()
    with (
        FileLock(folder / "toy" / "lock"),
        pytest.raises(Conflict, match=r"toy is in use by another `foryou services` for 0.1 s; stop that one first"),
    ):
        run.up(["toy"], folder, None)


def test_too_few_free_ports_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_taken", lambda port: True)
    with pytest.raises(Unavailable, match="2 free TCP ports are needed, 0 were found; stop some programs"):
        ports.free(2)
