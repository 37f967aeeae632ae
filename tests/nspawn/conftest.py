"""The nspawn stage: what needs a machine of its own, and is collected only where tests/nspawn/run has made one."""

import os

collect_ignore_glob = [] if "TESTIGO_NSPAWN" in os.environ else ["test_*.py"]
