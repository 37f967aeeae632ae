"""A contact between a pin and ground, which bounces as contacts do; told of as lgpio does, on a stepped clock."""

from typing import Any

from gpiozero.pins.mock import MockFactory, MockPin

from sim.clock import SteppedClock


class ContactPin(MockPin):  # type: ignore[misc]  # gpiozero is untyped
    """A pin whose level is the contact's and is read as it is, but told only once it has stood for `bounce`."""

    def __init__(self, factory: "ContactFactory", info: Any) -> None:
        self._clock = factory.clock
        self._is_down = False
        self._moves = 0
        super().__init__(factory, info)

    def touch(self, is_down: bool) -> None:
        """Closes the contact, or opens it."""
        if is_down is not self._is_down:
            self._is_down = is_down
            self._moves += 1
            moves = self._moves
            self._clock.after(round((self._bounce or 0) * 1000), lambda: self._stood(moves))

    def _stood(self, moves: int) -> None:
        if moves == self._moves and self._change_state(not self._is_down) and self._when_changed is not None:
            self._call_when_changed()

    def _get_state(self) -> bool:
        return not self._is_down

    def _set_pull(self, value: str) -> None:
        self._pull = value
        self._state = not self._is_down


class ContactFactory(MockFactory):  # type: ignore[misc]
    """Pins with contacts."""

    def __init__(self, clock: SteppedClock) -> None:
        self.clock = clock
        super().__init__(pin_class=ContactPin)

    def contact(self, bcm: int) -> ContactPin:
        """The contact at a pin."""
        pin = self.pin(bcm)
        assert isinstance(pin, ContactPin)
        return pin
