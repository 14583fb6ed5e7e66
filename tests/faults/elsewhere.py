"""`python -m tests.faults.elsewhere MODULE ARGUMENTS`: runs it on what calls itself another host.

The name of a host belongs to a namespace (uts_namespaces(7)); to make one takes root.
"""

import ctypes
import os
import socket
import sys

CLONE_NEWUTS = 0x04000000
NAME = "elsewhere"


def main() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUTS):
        raise OSError(ctypes.get_errno(), "no namespace for another host's name: are you root?")
    socket.sethostname(NAME)
    os.execv(sys.executable, [sys.executable, "-m", *sys.argv[1:]])


if __name__ == "__main__":
    main()
