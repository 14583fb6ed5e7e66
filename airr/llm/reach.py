"""Is there anybody at an address? Asked once, before anything is begun that would wait for it."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

PATIENCE_SECONDS = 10.0
PORTS = {"http": 80, "https": 443}


def trouble_with(url: str) -> str | None:
    """Return why nobody can be reached at a URL, in the words of the system; None if one can.

    Where a proxy stands between, only that one knows: nothing is amiss as far as this tells.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme in getproxies() and not proxy_bypass(host):
        return None
    try:
        port = parts.port or PORTS.get(parts.scheme, 80)
        socket.create_connection((host, port), timeout=PATIENCE_SECONDS).close()
    except (OSError, ValueError) as error:  # ValueError: a port that is none
        return str(error)
    return None
