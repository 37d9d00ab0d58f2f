"""How are the two towers learned? Items by id and content, users by what they did in order, with PyTorch."""

from foryou.train.two_tower.histories import Histories, Rows, histories_of, named, people_of, some_users
from foryou.train.two_tower.loop import TowerSettings, drawn, fingerprint, fit

__all__ = ["Histories", "Rows", "TowerSettings", "drawn", "fingerprint", "fit", "histories_of", "named", "people_of",
           "some_users"]  # fmt: skip
