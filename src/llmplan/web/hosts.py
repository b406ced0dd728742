"""Which names of hosts can only mean this machine."""

from __future__ import annotations

import ipaddress


def is_this_machine(host: str) -> bool:
    """Whether a host name can only mean this machine.

    >>> is_this_machine("localhost"), is_this_machine("127.0.0.1"), is_this_machine("prices.example")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
