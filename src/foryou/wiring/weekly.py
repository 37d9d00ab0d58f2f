"""How does a large network come to teach the rankers of a week? From the log without its newest days, as a file."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from foryou.train import gate, replay, teacher
from foryou.wiring import training, varied
from foryou.wiring.engines import engine_of
from foryou.wiring.home import Home
from foryou.wiring.lock import Lock


@dataclass(frozen=True, slots=True)
class Taught:
    """Where the teacher lies, until when it saw choices, NDCG@10 of its older half on the newer, the share in force."""

    path: str
    until_ms: int
    ndcg_at_10: float
    share: float


def taught(home: Home, on_progress: training.Progress) -> Taught:
    """Fit the teacher and put it in place of the one before, whole or not at all.

    Raises NotFound for an empty log, Invalid for one that is too small or for watch time, Unavailable without PyTorch,
    Conflict while another training runs on this home.
    """
    config, path = home.config, Path(home.config.home) / training.TEACHER
    with Lock(Path(config.home) / "train.lock"), closing(engine_of(config)) as engine:
        taken = training.took(home, engine, on_progress)
        log = replay.by_page(taken.log)
        cut = gate.held_out(log)
        shown = training.shown_at_home(home)
        if cut < len(log):
            shown = [one for one in shown if one.now_ms < int(log.at_ms[cut])]
        fits = training.fitting(config, on_progress, engine, placements=varied.served(home))
        found = fits.teach(log.part(0, cut), taken.catalog, Path(config.home) / "work", shown)
        teacher.save(found, path)
    return Taught(str(path), found.whole_ms, found.ndcg_at_10, config.train.teacher_share)
