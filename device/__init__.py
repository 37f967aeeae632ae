"""The device: the firmware of a scanner unit, on whatever body it is given."""

import os

# The reader's products of matrices are small: threads for them only fight over the cores (measured: up to 30 times
# slower on a busy machine). numpy looks at this once, when it is first imported; so it is said before anything else.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
