"""The frames of a room link, and invites: docs/ROOM-PROTOCOL.md, "Room links and frames", "Synchronising", "Joining"."""

import hashlib
import hmac
import json
import struct

import handshake
import messages
import room_bodies
import room_events
from handshake import Refused
from room_bodies import Optional, h, member, s, word
from room_events import MAX, Later

MESSAGE = 524_288
TOGETHER = 7_944
HEADS = 26_000
OPEN, HELLO, CLOSE, RESET, HAVE, BASE, EVENTS, MARK, STORED, DENY, FORK, AT, NEED, BODY, CREDIT = range(0x40, 0x4f)
JOIN, TOLD, PETITION = range(0x50, 0x53)


def place(value, least=1):
    if not least <= value <= MAX:
        raise Refused("no place")
    return value


def items(form, data):
    """Records of one size, to the end."""
    record = struct.Struct(form)
    if len(data) % record.size:
        raise Refused("no whole items")
    return [record.unpack_from(data, at) for at in range(0, len(data), record.size)]


def ascending(keys):
    """In their order and each once: one spelling."""
    if any(a >= b for a, b in zip(keys, keys[1:])):
        raise Refused("not in order, or twice")


def read_head(who, seq, tag, least=0):
    room_events.check_author(who)
    place(seq, least)
    if seq == 0 and tag != bytes(8):
        raise Refused("the tag of nothing")
    return {"author": who, "seq": seq, "tag": tag.hex()}


def read_heads(data):
    """A frontier: the acts' head first, then the chains'."""
    heads = [read_head(*one, least=0 if one[0] == 0 else 1) for one in items(">IQ8s", data)]
    if len(heads) > HEADS or not heads or heads[0]["author"] != 0:
        raise Refused("too many heads, or none of the acts")
    ascending([head["author"] for head in heads])
    return heads


def write_heads(heads):
    return b"".join(struct.pack(">IQ8s", head["author"], head["seq"], bytes.fromhex(head["tag"])) for head in heads)


def read_place(data):
    [(at, digest)] = items(">Q16s", data)
    return {"next": place(at), "digest": digest.hex()}


def write_place(at):
    return struct.pack(">Q16s", at["next"], bytes.fromhex(at["digest"]))


def read_places(data, each_author_once):
    found = items(">IQ", data)
    ascending([who for who, _ in found] if each_author_once else found)
    return [{"author": room_events.check_author(who), "seq": place(seq)} for who, seq in found]


def write_places(places):
    return b"".join(struct.pack(">IQ", one["author"], one["seq"]) for one in places)


def read_signed(data, room):
    """Headers without the room, and their signatures."""
    if len(data) % 168:
        raise Refused("no whole items")
    return [room_events.read_item(b"\0" + data[at:at + 168], room)[:2] for at in range(0, len(data), 168)]


def decoded(value):
    return None if value is None else bytes.fromhex(value)


def exactly(data, size):
    if len(data) != size:
        raise Refused("length")


JOIN_KEYS = {"room": h(32), "sign": h(32), "box": h(32), "invite": Optional(h(8)), "proof": Optional(h(32)),
             "nick": Optional(s(32)), "text": Optional(s(500))}


def read_join(value):
    join = room_bodies.read(JOIN_KEYS, value)
    if ("invite" in join) != ("proof" in join):
        raise Refused("an invite and its proof come together")
    # A missing text is an empty one, and is left out.
    return {key: value for key, value in join.items() if value != ""}


def read_told(value):
    told = room_bodies.read({"st": word("pending", "accepted"), "no": Optional(member)}, value)
    if (told["st"] == "accepted") != ("no" in told):
        raise Refused("who is a member has a number, and nobody else")
    return told


