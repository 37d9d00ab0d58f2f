"""Does gRPC say what REST says: the same answers, the same checks, the same events, over a real socket?"""

import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from called import Caller, called, details
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from foryou.api.grpc.recommender import MAX_ASKS
from foryou.api.schema import MAX_EVENTS
from foryou.observe.metrics import Metrics
from foryou.v1 import foryou_pb2 as pb

SOURCE = Path(__file__).resolve().parents[2] / "src"
Check = health_pb2.HealthCheckRequest
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory, metrics: Metrics) -> Iterator[Caller]:
    with called(tmp_path_factory.mktemp("called"), metrics) as opened:
        opened.shop.tell({"user_id": "ann", "action": "purchase", "item_id": "dune", "event_id": "ann-buys-dune"})
        yield opened


def shown(answer: Any) -> list[tuple[Any, ...]]:
    return [(one.item_id, one.rank, one.score, one.source, one.reason.text, one.title) for one in answer.items]


def refused(call: Any, *said: Any, **more: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(*said, **more)
    return caught.value


def test_the_answer_is_that_of_rest(caller: Caller) -> None:
    ours = caller.recommender.Recommend(pb.RecommendRequest(user_id="ann", num_results=3))
    theirs = caller.shop.ask(user_id="ann", num_results=3)
    assert shown(ours) == [
        (one["item_id"], one["rank"], one["score"], one["source"], one["reason"]["text"], one["title"])
        for one in theirs["items"]
    ]
    assert [one.item_id for one in ours.items] == ["arrakis", "rake", "lamp"]
    assert (ours.model_version, list(ours.degraded)) == (theirs["model_version"], theirs["degraded"])
    assert (ours.experiment.name, ours.experiment.arm) == ("main", "known")
    assert len(ours.recommendation_id) == 32


def test_fields_that_are_not_said_have_the_defaults_of_rest_and_false_can_be_said(caller: Caller) -> None:
    ask = caller.recommender.Recommend
    assert ask(pb.RecommendRequest(user_id="ann", num_results=1)).items[0].reason.code == "history"
    silent = ask(pb.RecommendRequest(user_id="ann", num_results=1, explain=False))
    assert silent.items[0].reason.code == "unexplained"
    everybody = ask(pb.RecommendRequest(user_id="ann", num_results=2, personalize=False))
    assert [one.item_id for one in everybody.items] == ["rake", "lamp"]


def test_a_feed_goes_on_where_its_cursor_says(caller: Caller) -> None:
    first = caller.recommender.Recommend(pb.RecommendRequest(user_id="ann", num_results=2))
    then = caller.recommender.Recommend(pb.RecommendRequest(user_id="ann", num_results=2, cursor=first.next_cursor))
    assert [one.item_id for one in first.items] == ["arrakis", "rake"]
    assert not {one.item_id for one in then.items} & {"arrakis", "rake"}
    forged = refused(caller.recommender.Recommend, pb.RecommendRequest(user_id="ann", cursor="forged"))
    assert forged.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_similar_items_are_those_of_rest(caller: Caller) -> None:
    answer = caller.recommender.Similar(pb.SimilarRequest(item_id="teapot", num_results=2))
    assert [one.item_id for one in answer.items] == ["cup", "lamp"]
    assert refused(caller.recommender.Similar, pb.SimilarRequest()).code() is grpc.StatusCode.INVALID_ARGUMENT


def test_many_at_once_are_answered_as_they_are_alone_and_a_wrong_one_spoils_nothing(caller: Caller) -> None:
    asks = [pb.RecommendRequest(user_id=user, num_results=4, explain=True) for user in ("ann", "bob", "ann", "eve")]
    asks.insert(2, pb.RecommendRequest(user_id="ann", num_results=0))
    many = caller.recommender.BatchRecommend(pb.BatchRecommendRequest(requests=asks)).results
    alone = [caller.recommender.Recommend(ask) for place, ask in enumerate(asks) if place != 2]
    together = [one.response for place, one in enumerate(many) if place != 2]
    assert [shown(one) for one in together] == [shown(one) for one in alone]
    lacks = [[set(one.degraded) - {"unknown_user"} for one in some] for some in (together, alone)]
    assert lacks[0] == lacks[1], "but that who was asked for becomes known meanwhile"
    problem = many[2].problem
    assert (problem.code, problem.field) == (grpc.StatusCode.INVALID_ARGUMENT.value[0], "num_results")
    assert "got 0" in problem.detail
    beyond = pb.BatchRecommendRequest(requests=[pb.RecommendRequest()] * (MAX_ASKS + 1))
    assert "101 questions, limit 100" in refused(caller.recommender.BatchRecommend, beyond).details()


def test_a_wrong_field_is_named_in_the_details(caller: Caller) -> None:
    error = refused(caller.recommender.Recommend, pb.RecommendRequest(context=pb.Context(device="x" * 65)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    violation = details(error)[0].field_violations[0]
    assert violation.field == "context.device"
    assert "64" in violation.description
    unknown = refused(caller.recommender.Recommend, pb.RecommendRequest(context=pb.Context(placement="moon")))
    assert "placement 'moon' is not configured; use one of home, item, cart" in unknown.details()


def test_the_callers_list_is_ordered_for_the_user_over_both_doors(caller: Caller) -> None:
    items = ["lamp", "never-heard-of", "arrakis", "rake", "lamp"]
    ours = caller.recommender.Rank(pb.RankRequest(user_id="ann", item_ids=items))
    assert [(one.item_id, one.rank) for one in ours.items] == [("arrakis", 1), ("rake", 2), ("lamp", 3)]
    assert (list(ours.left_out_item_ids), list(ours.degraded)) == (["never-heard-of"], [])
    assert ours.items[0].score > ours.items[1].score > ours.items[2].score
    theirs = caller.shop.client.post("/v1/rank", json={"user_id": "ann", "item_ids": items}).json()
    assert [(one["item_id"], one["score"]) for one in theirs["items"]] == [
        (one.item_id, one.score) for one in ours.items
    ]
    assert (theirs["left_out_item_ids"], theirs["model_version"]) == (["never-heard-of"], "known")
    assert "item_ids" in refused(caller.recommender.Rank, pb.RankRequest(user_id="ann")).details()


def test_what_the_user_has_is_ordered_too_and_what_is_gone_is_left_out(caller: Caller) -> None:
    caller.shop.client.patch("/v1/items/cup", json={"status": "unavailable"})
    caller.shop.settle()
    answer = caller.recommender.Rank(pb.RankRequest(user_id="ann", item_ids=["cup", "dune"]))
    caller.shop.client.patch("/v1/items/cup", json={"status": "available"})
    caller.shop.settle()
    assert ([one.item_id for one in answer.items], list(answer.left_out_item_ids)) == (["dune"], ["cup"])


def test_events_are_judged_one_by_one_and_counted_as_over_rest(caller: Caller) -> None:
    events = [
        pb.Event(event_id="g1", user_id="gus", action="purchase", item_id="teapot", quantity=2, value=9.5, unit="EUR"),
        pb.Event(event_id="g2", user_id="gus", action="fly", item_id="teapot"),
        pb.Event(event_id="g1", user_id="gus", action="purchase", item_id="teapot", quantity=2, value=9.5, unit="EUR"),
        pb.Event(user_id="gus", action="rating", item_id="teapot", value=7),
        pb.Event(user_id="gus", action="purchase", item_id="teapot", value=math.nan),
        pb.Event(action="view", item_id="cup"),
    ]
    done = caller.events.Record(pb.RecordRequest(events=events))
    assert (done.received, done.accepted, done.duplicates) == (6, 1, 1)
    assert list(done.event_ids) == ["g1", "g1"]
    assert [(one.index, one.field) for one in done.rejected] == [
        (1, "action"), (3, "value"), (4, "value"), (5, "user_id"),
    ]  # fmt: skip
    caller.shop.settle()
    assert caller.recommender.Recommend(pb.RecommendRequest(user_id="gus", num_results=1)).items[0].item_id == "cup"
    beyond = pb.RecordRequest(events=[pb.Event()] * (MAX_EVENTS + 1))
    assert "1,001 events, limit 1,000" in refused(caller.events.Record, beyond).details()


def test_a_stream_of_events_has_a_result_for_each(caller: Caller) -> None:
    def sent() -> Iterator[Any]:
        for number in range(2_500):
            action = "view" if number % 500 else "jump"
            yield pb.Event(event_id=f"s{number // 2}", user_id=f"u{number % 7}", action=action, item_id="cup")

    done = caller.events.RecordStream(sent())
    assert (done.received, done.accepted + done.duplicates, len(done.rejected)) == (2_500, 2_495, 5)
    assert [(one.index, one.code) for one in done.rejected] == [
        (number, "invalid_action") for number in range(0, 2_500, 500)
    ]
    assert len(done.event_ids) == 2_495
    assert done.received == len(done.event_ids) + len(done.rejected)
    assert caller.events.RecordStream(iter(())).received == 0


def test_what_a_stream_has_sent_is_durable_while_it_is_still_open(caller: Caller) -> None:
    more = threading.Event()

    def sent() -> Iterator[Any]:
        yield pb.Event(event_id="open-1", user_id="ona", action="purchase", item_id="dune")
        more.wait(timeout=20)

    call = caller.events.RecordStream.future(sent())
    for _ in range(500):
        caller.shop.settle()
        answer = caller.recommender.Recommend(pb.RecommendRequest(user_id="ona", num_results=1))
        if answer.items[0].item_id == "arrakis":
            break
    assert answer.items[0].item_id == "arrakis"
    assert not call.done()
    more.set()
    assert call.result(timeout=20).accepted == 1


def test_a_deadline_that_has_no_room_for_optional_stages_leaves_them_out_and_says_so(caller: Caller) -> None:
    request = pb.RecommendRequest(user_id="ann", num_results=2, deadline_ms=60_000)
    assert list(caller.recommender.Recommend(request, timeout=30).degraded) == []
    error = refused(caller.recommender.Recommend, request, timeout=1e-6)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_health_says_what_readyz_says(caller: Caller) -> None:
    health = health_pb2_grpc.HealthStub(caller.channel)
    for name in ("", "foryou.v1.Recommender", "foryou.v1.Events"):
        assert health.Check(Check(service=name)).status == SERVING
    assert refused(health.Check, Check(service="moon")).code() is grpc.StatusCode.NOT_FOUND
    watch = health.Watch(Check())
    assert next(watch).status == SERVING
    watch.cancel()


def test_reflection_describes_both_services(caller: Caller) -> None:
    described = ProtoReflectionDescriptorDatabase(caller.channel)
    assert set(described.get_services()) >= {"foryou.v1.Recommender", "foryou.v1.Events", "grpc.health.v1.Health"}
    file = described.FindFileContainingSymbol("foryou.v1.Recommender")
    assert [method.name for method in file.service[0].method] == ["Recommend", "BatchRecommend", "Similar", "Rank"]


def test_calls_are_counted_by_method_and_status(caller: Caller) -> None:
    before = caller.shop.client.get("/metrics").text.count('route="gRPC Recommender.Rank",status="INVALID_ARGUMENT"')
    refused(caller.recommender.Rank, pb.RankRequest(item_ids=["\x00"]))
    after = caller.shop.client.get("/metrics").text
    assert after.count('route="gRPC Recommender.Rank",status="INVALID_ARGUMENT"') >= max(1, before)
    assert 'foryou_request_ms_count{route="gRPC Recommender.Recommend"}' in after


def test_a_port_is_shared_by_processes(caller: Caller) -> None:
    program = (
        "import asyncio, grpc\n"
        "async def go():\n"
        "    server = grpc.aio.server(options=[('grpc.so_reuseport', 1)])\n"
        f"    assert server.add_insecure_port('127.0.0.1:{caller.port}') == {caller.port}\n"
        "asyncio.run(go())"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_who_watches_is_told_when_the_process_stops(tmp_path: Path, metrics: Metrics) -> None:
    with called(tmp_path, metrics) as opened:
        channel = grpc.insecure_channel(f"127.0.0.1:{opened.port}")
        watch = health_pb2_grpc.HealthStub(channel).Watch(Check())
        assert next(watch).status == SERVING
    assert [one.status for one in watch] == [health_pb2.HealthCheckResponse.NOT_SERVING]
    channel.close()


def test_the_python_modules_are_those_that_the_proto_gives(tmp_path: Path) -> None:
    names = ["foryou_pb2.py", "foryou_pb2.pyi", "foryou_pb2_grpc.py"]
    out = [f"--{kind}={tmp_path}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(SOURCE), *out, "foryou/v1/foryou.proto"]
    subprocess.run(command, check=True, timeout=60)
    for name in names:
        ours, made = SOURCE / "foryou" / "v1" / name, tmp_path / "foryou" / "v1" / name
        assert ours.read_text() == made.read_text(), f"run `make stubs`: {name} is not what foryou.proto gives"
