#!/usr/bin/env python3
"""Asks a torchatd for its onion, sends a text if you give one, then polls and prints what arrives.

    poll.py PORT [--to ONION --text TEXT] [--once]

Python 3.9 or newer, standard library only.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from typing import Any

from harmless import harmless


class Refused(Exception):
    """The daemon answered ERR."""


class Daemon:
    """One connection to a daemon: a request, then its reply.

    The connection stays open until the reply is read: the daemon asks the kernel whose socket it is, and of a socket that
    was closed the kernel soon says nothing. A message that UPDATE handed out counts as read with the next request.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=180)
        # A plain reply is one line.
        self._lines = self._socket.makefile("r", encoding="utf-8", newline="\n")

    def ask(self, cmd: str, **fields: Any) -> dict[str, Any]:
        """Sends a request and returns the reply; raises Refused for ERR, OSError when the daemon leaves."""
        self._socket.sendall(json.dumps({"cmd": cmd, **fields}).encode())
        line = self._lines.readline()
        if not line:
            raise ConnectionError("the daemon closed the connection (is it yours?)")
        reply: dict[str, Any] = json.loads(line)
        if reply["cmd"] == "ERR":
            raise Refused(f"{reply['msg']} ({reply['code']})")
        return reply

    def unread(self) -> list[dict[str, Any]]:
        """Everything that is unread, oldest first for each peer."""
        found = []
        for peer in filter(None, self.ask("GET_PEERS")["msg"].split(",")):
            while (reply := self.ask("UPDATE", msg=peer))["cmd"] == "UPDATE":
                found.append(reply)
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--to", metavar="ONION", help="send --text to this peer first")
    parser.add_argument("--text", default="hello")
    parser.add_argument("--once", action="store_true", help="look once and end")
    options = parser.parse_args()
    if sys.stdout is None:
        # Closed from the beginning: every message would count as read, and be printed nowhere.
        return 1
    try:
        daemon = Daemon(options.port)
        print("I am", daemon.ask("HOST")["msg"], flush=True)
        if options.to:
            daemon.ask("SEND", id=options.to, msg=options.text)
            print("queued for", options.to, flush=True)
        while True:
            for message in daemon.unread():
                # Indented, so that no line of a text looks like the beginning of another message.
                text = harmless(message["msg"], rows=True).replace("\n", "\n    ")
                print(message["date"], message["id"], text, flush=True)
            if options.once:
                return 0
            time.sleep(1)
    except (Refused, OSError) as error:
        print(f"poll.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
