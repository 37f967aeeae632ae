"""The benchmarks: each prints its figures and the peer's side by side, from one run; none is a test."""
