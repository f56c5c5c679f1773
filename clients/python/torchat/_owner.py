"""Whose the daemon at a port is. A client without a token asks the system before it says anything of worth, as the daemon asks
about its clients: any user can listen on a port that is free."""

from __future__ import annotations

import os
import socket
import struct
from typing import Iterator, NamedTuple, Optional, Tuple

from . import _core

# States in which a program holds its end (the kernel's include/net/tcp_states.h): ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT.
HELD = ("01", "04", "05", "08")
ALL_UIDS = 2 ** 32 - 1

LEFT = "it left before it could be looked at"

End = Tuple[str, int]


class Row(NamedTuple):
    """A line of /proc/net/tcp."""

    local: End
    remote: End
    state: str
    uid: int
    inode: int


def check(connection: socket.socket, address: _core.Address) -> None:
    """Raises Impostor if the program that has accepted this connection is not of our own user, Lost if nobody is there any more."""
    why = why_not_ours(connection)
    if why == LEFT:
        raise _core.lost(why)
    if why:
        raise _core.not_ours(address, why)


def why_not_ours(connection: socket.socket) -> Optional[str]:
    """Why the program that has accepted this connection is not of our own user; None if it is. To be asked when something came from
    there: before that nobody may have accepted it."""
    try:
        near, far = _end(connection.getsockname()), _end(connection.getpeername())
        rows = [row for row in _table() if (row.local, row.remote) == (far, near)]
        # Only as long as our end lives the numbers cannot be somebody else's.
        still = _end(connection.getpeername()) == far
    except OSError as error:
        return f"the system does not tell whose it is ({error.strerror or error})"
    held = [row for row in rows if row.state in HELD and row.inode != 0]
    if not still or not held:
        return LEFT
    if any(row.uid == _nobody() for row in held):
        return "it is of a user that this user namespace does not map"
    if any(row.uid != os.geteuid() for row in held):
        return f"it is of another user (uid {held[0].uid})"
    return None


def _end(address: Tuple[str, int]) -> End:
    return _plain(address[0]), address[1]


def _plain(host: str) -> str:
    """A socket for both versions of IP writes an IPv4 address as ::ffff:127.0.0.1."""
    return host[7:] if host.startswith("::ffff:") and "." in host else host


def _table() -> Iterator[Row]:
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(path, encoding="ascii") as file:
                lines = file.read().splitlines()[1:]
        except FileNotFoundError:
            if path.endswith("6"):
                continue
            raise
        for line in lines:
            row = _row(line)
            if row:
                yield row


def _row(line: str) -> Optional[Row]:
    """See proc(5)."""
    fields = line.split()
    try:
        return Row(_address(fields[1]), _address(fields[2]), fields[3], int(fields[7]), int(fields[9]))
    except (IndexError, ValueError):
        return None


def _address(text: str) -> End:
    """Hexadecimal numbers of four bytes as they are in memory, then the port."""
    words, _, port = text.partition(":")
    raw = b"".join(struct.pack("=I", int(words[at:at + 8], 16)) for at in range(0, len(words), 8))
    return _plain(socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)), int(port, 16)


def _nobody() -> Optional[int]:
    """The uid that the kernel shows for users that our user namespace does not map; None: it maps everybody."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:
            if sum(int(line.split()[2]) for line in file) >= ALL_UIDS:
                return None
        with open("/proc/sys/kernel/overflowuid", encoding="ascii") as file:
            return int(file.read())
    except (OSError, IndexError, ValueError):
        return 65534