def read_petition(value):
    return room_bodies.read({"id": h(32), "join": read_join}, value)


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def decode(kind, data, room):
    """The fields of a frame on a channel of `room`; None for one that is skipped."""
    if len(data) > MESSAGE:
        raise Refused("size")
    if kind == OPEN:
        if len(data) < 37 or data[32] > 2:
            raise Refused("length, or an unknown way to open")
        exactly(data, 101 if data[32] == 2 else 37)
        who = int.from_bytes(data[33:37], "big")
        # As a member, 0 is the newest of the link's identity; a guest has no number, and a key belongs to one.
        if who >= 2**24 or data[32] == 1 and who != 0 or data[32] == 2 and who == 0:
            raise Refused("no member")
        return {"room": data[:32].hex(), "as": data[32], "member": who, "signature": data[37:].hex() or None}
    if kind == HELLO:
        if not data:
            raise Refused("length")
        if data[0] != 1:
            raise Later("version")
        cookie = data[1:2] == b"\1"
        if data[1:2] not in (b"\0", b"\1") or len(data) < (50 if cookie else 18):
            raise Refused("flags or length")
        rest = data[10:]
        found = {"log": data[2:10].hex(), "cookie": None}
        if cookie:
            found["cookie"] = {"log": rest[:8].hex(), **read_place(rest[8:32])}
            rest = rest[32:]
        found["want"], found["credit"] = struct.unpack(">II", rest[:8])
        if cookie:
            exactly(rest, 8)
        found["heads"] = [] if cookie else read_heads(rest[8:])
        return found
    if kind == CLOSE:
        if not 5 <= len(data) <= 205:
            raise Refused("length")
        try:
            words = data[5:].decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused("words") from error
        return {"code": data[0], "retry": int.from_bytes(data[1:5], "big"), "words": words}
    if kind == RESET:
        exactly(data, 0)
        return {}
    if kind == HAVE:
        return {"heads": read_heads(data)}
    if kind == BASE:
        found = read_signed(data, room)
        authors = [room_events.unpack(header)["author"] for header, _ in found]
        ascending(authors)
        if 0 in authors:
            raise Refused("the acts have no floor")
        return {"events": [{"header": header.hex(), "signature": signature.hex()} for header, signature in found]}
    if kind == EVENTS:
        found, rest = [], data
        while rest:
            header, signature, body, rest = room_events.read_item(rest, room)
            if body is None and room_events.unpack(header)["author"] == 0:
                raise Refused("an act without its body")
            found.append({"header": header.hex(), "signature": signature.hex(),
                          "body": None if body is None else body.hex()})
        if len(data) > TOGETHER and len(found) > 1:
            raise Refused("too many together")
        return {"events": found}
    if kind == MARK:
        exactly(data, 24)
        return read_place(data)
    if kind in (STORED, BODY):
        return {"items": read_places(data, kind == STORED)}
    if kind == DENY:
        exactly(data, 17)
        who, seq, code, retry = struct.unpack(">IQBI", data)
        return {"author": room_events.check_author(who), "seq": place(seq), "code": code, "retry": retry}
    if kind == FORK:
        exactly(data, 336)
        read = read_signed(data, room)
        ascending([header[:4] + header[36:] for header, _ in read])
        one, other = (room_events.unpack(header) for header, _ in read)
        if any(one[key] != other[key] for key in ("room", "author", "seq", "prev")) or room_events.is_first(one):
            raise Refused("no fork")
        return {"events": [{"header": header.hex(), "signature": signature.hex()} for header, signature in read]}
    if kind == AT:
        exactly(data, 20)
        return read_head(*struct.unpack(">IQ8s", data))
    if kind == NEED:
        exactly(data, 12)
        who, upto = struct.unpack(">IQ", data)
        return {"author": room_events.check_author(who), "upto": place(upto)}
    if kind == CREDIT:
        exactly(data, 4)
        return {"bytes": int.from_bytes(data, "big")}
    if kind in (JOIN, TOLD, PETITION):
        return {JOIN: read_join, TOLD: read_told, PETITION: read_petition}[kind](messages.strict(data))
    if kind & 0x80:
        raise Refused("a type that must be understood")
    return None


def encode(kind, frame):
    """The one spelling of a frame."""
    if kind == OPEN:
        return (bytes.fromhex(frame["room"]) + struct.pack(">BI", frame["as"], frame["member"])
                + bytes.fromhex(frame["signature"] or ""))
    if kind == HELLO:
        cookie = frame["cookie"]
        return (struct.pack(">BB8s", 1, cookie is not None, bytes.fromhex(frame["log"]))
                + (bytes.fromhex(cookie["log"]) + write_place(cookie) if cookie else b"") + struct.pack(">II", frame["want"], frame["credit"])
                + write_heads(frame["heads"]))
    if kind == CLOSE:
        return struct.pack(">BI", frame["code"], frame["retry"]) + frame["words"].encode()
    if kind == RESET:
        return b""
    if kind == HAVE:
        return write_heads(frame["heads"])
    if kind in (BASE, EVENTS, FORK):
        parts = [room_events.item(bytes.fromhex(one["header"]), bytes.fromhex(one["signature"]), decoded(one.get("body")))
                 for one in frame["events"]]
        # Without bodies there are no flags either.
        return b"".join(part if kind == EVENTS else part[1:] for part in parts)
    if kind == MARK:
        return write_place(frame)
    if kind in (STORED, BODY):
        return write_places(frame["items"])
    if kind == DENY:
        return struct.pack(">IQBI", frame["author"], frame["seq"], frame["code"], frame["retry"])
    if kind == AT:
        return write_heads([frame])
    if kind == NEED:
        return struct.pack(">IQ", frame["author"], frame["upto"])
    if kind == CREDIT:
        return struct.pack(">I", frame["bytes"])
    return compact({JOIN: read_join, TOLD: read_told, PETITION: read_petition}[kind](frame))


def packed(sizes):
    """Which events go together into one EVENTS: their numbers, by the sizes of their items."""
    groups, room_left = [], 0
    for n, size in enumerate(sizes):
        if not groups or size > room_left:
            groups.append([])
            room_left = TOGETHER
        groups[-1].append(n)
        room_left -= size
    return groups


DOORS = 3


def parse_invite(text):
    """(room, doors, invite id, secret) of an invite; without one the last two are None."""
    scheme, rest = text[:13], text[13:]
    if scheme != "torchat-room:" or rest[56:59] != "?d=":
        raise Refused("no invite of a room")
    room, rest = handshake.parse_onion(rest[:56]), rest[59:]
    doors, mark, secret = rest.partition("&i=")
    if mark and (len(secret) != 48 or set(secret) - set("0123456789abcdef")):
        raise Refused("the digits")
    doors = doors.split(",")
    if len(doors) > DOORS or any(len(door) != 56 for door in doors):
        raise Refused("the doors")
    found = [handshake.parse_onion(door) for door in doors]
    if len(set(found)) < len(found):
        raise Refused("a door twice")
    raw = bytes.fromhex(secret) if mark else None
    return room, found, raw and raw[:8], raw and raw[8:]


def write_invite(room, doors, invite, secret):
    digits = "" if invite is None else "&i=" + invite.hex() + secret.hex()
    return f"torchat-room:{handshake.onion(room)}?d=" + ",".join(map(handshake.onion, doors)) + digits


def invite_key(room, secret):
    return room_events.sha(b"torchatd/1 room invite\0", room, secret)


def proof(key, room, identity, sign, box):
    return hmac.new(key, b"torchatd/1 room join\0" + room + identity + sign + box, hashlib.sha256).digest()
