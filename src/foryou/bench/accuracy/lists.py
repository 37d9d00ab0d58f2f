"""How are data sets of `user item item …` lines read?"""

from pathlib import Path

import numpy as np

from foryou.domain.errors import Invalid
from foryou.domain.ragged import Ragged
from foryou.train.dataset import Interactions


def located(folder: Path, name: str, files: tuple[str, ...]) -> Path:
    """Give the folder that holds all the files: this one, or the one of that name below it.

    Raises Invalid where neither does.
    """
    for place in (folder, folder / name):
        if all((place / file).is_file() for file in files):
            return place
    raise Invalid(
        "--data", f"neither {folder} nor its folder {name} holds {', '.join(files)}", "name the folder that does"
    )


def read(path: Path) -> Ragged:
    """Give the items of each user, int32: the file counts from 0, item numbers from 1, as 0 is nobody.

    A line is a user and then his items; a user without a line, or with nothing behind his number, has none. An item
    that stands twice counts once. Raises Invalid, with the line, for what is not a number.
    """
    rows: dict[int, list[int]] = {}
    with path.open(encoding="ascii", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            words = line.split()
            if not all(word.isascii() and word.isdecimal() for word in words):
                wrong = next(word for word in words if not (word.isascii() and word.isdecimal()))
                raise Invalid(f"{path}:{number}", f"{wrong[:40]!r} is no number from 0", "write `user item item …`")
            if words and int(words[0]) in rows:
                raise Invalid(f"{path}:{number}", f"user {words[0]} had a line before", "write one line per user")
            if words:
                rows[int(words[0])] = sorted({int(word) + 1 for word in words[1:]})
    if not rows:
        raise Invalid(str(path), "holds no user", "write a line `user item item …` for each")
    return Ragged.of_rows([rows.get(user, []) for user in range(max(rows) + 1)], np.int32)


def as_log(lists: Ragged, items: int) -> Interactions:
    """Give the lists as likes, all at time 0, of users named by their numbers. items: N of the catalog."""
    count = np.diff(lists.start)
    n = len(lists.values)
    return Interactions(
        user=np.repeat(np.arange(len(count), dtype=np.int32), count), item=lists.values, at_ms=np.zeros(n, np.int64),
        taste=np.ones(n, np.float32), action=np.zeros(n, np.uint8), value=np.full(n, np.nan, np.float32),
        event_ids=[""] * n, user_ids=[str(user) for user in range(len(count))], items=items,
    )  # fmt: skip
