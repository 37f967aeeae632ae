"""The demo without a broker: the same firmware and the same hub in one program, on the simulator's link and clock."""

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import zip_longest

from hub import settings
from hub.intake import Intake
from hub.keys import Keys
from hub.ledger import Ledger
from hub.log import to_stderr
from hub.pictures import Pictures
from hub.register import Register
from sim.clock import SteppedClock
from sim.demo import DemoError, Laid
from sim.deployment import Deployment
from sim.fleet import SimUnit
from sim.link import Exchange

SETTLED_MS_MAX = 600_000
