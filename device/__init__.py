"""The device: the firmware of a scanner unit, on whatever body it is given."""
