"""Told to stop: by the scheduler, which takes its node back, or by the head."""

from __future__ import annotations

import signal
import threading


class Stop(threading.Event):
    """Set when this process must end soon; `silent` if it is to leave no result."""

    silent = False


def stop_on_signal() -> Stop:
    """Stop on a signal: SIGTERM is the scheduler's and is recorded, SIGINT the head's own."""
    stop = Stop()

    def on_signal(number: int, _frame: object) -> None:
        stop.silent = number == signal.SIGINT
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, on_signal)
    return stop
