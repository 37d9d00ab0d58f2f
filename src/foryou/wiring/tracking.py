"""Who keeps book of what was trained? MLflow, where `train.tracking` names one."""

from functools import partial
from pathlib import Path

from foryou.config import Config
from foryou.domain.errors import Unavailable
from foryou.wiring.daily import Tracking


def tracking_of(config: Config) -> Tracking | None:
    """Give what tells MLflow; None = nobody is to be told. Raises Unavailable where mlflow is not installed."""
    train = config.train
    if not train.tracking:
        return None
    try:
        from foryou.train import tracking
    except ImportError as error:
        raise Unavailable(f"train.tracking needs mlflow ({error}); pip install 'foryou[tracking]'") from None
    where = config.stores.models or (Path(config.home).resolve() / "models").as_uri()
    return Tracking(
        log=partial(tracking.track, train.tracking, train.tracking_model, where=where),
        champion=partial(tracking.promoted, train.tracking, train.tracking_model),
    )
