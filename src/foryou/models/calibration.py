"""How likely is it that a candidate is taken up? A curve from the ranker's score to a probability, never falling."""

import numpy as np
from numpy.typing import NDArray

NAME = "calibration"  # array of a bundle, of the ranker that won; absent where too little was chosen to tell


def probability(knots: NDArray[np.float32], score: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the probability float32 [...] that a candidate with this score [...] is taken up from its list.

    knots float32 [2, K]: rising scores, and their log odds, rising too; between them straight lines in log odds. So
    a higher score never has a lower probability. `train.calibrate` makes them.
    """
    x, y = knots.astype(np.float64)
    return np.asarray(1 / (1 + np.exp(-np.interp(score, x, y))), np.float32)
