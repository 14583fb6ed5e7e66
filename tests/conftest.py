"""What holds for every test."""

from hypothesis import settings

# the same examples on every machine: a red run is red again
settings.register_profile("airr", derandomize=True, deadline=None)
settings.load_profile("airr")
