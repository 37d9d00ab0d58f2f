"""How is the ranker learned? A logistic one (`fit_logistic`) and a wide and deep one (`fit_mlp`, with PyTorch).

Both give the plain arrays that `models.mlp.Ranker` scores with. They learn from `Groups`: lists that were shown, or
pages of candidates, with what was chosen. The inputs must come from models fitted before the groups' time.
"""

from foryou.train.ranker.deep import fit_mlp
from foryou.train.ranker.distil import told
from foryou.train.ranker.groups import Groups, Objective, Settings
from foryou.train.ranker.logistic import fit_logistic
from foryou.train.ranker.loss import calibration, judged, ranks

__all__ = ["Groups", "Objective", "Settings", "calibration", "fit_logistic", "fit_mlp", "judged", "ranks", "told"]
