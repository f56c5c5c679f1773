"""Every code with which something is refused: what it means, whose fault it is, whether trying again helps.

Written by `cargo xtask schema` from the table in protocol/src/control/code.rs.
"""

from __future__ import annotations

from typing import Dict, NamedTuple, Tuple


class Info(NamedTuple):
    """What is known of a code. docs/control-api.schema.json says what each word means."""

    source: str
    """Who answers with it: daemon, api, classic, client."""
    fault: str
    """Who can do something about it: program, user, peer, daemon."""
    again: str
    """Whether the same request may succeed later: never, after-change, later."""
    params: Tuple[str, ...]
    """The names of its parameters."""
    meaning: str
    hint: str


BAD_OBJECT = "bad-object"
UNKNOWN_COMMAND = "unknown-command"
BAD_REQUEST = "bad-request"
UNSUPPORTED_API = "unsupported-api"
NOT_AUTHENTICATED = "not-authenticated"
NOT_ALLOWED = "not-allowed"
UNAVAILABLE = "unavailable"
UNKNOWN_CONSUMER = "unknown-consumer"
UNKNOWN_SUBSCRIPTION = "unknown-subscription"
UNKNOWN_TOKEN = "unknown-token"
TOKEN_EXISTS = "token-exists"
TOO_MANY_TOKENS = "too-many-tokens"
ALREADY_SUBSCRIBED = "already-subscribed"
TOO_MANY_SUBSCRIPTIONS = "too-many-subscriptions"
TOO_MANY_CONSUMERS = "too-many-consumers"
TAKEN_OVER = "taken-over"
NOT_DELIVERED = "not-delivered"
TO_SELF = "to-self"
TOO_LONG = "too-long"
CLIENT_ID_REUSED = "client-id-reused"
OUTBOX_FULL = "outbox-full"
NOT_PENDING = "not-pending"
NO_CONTACT = "no-contact"
NO_REQUEST = "no-request"
BLOCKED = "blocked"
NOT_BLOCKED = "not-blocked"
TOO_MANY_INVITES = "too-many-invites"
IS_ROOM = "is-room"
NO_ROOM = "no-room"
ALREADY_JOINED = "already-joined"
NOT_JOINED = "not-joined"
NO_ROLE = "no-role"
NO_MEMBER = "no-member"
NOT_MUTED = "not-muted"
NO_MESSAGE = "no-message"
NO_PETITION = "no-petition"
NO_INVITE = "no-invite"
NO_HANDOVER = "no-handover"
NOT_FROZEN = "not-frozen"
ROOM_FROZEN = "room-frozen"
NEEDS_HOSTS = "needs-hosts"
NEEDS_QUORUM = "needs-quorum"
DECISION_WAITS = "decision-waits"
NOT_CAUGHT_UP = "not-caught-up"
NO_CHAIN = "no-chain"
OWNER_LEAVES = "owner-leaves"
TOO_MANY_ROOMS = "too-many-rooms"
STORAGE = "storage"
STORAGE_LOCKED = "storage-locked"
STORAGE_DAMAGED = "storage-damaged"
STORAGE_FAILING = "storage-failing"
STORAGE_READ_ONLY = "storage-read-only"
SEARCH_DAMAGED = "search-damaged"
TRACES_LEFT = "traces-left"
STORAGE_UNSURE = "storage-unsure"
STOPPING = "stopping"
NOT_A_COMMAND = "not-a-command"
BAD_ONION = "bad-onion"
BAD_VALUE = "bad-value"
NOT_RUNNING = "not-running"
LOST = "lost"
TIMEOUT = "timeout"
IMPOSTOR = "impostor"
PROTOCOL = "protocol"
BAD_INPUT = "bad-input"
SYSTEM = "system"
OUTPUT = "output"

