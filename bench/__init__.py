"""The benchmarks: each prints its figures and the peer's side by side, from one run; none is a test."""

import os

# As in device/__init__.py, which comes too late where a bench looks at numpy first.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
