"""How is a home tuned? The tables of a training, searched instead of trained, and the settings as config reads them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from foryou.config import PREFIX, Config
from foryou.train import als, replay, tuning
from foryou.wiring.home import Home
from foryou.wiring.training import snapshot

FILE = "tune.db"
DIGITS = 3


def tuned(home: Home, minutes: float, on_progress: Callable[[str, int, int], None]) -> tuning.Tuned:
    """Search settings of the models on the newest `train.validation_share` of the window; trials stay in the home.

    Raises NotFound for an empty log, Unavailable without Optuna.
    """
    log, _, _ = snapshot(home, on_progress)
    log = replay.by_page(log)
    cut = int(len(log) * (1 - home.config.train.validation_share))
    return tuning.tune(log, cut, _searched(home.config, minutes), lambda at, total: on_progress("tune", at, total))


def _searched(config: Config, minutes: float) -> tuning.Searched:
    train = config.train
    return tuning.Searched(
        now={name: float(getattr(train, name)) for name in tuning.SPACE},
        als=als.AlsSettings(width=train.width, iterations=train.iterations, dislike=train.dislike, seed=train.seed),
        last=train.fold_length, ease_up_to=train.ease_up_to, minutes=minutes, seed=train.seed,
        path=Path(config.home) / FILE,
    )  # fmt: skip


def rounded(settings: Mapping[str, float]) -> dict[str, float]:
    """Give settings with as many digits as matter."""
    return {name: float(f"{value:.{DIGITS}g}") for name, value in settings.items()}


def as_environment(settings: Mapping[str, float]) -> dict[str, str]:
    """Give settings of `train` as the variables that config reads."""
    return {f"{PREFIX}TRAIN__{name.upper()}": f"{value:g}" for name, value in rounded(settings).items()}


def as_toml(settings: Mapping[str, float]) -> str:
    """Give settings of `train` as lines for foryou.toml."""
    return "[train]\n" + "".join(f"{name} = {value!r}\n" for name, value in rounded(settings).items())
