"""Who answers when a new bundle fails? The old one, in the same call: nobody is refused for a bundle's sake."""

import numpy as np

from foryou.domain.slate import Answer, Query, Trace
from foryou.serve.health import Stopwatch, fault_in
from foryou.serve.live import Arm
from foryou.serve.pipeline import Pipeline


def answered(
    arm: Arm, placement: str, pipeline: Pipeline, queries: list[Query], deadline: float = np.inf
) -> tuple[list[Answer], Trace]:
    """Answer with the arm, and if that goes wrong while another one stands by, with that one.

    Raises what the pipeline raises where nobody stands by.
    """
    started, other = Stopwatch(), arm.instead
    if other is None:
        answers, trace = pipeline.run(queries, deadline)
        arm.health.note(len(queries), started.ms(), started.cpu_ms())
        return answers, trace
    try:
        answers, trace = pipeline.run(queries, deadline)
        kind, why = fault_in(trace, answers, queries)
    except Exception as error:  # noqa: BLE001 - whatever it was, the other one knows an answer
        arm.health.queries += len(queries)
        return _replaced(arm, "raised", f"{error!r}", _counterpart(arm, other, placement, pipeline), queries, deadline)
    arm.health.note(len(queries), started.ms(), started.cpu_ms())
    arm.health.short += sum(len(answer.items) < query.k for answer, query in zip(answers, queries, strict=True))
    if not kind:
        return answers, trace
    counterpart = _counterpart(arm, other, placement, pipeline)
    if kind == "empty":
        others, known = counterpart.run(queries, deadline)
        better = sum(bool(one.items) and not mine.items for one, mine in zip(others, answers, strict=True))
        if not better:
            return answers, trace
        arm.health.fault(kind, better, why)
        return others, known
    return _replaced(arm, kind, why, counterpart, queries, deadline)


def _replaced(
    arm: Arm, kind: str, why: str, counterpart: Pipeline, queries: list[Query], deadline: float
) -> tuple[list[Answer], Trace]:
    arm.health.fault(kind, len(queries), why)
    return counterpart.run(queries, deadline)


def _counterpart(arm: Arm, other: Arm, placement: str, pipeline: Pipeline) -> Pipeline:
    """Give the pipeline of the other bundle for the same placement, rung and arm of an experiment."""
    key = next((key for key, one in arm.pipelines.items() if one is pipeline), placement)
    return other.pipelines.get(key) or other.pipelines[placement]
