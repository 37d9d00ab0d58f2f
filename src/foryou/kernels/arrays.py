"""How are arrays named in the kernels, and which fast maths is allowed there?

Fast maths is allowed only where no value can be NaN or infinite by meaning (sums of products); comparisons of scores
keep IEEE rules.
"""

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
Bool = NDArray[np.bool_]

SUMS = {"reassoc", "contract", "nsz"}  # lets sums of products use vector instructions, keeps NaN and infinity
