"""Talks to a torchatd, the messenger daemon: API 1 of docs/CONTROL-API.md.

    import torchat

    with torchat.Client() as daemon:
        daemon.send(PEER, "hello")
        with daemon.follow(consumer="bot1", kinds=["received"]) as events:
            for event in events:
                message = event["message"]
                print(message["peer"], torchat.harmless(message["text"], one_line=True))
                events.ack()

The same with asyncio is `torchat.aio.Client`. Python 3.9 or newer, standard library only.
"""

from __future__ import annotations

from ._core import (
    Address, ConnectFailed, Error, Impostor, Lost, NotFound, NotUnderstood, Refused, TimedOut, Token, client_id, find,
)
from ._plain import Client, Follower, Subscription
from .compare import compare_words
from .harmless import harmless
from .names import NoSuchPeer
from . import aio, codes, compare, names

__all__ = [
    "Address", "Client", "ConnectFailed", "Error", "Follower", "Impostor", "Lost", "NoSuchPeer", "NotFound",
    "NotUnderstood", "Refused", "Subscription", "TimedOut", "Token", "aio", "client_id", "codes", "compare", "compare_words",
    "find", "harmless", "names",
]
