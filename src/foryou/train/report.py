"""What does the report on a bundle say? One page of HTML with everything in it, for whoever answers for it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from foryou.domain.bundle import Manifest
from foryou.domain.clock import DAY_MS
from foryou.domain.tables import REASONS, Cleaned
from foryou.train.gate import Compared, Judged
from foryou.train.plots import Bar, bars, line

MOST_INPUTS = 20
_STYLE = """
:root{color-scheme:light dark;--ink:#1c2128;--soft:#667;--paper:#fff;--rule:#dde;--blue:#3867d6;--faint:#b8c2d6}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#9aa;--paper:#15181d;--rule:#333a44;--blue:#6c94ff;
--faint:#4a5468}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:760px;margin:2rem auto;
padding:0 1rem}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2.2rem;border-bottom:1px solid var(--rule)}
.verdict{padding:.7rem 1rem;border-left:6px solid;border-radius:4px;background:color-mix(in srgb,currentColor 7%,
transparent)}.pass{border-color:#2a9d5c}.warn{border-color:#d69e00}.refuse{border-color:#d03c3c}
figure{margin:1.2rem 0;overflow-x:auto}figcaption{color:var(--soft)}svg{width:100%;min-width:480px}
text{font-size:12px;fill:var(--ink)}.bar{fill:var(--blue)}.faint{fill:var(--faint)}
.whisker,.line{stroke:var(--ink);fill:none}.line{stroke:var(--blue);stroke-width:2}
table{border-collapse:collapse;width:100%;margin:.8rem 0}th,td{text-align:left;padding:.25rem .5rem;
border-bottom:1px solid var(--rule);vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.soft{color:var(--soft)}code{font-size:.9em;word-break:break-all}
"""


def page(
    manifest: Manifest, judged: Judged, compared: Compared | None, cleaned: Sequence[Cleaned],
    seconds: Mapping[str, float], settings: Mapping[str, Any],
) -> str:  # fmt: skip
    """Give the report as one self-contained page of HTML."""
    gate = manifest.gate
    parts = [
        f"<h1>Bundle {escape(manifest.version)}</h1>",
        f'<p class="verdict {escape(gate.verdict)}"><strong>{escape(gate.verdict)}</strong>: {escape(gate.reason)}</p>',
        f'<p class="soft">made {_time(manifest.created_ms)}, ranker {escape(manifest.ranker)}, catalog'
        f" {escape(manifest.catalog)}</p>",
        _quality(judged), _lists(judged), _beside(compared), _inputs(manifest.report), _left_out(cleaned),
        _settings(seconds, settings),
    ]  # fmt: skip
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(manifest.version)}: {escape(gate.verdict)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _quality(judged: Judged) -> str:
    if not judged.pipeline:
        return f"<h2>Held-out days</h2><p>{judged.events:,} events are too few to judge by.</p>"
    ours, popular = judged.pipeline, judged.popularity
    said = (
        f"<p>{judged.events:,} events of {judged.users:,} users, {judged.days:g} days from {_time(judged.since_ms)} on;"
        " the same recipe was fitted without them and lived through them: each page of events predicted, then fed in."
        " Intervals of 95 %, users resampled.</p>"
    )
    drawn = bars("NDCG@10", [
        Bar("served", ours["ndcg_at_10"], ours["ndcg_low"], ours["ndcg_high"]),
        Bar("popularity", popular["ndcg_at_10"], popular["ndcg_low"], popular["ndcg_high"], faint=True),
    ])  # fmt: skip
    days = [(_day(day), value) for day, (_, value) in sorted(judged.by_day.items())][-14:]
    slices = [
        bar
        for name, one in judged.slices.items()
        for bar in (
            Bar(f"{name} ({int(one['events']):,})".replace("_", " "), one["ndcg_at_10"]),
            Bar("popularity", one["popularity"], faint=True),
        )
    ]
    split = judged.time_split
    rows = [
        ("Precision@10", ours["precision_at_10"], "one relevant item per prediction"),
        ("Hit rate@10", ours["hr_at_10"], ""),
        ("times popularity, NDCG@10", judged.ratio["value"], f"{judged.ratio['low']:.3f}..{judged.ratio['high']:.3f}"),
        ("Precision@10, time split", split["precision_at_10"], "one list per user against all that came"),
        ("Recall@10, time split", split["recall_at_10"], ""),
        ("NDCG@10, time split", split["ndcg_at_10"], ""),
        ("AUC of 1,000 candidates", split["auc"], "what was taken up stands before what was not"),
        ("Recall of 1,000 candidates", split["candidate_recall_at_1000"], ""),
    ]
    return (
        f"<h2>Held-out days</h2>{said}{drawn}"
        + (line("NDCG@10 by day", days) if len(days) > 1 else "")
        + _table(("", "value", ""), rows)
        + (bars("NDCG@10 of slices", slices) if slices else "")
    )


def _lists(judged: Judged) -> str:
    if not judged.lists:
        return ""
    rows = [(name.replace("_", " "), value, "") for name, value in judged.lists.items()]
    rows += [
        (f"lists for {name.replace('_', ' ')}: whole", one["coverage"], f"{int(one['lists']):,} lists")
        for name, one in judged.new_users.items()
    ]
    total = max(1, sum(judged.sources.values()))
    found = sorted(judged.sources.items(), key=lambda one: -one[1])
    shares = [Bar(name, count / total) for name, count in found]
    return "<h2>What was shown</h2>" + _table(("", "value", ""), rows) + bars("Found by, share of finds", shares, ".1%")


def _beside(compared: Compared | None) -> str:
    if compared is None:
        return "<h2>Beside the bundle that serves</h2><p>None served when this one was made.</p>"
    what = "requests that were logged" if compared.logged else "requests of the held-out days, as none were logged"
    shares = [
        bar
        for name, (then, now) in compared.categories.items()
        for bar in (Bar(name, now), Bar("before", then, faint=True))
    ]
    rows = [
        (name, one["requests"], one["overlap"], one["log2_events_before"], one["log2_events_now"])
        for name, one in compared.segments.items()
    ]
    return (
        f"<h2>Beside {escape(compared.version)}</h2><p>{compared.requests:,} {what}, answered by both: overlap@10"
        f" <strong>{compared.overlap:.1%}</strong> ({compared.low:.1%}..{compared.high:.1%}), moved to other categories"
        f" <strong>{compared.shift:.1%}</strong>.</p>"
        + _table(("users", "requests", "overlap@10", "popularity before", "popularity now"), rows)
        + '<p class="soft">Popularity: mean of log2(1 + events) of the items shown.</p>'
        + (bars("Categories that moved most, share of what is shown", shares, ".1%") if shares else "")
    )


def _inputs(report: Mapping[str, float]) -> str:
    found = {name.removeprefix("importance_"): v for name, v in report.items() if name.startswith("importance_")}
    if not found:
        return ""
    best = sorted(found.items(), key=lambda one: -one[1])[:MOST_INPUTS]
    drawn = bars("NDCG@10 lost when the input is shuffled", [Bar(name, max(0.0, value)) for name, value in best])
    return f"<h2>What the ranker looks at</h2>{drawn}"


def _left_out(cleaned: Sequence[Cleaned]) -> str:
    if not cleaned:
        return "<h2>Left out</h2><p>Nothing.</p>"
    rows = [(REASONS.get(one.reason, one.reason), one.events, one.users, "\n".join(one.examples)) for one in cleaned]
    return "<h2>Left out</h2>" + _table(("why", "events", "users", "examples"), rows)


def _settings(seconds: Mapping[str, float], settings: Mapping[str, Any]) -> str:
    took = [(name, value) for name, value in seconds.items()]
    said = "".join(f"<code>{escape(f'{name} = {value!r}')}</code><br>" for name, value in settings.items())
    return f"<h2>Steps, seconds</h2>{_table(('step', 's'), took)}<h2>Settings</h2><p>{said}</p>"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    rows = [*rows]
    numbers = [all(isinstance(row[place], int | float) for row in rows) for place in range(len(head))]
    kinds = [' class="n"' if number else "" for number in numbers]
    top = "".join(f"<th{kind}>{escape(name)}</th>" for kind, name in zip(kinds, head, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{_said(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _said(cell: object) -> str:
    if isinstance(cell, float) and not cell.is_integer():
        return f"{cell:.4f}"
    if isinstance(cell, (int, float)):
        return f"{int(cell):,}"
    return escape(str(cell)).replace("\n", "<br>")


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1e3, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _day(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_MS / 1e3, UTC).strftime("%d %b")
