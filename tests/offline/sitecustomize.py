"""Refuses every connection that leaves this computer, in this process and, on PYTHONPATH, in those that it starts.

Audit hooks see the sockets of every library, and cannot be taken away again. A library that swallows the refusal
is found out too: it is written down in the file that NOLLCLASSIFY_REFUSED names.
"""

from __future__ import annotations

import os
import socket
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

_HOST_AT = {"socket.connect": 1, "socket.sendto": 1, "socket.getaddrinfo": 0, "socket.gethostbyname": 0}


def is_near(host: object) -> bool:
    """Whether a host is this computer; False for every name that would have to be looked up elsewhere."""
    if isinstance(host, bytes):
        host = host.decode()
    if host in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        return ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _HOST_AT:
        return
    address = arguments[_HOST_AT[event]]
    # Sockets of the file system have a path, not a pair.
    if event in ("socket.connect", "socket.sendto"):
        if not isinstance(address, tuple) or arguments[0].family not in (socket.AF_INET, socket.AF_INET6):
            return
        address = address[0]
    if is_near(address) or (event != "socket.connect" and str(address) in ("0.0.0.0", "::")):
        return
    message = f"the tests reach nothing outside this computer, and {address} is outside ({event}, {sys.argv[:2]})"
    if log := os.environ.get("NOLLCLASSIFY_REFUSED"):
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(f"{message}\n")
    raise ConnectionRefusedError(message)


sys.addaudithook(refuse)
