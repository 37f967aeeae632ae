"""The panel: button, lamps and buzzer of a real unit in a program of their own, which does what a line says.

Each line on stdin is a list in JSON: `show NAME`, `fault NAME`, `count N`, `quiet BOOL`, `hush`, `posted N SECONDS`,
`played`, `anew`. Each is answered by a line when it is done: the events that `posted` has waited for, what the
mixer has had `played` since it was made, each as milliseconds, lamp (or nothing) and level or hertz; else by nothing.
"""

import json
import sys
from contextlib import suppress
from queue import Empty, SimpleQueue

import hardware.indicator
from device.lamps import Lit
from device.ports import BodyEvent
from device.signals import FaultCode, Signal
from hardware.button import PushButton
from hardware.gpio import open_pins
from hardware.indicator import PinIndicator
from hardware.pins import Pins
from tests.hardware.logged import Logged

PINS = Pins()


def main() -> None:
    hardware.indicator.Mixer = Logged  # type: ignore[attr-defined]
    inbox: SimpleQueue[BodyEvent] = SimpleQueue()
    factory = open_pins()
    indicator, button = PinIndicator(PINS, factory, inbox.put), PushButton(PINS.button, factory, inbox.put)
    print("[]", flush=True)
    for line in sys.stdin:
        answer: list[object] = []
        match json.loads(line):
            case ["show", name]:
                indicator.show(Signal[name])
            case ["fault", name]:
                indicator.show(FaultCode[name])
            case ["count", number]:
                indicator.count(number)
            case ["quiet", on]:
                indicator.quiet(on)
            case ["hush"]:
                indicator.hush()
            case ["posted", count, seconds]:
                with suppress(Empty):
                    while len(answer) < count:
                        answer.append(repr(inbox.get(timeout=seconds)))
            case ["played"]:
                for change in list(Logged.latest.yielded):
                    level = int(change.is_on) if isinstance(change, Lit) else change.hertz
                    answer.append((change.at, change.lamp.name if isinstance(change, Lit) else "", level))
            case ["anew"]:
                indicator.close()
                button.close()
                indicator = PinIndicator(PINS, factory, inbox.put)
                button = PushButton(PINS.button, factory, inbox.put)
            case unknown:
                raise AssertionError(f"nobody knows what {unknown} is")
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
