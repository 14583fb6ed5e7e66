"""What holds for every test."""

import signal

from hypothesis import settings

# the same examples on every machine: a red run is red again
settings.register_profile("airr", derandomize=True, deadline=None)
settings.load_profile("airr")

# what a background job inherits from its shell: there, Ctrl-C is ignored, by its children too
signal.signal(signal.SIGINT, signal.default_int_handler)
