"""The pins: what is wired where; the one table that code, bench and wiring diagrams are made from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pin:
    """One pin and what hangs on it.

    Attributes:
        bcm: its number in the chip, by which code names it.
        header: its place on the 40-pin header.
        part: what hangs on it.
        way: how, from the pin to the other end, without the resistor.
        ohm: of the resistor between pin and part.
        ground: the nearest ground on the header.
    """

    bcm: int
    header: int
    part: str
    way: str
    ohm: int
    ground: int


@dataclass(frozen=True, slots=True)
class Pins:
    """Every pin of a unit.

    None is shared with I2C (BCM 2, 3), the serial console (14, 15) or the SPI bus (7 to 11), so that a clock, a battery
    board or a TPM can be added. All of the panel's but the button's are outputs that the Pi pulls down until the
    firmware runs (BCM 9 to 27 are, at power-on): whatever hangs on them is off then.

    Attributes:
        button: to ground; the Pi pulls it up. Its resistor saves the pin should it ever be an output that is high.
        ready, kept, again, link: lamps, on when the pin is high. White, green and blue ones have 3 volts of the pin's
            3.3 for themselves, hence 100 ohm; none draws more than 12 mA of the 16 that a pin may give.
        paper: the gate of the transistor that switches the light bars, on when the pin is high.
        buzzer: the base of the transistor that switches a passive piezo: at 5 V it is heard, at a pin's 3.3 V hardly.
        on_battery: to ground while no power comes from outside; the Pi pulls it up.
        battery_low: to ground while the battery is low; the Pi pulls it up.
    """

    button: Pin = Pin(17, 11, "button", "button, ground", 1000, 9)
    buzzer: Pin = Pin(18, 12, "buzzer, a passive piezo", "base of an NPN transistor that switches it, 5 V", 1000, 14)
    ready: Pin = Pin(27, 13, "READY, a white lamp, left", "lamp, ground", 100, 14)
    kept: Pin = Pin(22, 15, "KEPT, a green lamp, centre left", "lamp, ground", 100, 20)
    again: Pin = Pin(23, 16, "AGAIN, a red lamp, centre right", "lamp, ground", 330, 20)
    link: Pin = Pin(24, 18, "LINK, a blue lamp, right", "lamp, ground", 100, 20)
    paper: Pin = Pin(25, 22, "paper light", "gate of a logic-level transistor, with 10 kilohm to ground", 100, 25)
    battery_low: Pin = Pin(5, 29, "battery board: battery low", "open drain", 1000, 30)
    on_battery: Pin = Pin(6, 31, "battery board: no power from outside", "its output", 1000, 34)
