"""How do messages become wire structs, and answers messages? Fields have the same names on both sides."""

from typing import Any

from foryou.api import schema
from foryou.v1 import foryou_pb2 as pb


def said(message: Any) -> dict[str, Any]:
    """Give the fields that were set, as a JSON body would have them: the same checks follow."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            found[field.name] = dict(value)
        elif field.is_repeated:
            found[field.name] = [said(one) if kind else one for one in value]
        else:
            found[field.name] = said(value) if kind else value
    return found


def response(answer: schema.Recommended) -> Any:
    """Give an answer as a message."""
    return pb.RecommendResponse(
        recommendation_id=answer.recommendation_id,
        items=[
            pb.Item(
                item_id=item.item_id, rank=item.rank, score=item.score, source=item.source, title=item.title,
                sponsored=item.sponsored, variant=item.variant or None, image=item.image or None,
                reason=pb.Reason(code=item.reason.code, text=item.reason.text, because=item.reason.because),
            )
            for item in answer.items
        ],
        model_version=answer.model_version,
        experiment=pb.Experiment(name=answer.experiment.name, arm=answer.experiment.arm),
        degraded=answer.degraded, took_ms=answer.took_ms, next_cursor=answer.next_cursor,
    )  # fmt: skip


def ranking(answer: schema.Ranked) -> Any:
    """Give an order as a message."""
    return pb.RankResponse(
        items=[pb.RankedItem(item_id=one.item_id, rank=one.rank, score=one.score) for one in answer.items],
        left_out_item_ids=answer.left_out_item_ids, model_version=answer.model_version, degraded=answer.degraded,
        took_ms=answer.took_ms,
    )  # fmt: skip


def add(into: Any, done: schema.EventsOut, first: int, received: int) -> None:
    """Add what became of some events to a RecordResponse. first: the place of the first of them."""
    into.received += received
    into.accepted += done.accepted
    into.duplicates += done.duplicates
    into.event_ids.extend(done.event_ids)
    into.rejected.extend(
        pb.Rejection(index=first + one.index, code=one.code, detail=one.detail, field=one.pointer[1:].replace("/", "."))
        for one in done.rejected
    )
