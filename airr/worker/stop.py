"""Told to stop: by the scheduler, which takes its node back, or by the head."""

from __future__ import annotations

import signal
import threading

from airr.records import Reason


class Stop(threading.Event):
    """Set when this process must end soon."""

    silent = False
    """It is to leave no result."""
    reason = Reason.PREEMPTED
    """Why the scheduler seems to want it."""


def stop_on_signal() -> Stop:
    """Stop on a signal: SIGTERM is the scheduler's and is recorded, SIGINT the head's own.

    SIGUSR1 comes, as every job of ours asks for it, when the job's time limit draws near.
    """
    stop = Stop()

    def on_signal(number: int, _frame: object) -> None:
        stop.silent = number == signal.SIGINT
        if number == signal.SIGUSR1:
            stop.reason = Reason.TIMEOUT
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, on_signal)
    return stop
