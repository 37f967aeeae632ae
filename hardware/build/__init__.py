"""The build: what a stranger needs to make a unit: parts and prices, wiring, tray and case, marks, and a card of words.

`python -m hardware.build` redraws all of it; it is not in the wheel.
"""
