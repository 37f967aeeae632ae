"""The pins: what is wired where, by BCM number; the one table that code, bench and wiring diagrams are made from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pins:
    """BCM numbers (not places on the header), in header order.

    None of them is shared with I2C (2, 3), the serial console (14, 15) or the SPI bus (7 to 11), so that a clock,
    a battery board or a TPM can be added later.

    Attributes:
        button: to ground; the Pi's own pull-up holds it high (header 11).
        ready, kept, again, link: lamps, high is on: pin, 330 ohm, lamp, ground (header 13, 15, 16, 18).
        paper: the gate of the transistor that switches the light bars (header 22).
        buzzer: a passive piezo, between pin and ground (header 12).
    """

    button: int = 17
    ready: int = 27
    kept: int = 22
    again: int = 23
    link: int = 24
    paper: int = 25
    buzzer: int = 18
