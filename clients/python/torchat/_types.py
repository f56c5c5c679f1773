"""What the daemon answers, as types: plain dictionaries at run time. Keys that may be absent stand in the second class.

docs/control-api.schema.json has them all, with what each field means.
"""

from __future__ import annotations

from typing import Any, Dict, List, TypedDict, Union

# Where a subscription begins: after an event, or "cursor", "now", "start".
Start = Union[int, str]
Json = Dict[str, Any]


class _Sender(TypedDict):
    member: int
    name: str
    me: bool
    role: str


class Sender(_Sender, total=False):
    """Who wrote a message of a room: `message["from"]`. `name` is what they chose, and not proven."""

    onion: str


# `from` is a word of Python's, so it cannot stand in a class.
_From = TypedDict("_From", {"from": Sender}, total=False)


class _Message(TypedDict):
    id: int
    mid: str
    peer: str
    dir: str
    text: str
    state: str
    at: str


class Message(_Message, _From, total=False):
    """A message. `text` is as its writer wrote it: see `torchat.harmless`."""

    sent_at: str
    done_at: str
    client_id: str
    reason: str
    why: Json
    next_try_at: str
    # In a room; and there is `message["from"]`, which is a Sender.
    order: List[int]
    re: str
    mention: bool
    edited_at: str
    reacts: Dict[str, List[int]]
    flags: List[str]
    # Of a published message of the user's: how many "members" have it, "of" how many others. Absent in events.
    stored: Dict[str, int]


class _Room(TypedDict):
    peer: str
    name: str
    topic: str
    state: str
    form: str
    members: int
    queued: int
    notify: str


class Room(_Room, total=False):
    """A room. `peer` is its id, which every method takes where a peer's onion stands."""

    alias: str
    me: Json
    owner: int
    linked: int
    missing: int
    bytes: int
    policy: Json
    frozen: bool
    handover: Dict[str, int]
    problems: List[Json]


class _Member(TypedDict):
    no: int
    name: str
    proven: str
    role: str
    state: str


class Member(_Member, total=False):
    """A member of a room, or somebody who was one."""

    onion: str
    me: bool
    link: bool
    banned: bool
    said_at: str


class _Petition(TypedDict):
    peer: str
    onion: str
    name: str
    text: str
    at: str


class Petition(_Petition, total=False):
    """Somebody who asks to become a member of a room of the user's."""

    invite: str


class OldMessage(TypedDict):
    """A message of an old TORchat program. Nothing proves that it is from the peer that it `claims` to be from: say so where you show it."""

    id: int
    claims: str
    text: str
    at: str
    taken: bool


class _Contact(TypedDict):
    peer: str
    state: str
    link: bool
    hidden: bool
    queued: int


class Contact(_Contact, total=False):
    """A contact."""

    name: str
    nick: str
    heard_s: int
    verified: str
    retain_days: int


class _Conversation(TypedDict):
    contact: Contact
    unread: int


class Conversation(_Conversation, total=False):
    """A conversation at a glance."""

    last: Message
    room: Room
    mentions: int


class _Event(TypedDict):
    seq: int
    at: str
    event: str


class Event(_Event, total=False):
    """An event. `event` is its kind, which decides what else is there."""

    message: Message
    peer: str
    id: int
    mid: str
    nick: str
    text: str
    contact: Contact
    up: bool
    usable: bool
    sentence: str
    why: Json
    claims: str
    to: int
    # About rooms.
    room: Room
    member: Any
    change: str
    petition: Petition
    onion: str
    edited_at: str
    sign: str
    messages: List[Json]


class _WhoAmI(TypedDict):
    onion: str
    who: str
    rights: List[str]
    carrier: str


class WhoAmI(_WhoAmI, total=False):
    """What `whoami` returns. `who`: "owner", "user" with `uid`, or "token" with its name in `token`."""

    uid: int
    token: str
    peers: List[str]


class SendAnswer(TypedDict):
    """What `send` returns."""

    id: int
    mid: str
    state: str
    duplicate: bool


class MessagesAnswer(TypedDict):
    """A page of messages."""

    messages: List[Message]
    more: bool


class _Welcome(TypedDict):
    api: int
    server: str
    onion: str
    rights: List[str]
    commands: List[str]
    seq: int
    oldest: int
    limits: Dict[str, int]


class Welcome(_Welcome, total=False):
    """What the daemon says of itself and of what this program may do."""

    peers: List[str]
