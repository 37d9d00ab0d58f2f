"""Does the bench of the fold count what is folded, and does it know a log that is not?"""

from pathlib import Path

from foryou.bench import draws, fold
from foryou.config import load
from foryou.domain.log import Stream
from foryou.wiring.home import open_home


def test_it_folds_what_it_appended_and_says_how_fast(tmp_path: Path) -> None:
    home = open_home(load(tmp_path, {}))
    told: list[tuple[int, int]] = []
    fold.fill(home.log, 1_200, lambda what, done, total: told.append((done, total)))
    assert told[-1] == (1_200, 1_200)
    assert sum(end + 1 for end in home.log.ends(Stream.EVENTS).values()) == 1_200
    first = fold.catch_up(home.worker())
    assert (first["events"], first["waited"]) == (1_200, 1_200)
    assert first["events_per_s"] > 0
    assert fold.catch_up(home.worker())["events"] == 0
    assert home.features.read([draws.named(0)])[0], "who comes most often came"
    home.close()


def test_users_come_like_one_over_their_rank() -> None:
    names = draws.Drawn(1_000, seed=3).names(20_000)
    share = names.count(draws.named(0)) / len(names)
    assert 0.11 < share < 0.16  # 1 / the sum of 1/k for 1,000 users is .134
    assert names.count(draws.named(1)) < names.count(draws.named(0))
