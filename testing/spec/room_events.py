"""Ids, headers and events of rooms: docs/ROOM-PROTOCOL.md, "Ids" and "The event"."""

import hashlib
import struct

import crypto
from handshake import Refused

HEADER = struct.Struct(">BBBB32sIQ32sIIQII32s")
FIELDS = ("version", "suite", "kind", "zero", "room", "author", "seq", "prev", "acts", "epoch", "lamport", "minute",
          "body_len", "body_hash")
CREATE = 1
MAX = 2**53 - 1
BODY = 131_072
# flags, the header without its room, the signature
ITEM = 1 + 104 + 64


class Later(Refused):
    """Of a version or suite that is not known: only the channel ends."""


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def author(member, chain):
    if (member, chain) != (0, 0) and not (1 <= member < 2**24 and 0 <= chain <= 255):
        raise Refused("no author")
    return member << 8 | chain


def check_author(value):
    """The acts are author 0, and member 0 has no other chain."""
    if not 0 <= value < 2**32 or 0 < value < 256:
        raise Refused("no author")
    return value


def member_of(value):
    return value >> 8


def chain_of(value):
    return value & 255


def pack(fields):
    return HEADER.pack(*(fields[name] for name in FIELDS))


def unpack(data):
    """The fields of a header that could be one."""
    if len(data) != HEADER.size:
        raise Refused("length")
    fields = dict(zip(FIELDS, HEADER.unpack(data)))
    if fields["version"] != 1 or fields["suite"] != 0:
        raise Later("version or suite")
    if fields["zero"] != 0:
        raise Refused("the zero byte")
    check_author(fields["author"])
    if not 1 <= fields["seq"] <= MAX:
        raise Refused("seq")
    if not 1 <= fields["lamport"] <= MAX:
        raise Refused("lamport")
    if fields["body_len"] > BODY:
        raise Refused("a body that is too long")
    if fields["epoch"] != 0:
        raise Refused("an epoch in clear")
    if is_first(fields):
        if fields["room"] != bytes(32) or fields["prev"] != bytes(32):
            raise Refused("a room before the room")
    return fields


def make(kind, room, who, seq, prev, acts, lamport, minute, body):
    """The header of an event in clear."""
    return HEADER.pack(1, 0, kind, 0, room, who, seq, prev, acts, 0, lamport, minute, len(body), sha(body))


def event_id(header):
    return sha(b"torchatd/1 room event\0", header)


def to_sign(header):
    return b"torchatd/1 room signature\0" + event_id(header)


def sign(seed, header):
    return crypto.ed25519_sign(seed, to_sign(header))


def verify(key, header, signature):
    return crypto.ed25519_verify(key, to_sign(header), signature)


def is_first(fields):
    """Whether it is a create event: such a one makes the room, and can name none."""
    return (fields["kind"], fields["author"], fields["seq"]) == (CREATE, 0, 1)


def room_of(header):
    """The room that a create event makes."""
    fields = unpack(header)
    room = event_id(header)
    if not is_first(fields) or not crypto.is_identity(room):
        raise Refused("it makes no room")
    return room


def draw(body_of, minute):
    """The first salt, counted up from 0, with which the create event's id has the shape of an identity.

    `body_of(salt)`: the create body. Returns (how many were tried, body, header). A daemon draws its salts at random.
    """
    for tried in range(10_000):
        body = body_of(tried.to_bytes(16, "big").hex())
        header = make(CREATE, bytes(32), 0, 1, bytes(32), 0, 1, minute, body)
        if crypto.is_identity(event_id(header)):
            return tried + 1, body, header
    raise Refused("no salt")


def message_id(room, member, mid):
    """The `mid` of a room's text in the store: nobody takes another's place by copying theirs."""
    return sha(b"torchatd/1 room message\0", room, struct.pack(">I", member), mid)[:16]


def digests(ids):
    """digest(0), digest(1) .. of a log that stored these events in this order."""
    found = [bytes(16)]
    for one in ids:
        found.append(sha(b"torchatd/1 room log\0", found[-1], one)[:16])
    return found


def item(header, signature, body):
    """How an event stands in EVENTS; without a body it is None."""
    return bytes([body is not None]) + header[:4] + header[36:] + signature + (body or b"")


def read_item(data, room):
    """(header, signature, body or None, the rest) of the first of `data`."""
    if len(data) < ITEM:
        raise Refused("no whole event")
    if data[0] > 1:
        raise Refused("flags")
    # Behind version, suite, kind and zero stand author and seq.
    own = bytes(32) if (data[3], data[5:17]) == (CREATE, bytes(11) + b"\1") else room
    header = data[1:5] + own + data[5:105]
    fields = unpack(header)
    signature, rest = data[105:ITEM], data[ITEM:]
    if data[0] == 0:
        return header, signature, None, rest
    if len(rest) < fields["body_len"]:
        raise Refused("no whole body")
    body, rest = rest[:fields["body_len"]], rest[fields["body_len"]:]
    if sha(body) != fields["body_hash"]:
        raise Refused("another body")
    return header, signature, body, rest
