"""Which Traffic Managers run, so that clients find each other's. They live inside clients."""

from __future__ import annotations

from dataclasses import dataclass

MAX_ENTRIES = 256


@dataclass(frozen=True, slots=True)
class Caller:
    """One connection of a client.

    Attributes:
        id: Unique in this server.
        host: Where it comes from.
    """

    id: int
    host: str


class TrafficManagers:
    """The running ones, by their port."""

    def __init__(self) -> None:
        self._owners: dict[int, Caller] = {}

    def add(self, caller: Caller, address: tuple[str, int]) -> bool:
        """Remember one; return whether its port was free.

        Args:
            caller: Whose it is. Its host is remembered, not the one that it says: clients guess
                theirs, and often wrongly.
            address: What the client says.
        """
        _, port = address
        if port in self._owners or len(self._owners) >= MAX_ENTRIES:
            return False
        self._owners[port] = caller
        return True

    def address(self, port: int) -> tuple[str, int]:
        """Return where the one with this port is; ("", 0) if there is none."""
        owner = self._owners.get(port)
        return ("", 0) if owner is None else (owner.host, port)

    def is_running(self, port: int) -> bool:
        """Return whether there is one with this port."""
        return port in self._owners

    def remove(self, port: int) -> None:
        """Forget one, if it is there."""
        self._owners.pop(port, None)

    def forget(self, caller: Caller) -> None:
        """Forget those of a client that has gone; it never says so itself."""
        self._owners = {port: owner for port, owner in self._owners.items() if owner != caller}
