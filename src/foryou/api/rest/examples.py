"""What does each struct of the API look like when it is filled in? One example each, shown in the OpenAPI document."""

from typing import Any, get_args

from foryou.api import schema
from foryou.domain.item import Item
from foryou.trial.report import ExperimentReport

Json = dict[str, Any]
_NAME = "c0ffee00c0ffee00c0ffee00c0ffee00"
_REASON: Json = {"code": "item_to_item", "text": "Because you bought Dune", "because": ["dune"]}
_SHOWN: Json = {
    "item_id": "arrakis", "rank": 1, "score": 0.93, "source": "item_to_item", "reason": _REASON, "title": "Arrakis",
    "sponsored": False, "variant": "desert.3f2a", "image": "https://pictures.example/desert.jpg",
}  # fmt: skip
_ITEM: Json = {
    "title": "Arrakis", "categories": ["Books", "Science fiction"], "attributes": {"language": "en"},
    "text": "What became of the desert planet.", "price": 12.5, "brand": "Ace", "published_ms": 1_700_000_000_000,
    "expires_ms": 0, "status": "available", "tags": ["classic"], "embedding": [],
    "variants": [{"name": "desert", "title": "Arrakis", "image": "https://pictures.example/desert.jpg"}],
}  # fmt: skip
_QUESTION: Json = {"item_id": "arrakis", "title": "Arrakis", "categories": ["Books", "Science fiction"]}
_PROFILE: Json = {"age": 34, "gender": "f", "location": "Oslo", "attributes": {"newsletter": "weekly"}}
_LIST: Json = {
    "kind": "sponsored", "item_ids": ["arrakis", "dune"], "start_ms": 1_700_000_000_000, "end_ms": 0,
    "placements": ["home"], "quota": 1, "label": "Sponsored", "impressions_per_day": 10_000,
}  # fmt: skip
_LISTED: Json = {"name": "desert-week", **_LIST, "active": True, "unknown_item_ids": []}
_TRIAL: Json = {
    "arms": [
        {"name": "collaborative", "share": 0.5, "family": "main", "sources": {"collaborative": 300, "popular": 50},
         "ranker": "", "rules": {}},
        {"name": "content", "share": 0.5, "family": "main", "sources": {"content": 300, "popular": 50},
         "ranker": "prior", "rules": {"category_cap": 3}},
    ],
    "placements": ["home"], "salt": "sources", "start_ms": 1_700_000_000_000, "stop_ms": 0, "metric": "ctr",
    "effect": 0.05, "guardrails": [{"metric": "revenue", "drop": 0.1}], "pre_days": 28.0,
    "kind": "split",
}  # fmt: skip
_TRIED: Json = {
    "name": "sources", "state": "running", **_TRIAL, "slots": [["collaborative", 5_000], ["content", 5_000]],
}  # fmt: skip

