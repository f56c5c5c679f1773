"""The compare words of two onions: docs/PROTOCOL.md, "Compare words".

words.txt is the English list of BIP39 (github.com/bitcoin/bips, bip-0039; the MIT license).
"""

import hashlib
from pathlib import Path

WORDS = (Path(__file__).parent / "words.txt").read_text().split()


def words(one, other):
    """Of the two keys, 32 bytes each."""
    low, high = sorted([one, other])
    digest = hashlib.sha256(b"torchatd/1 compare\0" + low + high).digest()
    bits = int.from_bytes(digest, "big") >> (256 - 132)
    return [WORDS[bits >> (11 * (11 - n)) & 2047] for n in range(12)]
