"""Honest figures: each row beside its reference, in the same run, on the same machine. `make bench`."""
