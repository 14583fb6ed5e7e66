"""`python -m tests.faults.deaf MODULE ARGUMENTS`: runs it as a shell does in its background."""

import os
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-m", *sys.argv[1:]])
