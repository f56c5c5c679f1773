#!/usr/bin/env python3
"""A small terminal client: asks for a peer's onion id, shows the conversation, sends what you type.

    chat.py PORT [ONION]

Commands: /peer ONION  /peers  /add ONION  /status  /help  /quit (the daemon goes on)  /exit (stops the daemon).
Python 3.9 or newer, standard library only.
"""

from __future__ import annotations

import curses
import locale
import sys
import textwrap
from typing import Any

from harmless import harmless
from poll import Daemon, Refused

HELP = "/peer ONION  /peers  /add ONION  /status  /help  /quit  /exit"
REFRESH_MS = 1000


class Chat:
    """The screen: messages above, one line of input below."""

    def __init__(self, screen: Any, daemon: Daemon, peer: str) -> None:
        self.screen, self.daemon, self.peer = screen, daemon, peer
        self.own = daemon.ask("HOST")["msg"]
        self.typed = ""
        self.notes: list[str] = [f"you are {self.own}", HELP]
        self.lines: list[str] = []
        self.running = True

    def refresh_lines(self) -> None:
        """Takes what is unread (which marks it read) and shows the end of the conversation."""
        for peer in filter(None, self.daemon.ask("GET_PEERS")["msg"].split(",")):
            if peer != self.peer:
                note = f"unread mail from {peer}: /peer {peer}"
                if note not in self.notes:
                    self.notes.append(note)
        if not self.peer:
            self.lines = []
            return
        while self.daemon.ask("UPDATE", msg=self.peer)["cmd"] == "UPDATE":
            pass
        history = self.daemon.ask("HISTORY", id=self.peer, msg="200")["lines"]
        self.lines = []
        for line in history:
            who = "you " if line["dir"] == "out" else "peer"
            state = "" if line["dir"] == "in" else f"  [{line['state']}]"
            clock = line["date"][11:16]
            for n, part in enumerate(harmless(line["msg"], rows=True).split("\n")):
                self.lines.append(f"{clock} {who} {part}{state if n == 0 else ''}")

    def draw(self) -> None:
        height, width = self.screen.getmaxyx()
        self.screen.erase()
        shown: list[str] = []
        for line in self.notes[-4:] + self.lines:
            # Indented, so that no part of a text stands where a time and a name would.
            shown += textwrap.wrap(line, max(width - 1, 10), subsequent_indent="      ") or [""]
        for row, line in enumerate(shown[-max(height - 2, 1):]):
            self.put(row, line)
        self.put(height - 2, ("-" * width)[: width - 1])
        prompt = "> " if self.peer else "peer's onion id> "
        self.put(height - 1, (prompt + self.typed)[-(width - 1):])
        self.screen.refresh()

    def put(self, row: int, text: str) -> None:
        try:
            self.screen.addstr(row, 0, text)
        except curses.error:
            # The window shrank between the question for its size and this line.
            pass

    def enter(self) -> None:
        # What is sent is what was typed, blanks too; only a command's are not meant.
        text, self.typed = self.typed, ""
        if not text.strip():
            return
        if text.lstrip().startswith("/"):
            text = text.strip()
        command, _, argument = text.partition(" ")
        if not text.startswith("/"):
            if self.peer:
                self.daemon.ask("SEND", id=self.peer, msg=text)
            else:
                self.choose(text.strip())
        elif command == "/peer":
            self.choose(argument.strip())
        elif command == "/add":
            self.daemon.ask("ADD", id=argument.strip())
            self.notes.append("added")
        elif command == "/peers":
            self.notes.append("unread: " + (self.daemon.ask("GET_PEERS")["msg"] or "nothing"))
        elif command == "/status":
            self.notes.append(self.daemon.ask("STATUS")["msg"])
        elif command == "/quit":
            self.running = False
        elif command == "/exit":
            self.daemon.ask("EXIT")
            self.running = False
        else:
            self.notes.append(HELP)

    def choose(self, onion: str) -> None:
        """Talks to this peer from now on. HISTORY checks the id without changing anything."""
        self.peer = self.daemon.ask("HISTORY", id=onion, msg="1")["id"]
        self.notes.append(f"talking to {self.peer}: /add it if its messages do not arrive")

    def loop(self) -> None:
        self.screen.timeout(REFRESH_MS)
        while self.running:
            try:
                self.refresh_lines()
                self.draw()
                key = self.screen.get_wch()
                if key in ("\n", "\r", curses.KEY_ENTER):
                    self.enter()
                elif key in ("\x7f", "\b", curses.KEY_BACKSPACE):
                    self.typed = self.typed[:-1]
                elif key in ("\x03", "\x04"):
                    self.running = False
                elif isinstance(key, str) and key.isprintable():
                    self.typed += key
            except Refused as refused:
                self.notes.append(str(refused))
            except curses.error:
                # No key within the second.
                continue
            except KeyboardInterrupt:
                self.running = False


def main() -> int:
    if len(sys.argv) not in (2, 3) or not sys.argv[1].isdigit():
        print("usage: chat.py PORT [ONION]", file=sys.stderr)
        return 2
    locale.setlocale(locale.LC_ALL, "")
    try:
        daemon = Daemon(int(sys.argv[1]))
        peer = sys.argv[2] if len(sys.argv) == 3 else ""
        curses.wrapper(lambda screen: Chat(screen, daemon, peer).loop())
    except (OSError, Refused) as error:
        print(f"chat.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