# In the order of the documentation. A later daemon may answer with others.
CODES: Dict[str, Info] = {
    BAD_OBJECT: Info(
        "daemon", "program", "never", (),
        "What was sent is not a JSON object with a `cmd`. The connection ends; nothing after it was executed.",
        "send one JSON object a line, in UTF-8, with \"cmd\"",
    ),
    UNKNOWN_COMMAND: Info(
        "daemon", "program", "never", ("command",),
        "There is no such command.",
        "HELLO lists the commands that you may use",
    ),
    BAD_REQUEST: Info(
        "api", "program", "never", (),
        "A parameter is missing, has a wrong form or value, or does not go with another one. The message says which.",
        "look at the command's parameters in docs/CONTROL-API.md",
    ),
    UNSUPPORTED_API: Info(
        "daemon", "program", "never", ("api",),
        "HELLO names a version of the API that this daemon does not speak.",
        "say \"api\":1",
    ),
    NOT_AUTHENTICATED: Info(
        "daemon", "program", "never", (),
        "This connection has not proven a token that is valid now. The connection ends.",
        "HELLO with \"token\" and \"nonce\", then AUTH: see \"Tokens\" in docs/CONTROL-API.md",
    ),
    NOT_ALLOWED: Info(
        "daemon", "user", "after-change", ("right", "peer",),
        "This connection may not do this, or not with this peer.",
        "HELLO tells what it may do; the user who runs the daemon can make a token with other rights",
    ),
    UNAVAILABLE: Info(
        "api", "user", "after-change", (),
        "This daemon runs without the part that the command needs.",
        "ask the user who runs the daemon",
    ),
    UNKNOWN_CONSUMER: Info(
        "api", "program", "never", (),
        "There is no consumer of this name.",
        "CURSORS lists them",
    ),
    UNKNOWN_SUBSCRIPTION: Info(
        "api", "program", "never", (),
        "This connection has no subscription with this `ref`.",
        "name the \"ref\" of the SUBSCRIBE in \"sub\"",
    ),
    UNKNOWN_TOKEN: Info(
        "api", "program", "never", (),
        "There is no token of this name.",
        "TOKEN with \"action\":\"list\" lists them",
    ),
    TOKEN_EXISTS: Info(
        "api", "user", "after-change", (),
        "A token of this name exists already.",
        "revoke it first, or choose another name",
    ),
    TOO_MANY_TOKENS: Info(
        "api", "user", "after-change", ("limit",),
        "There are already as many tokens as the daemon keeps.",
        "revoke those that are no longer used",
    ),
    ALREADY_SUBSCRIBED: Info(
        "api", "program", "never", (),
        "A subscription of this connection has the same `ref`.",
        "give every SUBSCRIBE a different \"ref\"",
    ),
    TOO_MANY_SUBSCRIPTIONS: Info(
        "api", "program", "after-change", ("limit",),
        "This connection already has as many subscriptions as it may have.",
        "UNSUBSCRIBE one, or use another connection",
    ),
    TOO_MANY_CONSUMERS: Info(
        "api", "user", "after-change", ("limit",),
        "There are already as many consumers as the daemon keeps.",
        "CURSORS with \"forget\" removes one that is no longer used",
    ),
    TAKEN_OVER: Info(
        "api", "program", "never", (),
        "Ends a subscription: the same consumer subscribed again, here or on another connection.",
        "run one program for each consumer, or give each a different name",
    ),
    NOT_DELIVERED: Info(
        "daemon", "peer", "never", ("seconds", "reason",),
        "The peer did not get the message in the time that SEND waited. With `queued` the daemon goes on trying.",
        "with \"queued\" do not send it again: its events and HISTORY tell what becomes of it",
    ),
    TO_SELF: Info(
        "daemon", "program", "never", (),
        "A message or a request to oneself.",
        "name another peer",
    ),
    TOO_LONG: Info(
        "daemon", "program", "never", ("bytes", "limit",),
        "The text is too long.",
        "split it: HELLO tells the limit as text_bytes",
    ),
    CLIENT_ID_REUSED: Info(
        "api", "program", "never", (),
        "The same `client_id` was used for another text or another peer.",
        "use a new client_id for a new message",
    ),
    OUTBOX_FULL: Info(
        "daemon", "peer", "after-change", (),
        "Too many messages wait to be delivered.",
        "wait until some are delivered, or CANCEL some",
    ),
    NOT_PENDING: Info(
        "daemon", "program", "never", (),
        "No such message is waiting to be delivered.",
        "it is delivered, was taken back or was never sent here: HISTORY tells",
    ),
    NO_CONTACT: Info(
        "daemon", "user", "after-change", (),
        "The peer is not a contact.",
        "ADD it first",
    ),
    NO_REQUEST: Info(
        "daemon", "user", "after-change", (),
        "The peer has not asked to become a contact.",
        "REQUESTS lists who has; ADD them if you want to ask them",
    ),
    BLOCKED: Info(
        "daemon", "user", "after-change", (),
        "The user blocked the peer.",
        "UNBLOCK it first",
    ),
    NOT_BLOCKED: Info(
        "daemon", "user", "never", (),
        "The peer is not blocked.",
        "CONTACTS lists who is",
    ),
    TOO_MANY_INVITES: Info(
        "daemon", "user", "after-change", (),
        "Too many invites are outstanding.",
        "wait until some are used or have expired",
    ),
    IS_ROOM: Info(
        "daemon", "program", "never", (),
        "What is named is a room, and the command is for persons.",
        "look at the commands for rooms in docs/CONTROL-API.md",
    ),
    NO_ROOM: Info(
        "daemon", "user", "after-change", (),
        "There is no such room, or it is over for us.",
        "ROOMS lists the rooms",
    ),
    ALREADY_JOINED: Info(
        "daemon", "user", "never", (),
        "We are in the room already, or have asked to become a member.",
        "ROOM tells how far we are",
    ),
    NOT_JOINED: Info(
        "daemon", "user", "after-change", (),
        "We are not a member of the room, or not yet.",
        "ROOM tells how far we are; ROOM_JOIN with an invite asks to become a member",
    ),
    NO_ROLE: Info(
        "daemon", "user", "after-change", (),
        "Our role in the room does not allow it, or the other member's: moderators and the owner cannot be muted.",
        "ask the owner of the room: ROOM tells our role and who owns it",
    ),
    NO_MEMBER: Info(
        "api", "program", "after-change", (),
        "The room has no other member of this number, or they are not in it any more.",
        "ROOM_MEMBERS lists them",
    ),
    NOT_MUTED: Info(
        "api", "user", "never", (),
        "The member is not muted.",
        "ROOM_MEMBERS tells who is",
    ),
    NO_MESSAGE: Info(
        "api", "program", "never", (),
        "The room has no such message, or it is none of a member that is published.",
        "HISTORY lists the messages; what is not published yet, CANCEL takes back",
    ),
    NO_PETITION: Info(
        "api", "user", "after-change", (),
        "Nobody with this onion asks to become a member of the room.",
        "ROOM_PETITIONS lists who does",
    ),
    NO_INVITE: Info(
        "api", "user", "never", (),
        "The room has no such invite: it was used up, was taken back or has expired.",
        "ROOM_INVITES lists those that are good",
    ),
    NO_HANDOVER: Info(
        "api", "user", "after-change", (),
        "The owner does not want to hand the room over to us.",
        "the owner says ROOM_TRANSFER with our number first: ROOM tells under handover",
    ),
    NOT_FROZEN: Info(
        "api", "user", "never", (),
        "There is nothing to settle in the room.",
        "ROOM tells under frozen whether there is",
    ),
    ROOM_FROZEN: Info(
        "api", "user", "after-change", (),
        "The owner's daemon has made decisions that contradict each other, so no further ones are taken.",
        "the owner settles it with ROOM_SETTLE; messages, mutes and redactions go on",
    ),
    NEEDS_HOSTS: Info(
        "api", "user", "after-change", ("limit",),
        "A room whose members link with each other is full.",
        "remove somebody, or make another room",
    ),
    NEEDS_QUORUM: Info(
        "api", "peer", "later", (),
        "Too many decisions wait until another member is reached.",
        "wait until another member is online; \"force\" decides at once, if no other copy of this daemon's store can exist",
    ),
    DECISION_WAITS: Info(
        "api", "peer", "never", ("seconds",),
        "No other member was reached in the time that the command waited. The decision waits in the daemon, and is forgotten if the daemon ends before.",
        "do not repeat it: it is done when another member is online, and the events room and member tell; \"force\" decides at once, and what waits before",
    ),
    NOT_CAUGHT_UP: Info(
        "api", "peer", "later", (),
        "No other member was reached since the daemon started, so it does not know yet what was said meanwhile.",
        "repeat it when another member is online: ROOM tells under linked",
    ),
    NO_CHAIN: Info(
        "api", "user", "after-change", (),
        "Too many backups of this daemon were restored: it cannot write in the room under this number any more.",
        "leave the room and join it again",
    ),
    OWNER_LEAVES: Info(
        "daemon", "user", "after-change", (),
        "The owner of a room can neither leave it nor have another role.",
        "hand it over with ROOM_TRANSFER, or end it with ROOM_DESTROY",
    ),
    TOO_MANY_ROOMS: Info(
        "daemon", "user", "after-change", ("limit",),
        "We are in as many rooms as the daemon keeps.",
        "leave one",
    ),
    STORAGE: Info(
        "daemon", "daemon", "later", (),
        "The disk or the store's limit is full. Nothing was stored.",
        "make room on the disk and try again",
    ),
    STORAGE_LOCKED: Info(
        "daemon", "daemon", "later", (),
        "Another program holds `torchat.db`. Nothing was stored.",
        "end the program that holds it (a backup, sqlite3) and try again",
    ),
    STORAGE_DAMAGED: Info(
        "daemon", "daemon", "after-change", (),
        "`torchat.db` is damaged. Nothing was stored.",
        "stop the daemon and restore torchat.db from a copy: see \"Copies of the store\" in docs/OPERATIONS.md",
    ),
    STORAGE_FAILING: Info(
        "daemon", "daemon", "after-change", (),
        "The disk with `torchat.db` reports errors. Nothing was stored.",
        "look at the system's log and at the disk; the daemon tries again by itself",
    ),
    STORAGE_READ_ONLY: Info(
        "daemon", "daemon", "after-change", (),
        "`torchat.db` cannot be written: the file, its directory or its disk is read-only. Nothing was stored.",
        "make it writable for the daemon's user",
    ),
    SEARCH_DAMAGED: Info(
        "api", "daemon", "after-change", (),
        "The search index is damaged. The daemon rebuilds it from the messages, which are complete.",
        "search again later: STATUS tells under search",
    ),
    TRACES_LEFT: Info(
        "api", "daemon", "later", (),
        "The messages are erased, but traces of their texts may still be in the files of the store.",
        "repeat ERASE in some seconds: it removes the traces, even if there is nothing left to erase",
    ),
    STORAGE_UNSURE: Info(
        "daemon", "daemon", "later", (),
        "The disk failed in the middle: the message may or may not be stored.",
        "look at HISTORY before you repeat it; with a client_id it can be repeated safely",
    ),
    STOPPING: Info(
        "daemon", "daemon", "later", (),
        "The daemon is stopping.",
        "connect again when it runs, and go on at the cursor",
    ),
    NOT_A_COMMAND: Info(
        "classic", "program", "never", (),
        "The word belongs to another protocol, or is a reply.",
        "look at the commands in docs/CONTROL-API.md",
    ),
    BAD_ONION: Info(
        "classic", "program", "never", (),
        "What is given as a peer is not an onion.",
        "copy the whole onion: 56 characters, with or without .onion",
    ),
    BAD_VALUE: Info(
        "classic", "program", "never", (),
        "A parameter has a wrong value. API 1 says `bad-request`.",
        "look at the command in docs/CONTROL-API.md",
    ),
    NOT_RUNNING: Info(
        "client", "daemon", "later", (),
        "No daemon could be found, or none answers there.",
        "start torchatd",
    ),
    LOST: Info(
        "client", "daemon", "later", (),
        "The connection to the daemon broke.",
        "connect again; with a client_id a SEND can be repeated safely",
    ),
    TIMEOUT: Info(
        "client", "daemon", "later", (),
        "The daemon did not answer in time.",
        "try again",
    ),
    IMPOSTOR: Info(
        "client", "user", "after-change", (),
        "The program that answers there is not the user's daemon, or cannot prove it.",
        "find out which program listens there, or use the daemon's socket",
    ),
    PROTOCOL: Info(
        "client", "daemon", "after-change", (),
        "The client does not understand what the daemon said.",
        "use client and daemon of the same version",
    ),
    BAD_INPUT: Info(
        "client", "program", "never", (),
        "What the user typed cannot be used.",
        "the message says what is right",
    ),
    SYSTEM: Info(
        "client", "daemon", "after-change", (),
        "The system refused something that the client needs.",
        "the message says what",
    ),
    OUTPUT: Info(
        "client", "daemon", "after-change", (),
        "The output could not be written.",
        "make room, or write elsewhere",
    ),
}

# Those after which the same request may succeed without anybody's doing.
PASSING = frozenset(code for code, info in CODES.items() if info.again == "later")
