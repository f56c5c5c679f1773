"""Compare words: what two people read to each other to see that each has the other's onion. docs/PROTOCOL.md, "Compare words".

Both sides get the same words. They are compared by voice or face to face, never over torchat itself. The Rust client makes the same
ones; both agree with docs/vectors/compare.json.
"""

from __future__ import annotations

import base64
import hashlib
from typing import List

from . import names
from ._words import WORDS

COUNT = 12
"""Words that are compared: 11 bits each, 132 in all."""
_BITS = 11
_LABEL = b"torchatd/1 compare\0"


def compare_words(one: str, other: str) -> List[str]:
    """The twelve words of two onions (with or without `.onion`), the same whichever comes first. Raises NoSuchPeer for what is not a whole
    onion.

        words = torchat.compare_words(daemon.onion, daemon.peer("bob"))
        print(" ".join(words))              # read them to Bob; his program must show the same
        daemon.verify(daemon.peer("bob"))   # only if they are the same
    """
    low, high = sorted((_key(one), _key(other)))
    digest = hashlib.sha256(_LABEL + low + high).digest()
    bits = int.from_bytes(digest, "big") >> (8 * len(digest) - COUNT * _BITS)
    return [WORDS[bits >> (_BITS * (COUNT - 1 - n)) & (len(WORDS) - 1)] for n in range(COUNT)]


def _key(word: str) -> bytes:
    whole = names.onion(word)
    if whole is None:
        raise names.NoSuchPeer(f"{names.quoted(word)} is not an onion: compare words are made of two whole onions")
    return base64.b32decode(whole[:-len(".onion")].upper())[:32]
