"""Which peer a word means that a user writes: the rule of every client, which docs/SHELL.md, "PEER", tells to people.

- A whole onion is always that peer.
- A name that the user gave is taken as it is and wins over everything but a whole onion.
- Else the first characters of an onion, at least PREFIX_MIN, among those that the user has let in.
- Else a name that the user gave, in upper or lower case, if only one peer is called so.

What a stranger chooses never counts: neither the nickname that a peer gave itself nor the onion of somebody who asks to become a
contact. clients/core/src/names.rs says why; both agree with clients/core/golden/names.json.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Dict, Generator, Iterable, List, NamedTuple, Optional, Tuple

from ._core import Error
from ._types import Json
from .harmless import harmless

PREFIX_MIN = 4
"""Fewer characters of an onion are too easily somebody else's."""
_ONION_CHARS = 56
_SUGGESTIONS = 3
_MISTYPED_MIN = 3
_LETTERS = re.compile("[a-z2-7]*")
_OLD = re.compile("[A-Za-z2-7]{16}")


class Known(NamedTuple):
    """A peer that is known: its onion, the name that the user gave, and "contact", "blocked", "former" (there only is a
    conversation) or "asking"."""

    peer: str
    name: Optional[str]
    standing: str


class NoSuchPeer(Error):
    """A word means nobody, or several. The text says what to do, and is harmless for a terminal."""


# By what a peer may be meant for a purpose, and who; what comes first wins.
_TIERS: Dict[str, List[Tuple[str, str]]] = {
    # To send something, or to change what a peer is or may do.
    "act": [("name", "contact"), ("name", "blocked"), ("beginning", "contact"), ("beginning", "blocked"),
            ("any case", "contact"), ("any case", "blocked")],
    # To read what is stored.
    "read": [("name", "contact"), ("name", "blocked"), ("beginning", "contact"), ("beginning", "blocked"),
             ("any case", "contact"), ("any case", "blocked"), ("beginning", "former")],
    # To decide about a request.
    "request": [("beginning", "asking")],
    # To unblock.
    "unblock": [("name", "blocked"), ("beginning", "blocked"), ("any case", "blocked")],
}


def onion(word: str) -> Optional[str]:
    """A whole onion with `.onion`, written with or without it; None: the word is none. Raises NoSuchPeer for what looks like one and
    is wrong. Whether its key is good, the daemon says."""
    bare = word[:-len(".onion")] if word.endswith(".onion") else word
    if bare == word and len(word.encode()) != _ONION_CHARS:
        return None
    if _OLD.fullmatch(bare):
        problem = ("that is a version 2 address; Tor switched them off in 2021: ask for the new one, which has 56 "
                   "characters")
    elif len(bare) != _ONION_CHARS:
        problem = "an onion id has 56 characters (with or without .onion)"
    elif not _LETTERS.fullmatch(bare):
        if bare == word:
            # A name of the user's may well have 56 characters.
            return None
        problem = "an onion id is written in lower case letters and the digits 2 to 7"
    else:
        raw = base64.b32decode(bare.upper())
        key, checksum, version = raw[:32], raw[32:34], raw[34:]
        if version != b"\x03":
            problem = "the onion id is not of version 3"
        elif hashlib.sha3_256(b".onion checksum" + key + version).digest()[:2] != checksum:
            problem = "the onion id has a mistyped character (its checksum does not match)"
        else:
            return bare + ".onion"
    raise NoSuchPeer(f'"{harmless(word, one_line=True)}" is not an onion: {problem}')


def is_beginning(word: str) -> bool:
    """Whether a word can be the beginning of an onion."""
    return len(word) >= PREFIX_MIN and bool(_LETTERS.fullmatch(word))


