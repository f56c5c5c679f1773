"""Loopback daemons for the tests: the program is named by LOOPBACK_DAEMON."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import unittest
from typing import Any, Callable, Optional

import torchat

LONG = 30.0


def eventually(what: str, look: Callable[[], Any], limit: float = LONG) -> Any:
    """Looks at a condition until it holds."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        # It is in another process.
        time.sleep(0.02)
    raise AssertionError(f"not within {limit} s: {what}")


class Daemon:
    """A daemon as a process."""

    def __init__(self, directory: str, name: str, seed: int) -> None:
        self.data = os.path.join(directory, name)
        self.peers = os.path.join(directory, "peers")
        self.socket = os.path.join(self.data, "control.sock")
        self._seed, self._process = seed, None  # type: int, Optional[subprocess.Popen[bytes]]
        os.makedirs(self.data, mode=0o700)
        os.makedirs(self.peers, exist_ok=True)

    @property
    def port(self) -> str:
        with open(os.path.join(self.data, "port"), encoding="ascii") as file:
            return file.read().strip()

    def start(self) -> None:
        port = os.path.join(self.data, "port")
        if os.path.exists(port):
            os.unlink(port)
        program = os.environ["LOOPBACK_DAEMON"]
        # "legacy": it takes messages of old programs.
        arguments = [program, self.data, self.peers, str(self._seed), "legacy"]
        self._process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)
        process = self._process

        def serves() -> bool:
            assert process.poll() is None, f"the daemon ended with {process.returncode}"
            return os.path.exists(port)

        eventually("the daemon serves", serves)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Friends(unittest.TestCase):
    """Two daemons that have added each other."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.a, self.b = Daemon(directory.name, "a", 1), Daemon(directory.name, "b", 2)
        for daemon in (self.a, self.b):
            self.addCleanup(daemon.kill)
            daemon.start()
        with torchat.Client(self.a.socket) as a, torchat.Client(self.b.socket) as b:
            self.onion_a, self.onion_b = a.onion, b.onion
            a.call("ADD", peer=self.onion_b)
            b.call("ADD", peer=self.onion_a)
