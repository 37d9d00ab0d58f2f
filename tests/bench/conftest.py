"""Which small data sets do the benches run on?"""

from pathlib import Path

import numpy as np
import pytest

from foryou.bench.accuracy import gowalla


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """Write two groups of users who go to places of their own, in the layout of Gowalla."""
    random = np.random.default_rng(8)
    files: dict[str, list[str]] = {name: [] for name in gowalla.FILES}
    for user in range(120):
        places = random.permutation(20)[:14] + 20 * (user % 2)
        cuts = {"fit.txt": places[:8], "valid.txt": places[8:10], "train.txt": places[:10], "test.txt": places[10:]}
        for name, part in cuts.items():
            files[name].append(" ".join(map(str, [user, *part])))
    for name, written in files.items():
        (tmp_path / name).write_text("\n".join(written) + "\n")
    return tmp_path