EXAMPLES: dict[Any, Json] = {
    schema.Ask: {
        "user_id": "ann", "session_id": "s-17", "context": {"placement": "home", "device": "phone"}, "num_results": 20,
        "exclude_item_ids": ["dune"],
    },
    schema.WhyAsk: {"user_id": "ann", "item_id": "arrakis", "num_results": 20},
    schema.EventIn: {
        "user_id": "ann", "action": "purchase", "item_id": "dune", "event_id": "order-4711-line-1",
        "at_ms": 1_700_000_000_000, "value": 12.5, "unit": "EUR", "session_id": "s-17", "recommendation_id": _NAME,
        "position": 0,
    },
    schema.ItemIn: _ITEM,
    schema.UserIn: _PROFILE | {"interests": ["Books"]},
    schema.ListIn: _LIST,
    schema.ListOut: _LISTED,
    schema.ListsOut: {"lists": [_LISTED]},
    schema.ListDeleted: {"name": "desert-week"},
    schema.ExperimentIn: _TRIAL,
    schema.ExperimentOut: _TRIED,
    schema.ExperimentsOut: {"experiments": [_TRIED]},
    ExperimentReport: {
        "name": "sources", "metric": "ctr", "verdict": "content is better: ctr +6.1% (+2.0% to +10.2%).",
        "arms": [{
            "name": "content", "users": 4_210, "lists": 9_318, "metrics": [{
                "name": "ctr", "value": 0.061, "low": 0.059, "high": 0.063, "change": 0.061, "change_low": 0.02,
                "change_high": 0.102, "fixed_low": 0.034, "fixed_high": 0.088, "p": 0.0004, "saved": 0.31,
            }],
            "coverage": 0.41, "coverage_low": 0.4, "coverage_high": 0.42, "broken": [],
        }],
        "mismatch_p": 1.0, "mismatched": False, "crossed": 0, "preference": None,
    },
    schema.Recommended: {
        "recommendation_id": _NAME, "items": [_SHOWN], "model_version": "20260101-000000-1a2b",
        "experiment": {"name": "main", "arm": "20260101-000000-1a2b"}, "degraded": [], "took_ms": 3.2,
        "next_cursor": None,
    },
    schema.Page: {
        "rows": [{
            "kind": "because", "title": "Because you bought Dune", "reason": _REASON, "recommendation_id": _NAME,
            "items": [_SHOWN | {"source": "similar"}],
        }],
        "model_version": "20260101-000000-1a2b", "experiment": {"name": "main", "arm": "20260101-000000-1a2b"},
        "degraded": [], "took_ms": 12.4,
    },
    schema.Console: {
        "generation": 3, "reason": "promoted by hand",
        "families": {"main": [{"version": "20260101-000000-1a2b", "share": 1.0}]}, "items": 1682,
        "bundles": [{
            "version": "20260101-000000-1a2b", "created_ms": 1_767_225_600_000, "verdict": "pass",
            "verdict_reason": "NDCG@10 is 2.40 times that of popularity", "ranker": "mlp", "report": {"items": 1682},
            "has_report": True,
        }],
        "refused": {}, "away": "",
    },
    schema.Steer: {"action": "rollout", "version": "20260102-000000-3c4d", "schedule": "shadow:10m,10:1h,50:6h,100:1h"},
    schema.Models: {
        "generation": 5, "reason": "20260102-000000-3c4d at 10 %: by schedule",
        "serves": [
            {"version": "20260102-000000-3c4d", "share": 0.1}, {"version": "20260101-000000-1a2b", "share": 0.9}
        ],
        "rollout": {
            "old": "20260101-000000-1a2b", "new": "20260102-000000-3c4d", "state": "running", "why": "",
            "steps": [{"share": 0.1, "hold_ms": 3_600_000}, {"share": 1.0, "hold_ms": 3_600_000}], "at": 0,
            "since_ms": 1_767_312_000_000, "begun_ms": 1_767_312_000_000,
        },
        "evidence": [{
            "version": "20260102-000000-3c4d", "queries": 812, "rehearsed": 300, "overlap": 0.74, "short": 0, "ms": 3.1,
            "faults": {}, "why": {},
        }],
        "compared": None,
    },
    schema.Trending: {
        "items": [_SHOWN | {
            "source": "trending", "reason": {"code": "trending", "text": "Trending now", "because": []},
        }],
    },
    schema.RankAsk: {"user_id": "ann", "item_ids": ["lamp", "arrakis", "never-heard-of"], "session_id": ""},
    schema.Ranked: {
        "items": [{"item_id": "arrakis", "rank": 1, "score": 0.93}, {"item_id": "lamp", "rank": 2, "score": 0.05}],
        "left_out_item_ids": ["never-heard-of"], "model_version": "20260101-000000-1a2b", "degraded": [],
        "took_ms": 1.2,
    },
    schema.Explained: {
        "user_id": "ann", "item_id": "arrakis", "outcome": "shown", "text": "Shown: rank 1 of 20 by score.",
        "proposed_by": ["item_to_item"], "dropped_by": "", "score": 0.93, "cutoff": 0.11, "rank": 1,
        "inputs": {"item_to_item": 0.9, "popularity": 3.0}, "parts": {"item_to_item": 0.9, "popularity": 0.03},
        "reason": _REASON, "model_version": "20260101-000000-1a2b",
    },
    schema.EventsOut: {
        "accepted": 1, "duplicates": 0, "event_ids": ["order-4711-line-1"],
        "rejected": [{
            "index": 1, "code": "invalid_value", "detail": "7.0 is outside 0.5..5 for rating; send a number within",
            "pointer": "/value",
        }],
    },
    schema.Written: {"item_id": "arrakis", "user_id": "", "visible": True},
    schema.Erased: {"erasure_id": f"erasure-{_NAME}"},
    schema.UserOut: {
        "user_id": "ann", **_PROFILE, "actions": 12, "last_ms": 1_700_000_000_000, "recent_item_ids": ["dune"],
    },
    schema.Questions: {
        "interests": [{"name": "Books", "examples": [_QUESTION]}], "items": [_QUESTION],
        "model_version": "20260101-000000-1a2b",
    },
    schema.OnboardingIn: {
        "interests": ["Books", "Kitchen"], "liked_item_ids": ["dune"], "disliked_item_ids": ["rake"],
    },
    schema.OnboardingOut: {
        "user_id": "ann", "accepted": 2, "duplicates": 0, "unknown_interests": ["Kitchen"], "unknown_item_ids": [],
        "visible": True,
    },
    Item: {"item_id": "arrakis", **_ITEM},
}  # fmt: skip


def examples_of(kind: Any) -> dict[str, Json]:
    """Give the examples of what an operation takes or gives: that of a struct, and of an array of them where it may."""
    if kind in EXAMPLES:
        return {"one": {"value": EXAMPLES[kind]}}
    found = [EXAMPLES[one] for one in get_args(kind) if one in EXAMPLES]
    return {"one": {"value": found[0]}, "several": {"value": found}} if found else {}