def resolve(word: str, known: Iterable[Known], purpose: str = "act") -> str:
    """The onion of the peer that a word means, of those that are known. `purpose`: "act", "read", "request" or "unblock". Raises
    NoSuchPeer."""
    whole = onion(word)
    if whole is not None:
        return whole
    rows = list(known)
    for by, standing in _TIERS[purpose]:
        fitting: Dict[str, Known] = {}
        for row in rows:
            if row.standing == standing and _fits(word, by, row):
                # A peer that stands in two lists is one peer.
                fitting.setdefault(row.peer, row)
        if len(fitting) == 1:
            return next(iter(fitting))
        if fitting:
            raise NoSuchPeer(f"{quoted(word)} is ambiguous: {', '.join(map(_shown, fitting.values()))}; write more of the onion")
    raise NoSuchPeer(f"{quoted(word)} is {_nobody(word, purpose, rows)}")


def find(word: str, purpose: str) -> "Generator[str, List[Json], str]":
    """As `resolve`, for a client that has to look up who is known: it yields "contacts", "conversations" or "requests" and wants the
    rows."""
    whole = onion(word)
    if whole is not None:
        return whole
    if purpose == "request":
        return resolve(word, _asking((yield "requests")), purpose)
    known = [Known(row["peer"], row.get("name"), _STANDING.get(row["state"], "former")) for row in (yield "contacts")]
    try:
        return resolve(word, known, purpose)
    except NoSuchPeer:
        if not is_beginning(word):
            raise
    # Not looked at first, because that takes longer: they are found, or named as those that are not.
    known += [Known(row["contact"]["peer"], None, "former") for row in (yield "conversations")]
    known += _asking((yield "requests"))
    return resolve(word, known, purpose)


# What a row of the contacts is; nothing is sent by a name to one of a later daemon that is none of these.
_STANDING = {"waiting": "contact", "contact": "contact", "blocked": "blocked"}


def _asking(rows: List[Json]) -> List[Known]:
    return [Known(row["peer"], None, "asking") for row in rows]


def _fits(word: str, by: str, row: Known) -> bool:
    if by == "beginning":
        return is_beginning(word) and row.peer.startswith(word)
    if not word or row.name is None:
        return False
    return row.name == word if by == "name" else row.name.lower() == word.lower()


def quoted(text: str) -> str:
    """A text of the user's in quotes, harmless, for an error."""
    return f'"{harmless(text, one_line=True)}"'


def _shown(row: Known) -> str:
    return row.peer if row.name is None else f"{row.peer} ({harmless(row.name, one_line=True)})"


def _nobody(word: str, purpose: str, known: List[Known]) -> str:
    if purpose == "request":
        text = f"not the beginning (at least {PREFIX_MIN} characters) of the onion of anybody who asks"
    elif purpose == "unblock":
        text = "neither the name nor the beginning of the onion of anybody who is blocked"
    else:
        text = f"neither a contact's name nor the beginning (at least {PREFIX_MIN} characters) of a contact's onion"
    others = dict.fromkeys(row.peer for row in known if _fits(word, "beginning", row))
    if others:
        text += f"; if you mean {' or '.join(others)}, write the whole onion"
    near = [row.name for by, standing in _TIERS[purpose] if by == "name" for row in known
            if row.standing == standing and row.name is not None and _is_near(word, row.name)]
    if near:
        text += f"; did you mean {' or '.join(map(quoted, list(dict.fromkeys(near))[:_SUGGESTIONS]))}?"
    return text


def _is_near(word: str, name: str) -> bool:
    """Whether a name begins with a word, or differs from it by one character: one more, one less, another one, or two that are
    swapped."""
    word, name = word.lower(), name.lower()
    if len(word) >= 2 and name.startswith(word):
        return True
    if len(word) < _MISTYPED_MIN:
        return False
    same = next((n for n, (a, b) in enumerate(zip(word, name)) if a != b), min(len(word), len(name)))
    word, name = word[same:], name[same:]
    swapped = len(word) >= 2 and word[:2] == name[:2][::-1] and word[2:] == name[2:]
    return swapped or word[1:] == name or word == name[1:] or bool(word and name and word[1:] == name[1:])
