"""Rooms: checks docs/vectors/rooms-*.json with what docs/ROOM-PROTOCOL.md says, and nothing else. `check.py` runs it."""

import crypto
import handshake
import messages
import room_acts
import room_bodies
import room_counts
import room_events
import room_frames
import room_talk
from handshake import Refused
from room_frames import decoded

SEED, BOX, IDENTITY = (bytes(range(at, at + 32)) for at in (0, 32, 64))


def create_body(salt):
    """The create body of the worked example."""
    owner = {"no": 1, "sign": crypto.ed25519_public(SEED).hex(), "box": crypto.public(BOX).hex(), "role": "owner",
             "id": crypto.ed25519_public(IDENTITY).hex(), "nick": "anna"}
    policy = {"read": "members", "joins": "member", "admit": "owner", "expel": "owner", "history": 1000,
              "keep_days": 0, "slow_s": 0, "seen": False, "replicas": "members"}
    return room_frames.compact({"owner": owner, "name": "lab", "topic": "", "policy": policy, "salt": salt})


def check_example(same):
    """The worked example of the document, number by number."""
    sign = crypto.ed25519_public(SEED)
    tried, body, header = room_events.draw(create_body, 29_833_333)
    room = room_events.room_of(header)
    same((tried, len(body)), (34, 483), "the salts that were tried, and the create body")
    same(room.hex(), "eea454249a89d5082028a5efa1a7ae5dc96d012f7a188e3ba16dc9e05f06426d", "the room")
    same(handshake.onion(room), "52sfije2rhkqqibiuxx2dj5olxew2ajppimi4o5bnxe6axygijwrooid", "as text")
    same(room_events.sign(SEED, header).hex(),
         "4109b9237e45c20a8aeb35aafa9c1d7ba8efa7fc1d1cdeaeea75059839c79f2e"
         "2ab6ad29cc5295e2575934c0042557bda21de609f706d5017027c22817323305", "its signature")
    text = b'{"mid":"000102030405060708090a0b0c0d0e0f","text":"hello"}'
    header = room_events.make(16, room, 256, 1, room, 1, 2, 29_833_334, text)
    one, signature = room_events.event_id(header), room_events.sign(SEED, header)
    same(header.hex(),
         "01001000eea454249a89d5082028a5efa1a7ae5dc96d012f7a188e3ba16dc9e05f06426d000001000000000000000001"
         "eea454249a89d5082028a5efa1a7ae5dc96d012f7a188e3ba16dc9e05f06426d0000000100000000000000000000000201c73876"
         "000000396312171b9f32b0b0c8684c4183b08a423991d067fe969190b0140f91ff1c3829", "the text's header")
    same(one.hex(), "82d5f341595e5959a5bfe7312de1399701d9f313d80b6a5429ff7e78a8a6826a", "its id")
    same(signature.hex(),
         "347f7bd1da75608108e13b228a0082d2133ab63d4b176a13cb2c16f63ccbd117"
         "fae2154930b37d590423d5e5a0bc5e946db3a3bd4de25b2bb3461c6bea8a2d07", "its signature")
    same(room_events.verify(sign, header, signature), True, "and it verifies")
    same(len(room_events.item(header, signature, text)), 226, "its size in EVENTS")
    same([digest.hex() for digest in room_events.digests([room, one])[1:]],
         ["b04b47cd4eec7ae505663be7dc3b0031", "d633ede5d85ab422845d210d531f7852"], "the log")
    same(room_events.message_id(room, 1, bytes(range(16))).hex(), "f229622ef18f6ae05e8ad68797954c37", "the message")
    key = room_frames.invite_key(room, bytes(range(16)))
    same(key.hex(), "174be72818cc93ca88136f5800708d691c5ea287b3bd106495079b1eebf06ed3", "the invite's key")
    proof = room_frames.proof(key, room, crypto.ed25519_public(b"\7" * 32), crypto.ed25519_public(b"\x08" * 32),
                              crypto.public(b"\x09" * 32))
    same(proof.hex(), "3edf4cb85abc13a639f1f14b480db3cbeac785b00ee682801d5beed99b7916a1", "the proof of JOIN")


def check_ids(vectors, same, refused):
    for row in vectors["rooms"]:
        seed = decoded(row["seed"])
        found = messages.strict(row["body"].encode())
        owner = {"sign": crypto.ed25519_public(seed).hex(), "box": crypto.public(decoded(row["box_secret"])).hex(),
                 "id": crypto.ed25519_public(decoded(row["identity_seed"])).hex()}
        same({key: found["owner"][key] for key in owner}, owner, "the owner's keys")
        tried, body, header = room_events.draw(lambda salt: row["body"].replace(found["salt"], salt).encode(),
                                               row["minute"])
        same((tried, body.decode(), header.hex()), (row["tried"], row["body"], row["header"]), "the drawn salt")
        room = room_events.room_of(header)
        same((room.hex(), handshake.onion(room)), (row["room"], row["onion"]), "the room")
        same(room_events.sign(seed, header).hex(), row["signature"], "its signature")
    for row in vectors["no_rooms"]:
        refused(row["why"], room_events.room_of, decoded(row["header"]))
    for row in vectors["shapes"]:
        same(crypto.is_identity(decoded(row["id"])), row["room"], row["id"])
    for row in vectors["authors"]:
        if row["valid"]:
            same(room_events.check_author(row["author"]), row["author"], "an author")
            same(room_events.author(row["member"], row["chain"]), row["author"], "whose chain it is")
        else:
            refused(str(row["author"]), room_events.check_author, row["author"])
    for row in vectors["messages"]:
        same(room_events.message_id(decoded(row["room"]), row["member"], decoded(row["mid"])).hex(), row["message"],
             "the id of a text in the store")
    digests = room_events.digests([decoded(one) for one in vectors["log"]["ids"]])
    same([digest.hex() for digest in digests[1:]], vectors["log"]["digests"], "the digests of a log")
    for row in vectors["invites"]:
        parts = (decoded(row["room"]), [decoded(door) for door in row["doors"]], decoded(row["id"]),
                 decoded(row["secret"]))
        same(room_frames.parse_invite(row["text"]), parts, row["text"])
        same(room_frames.write_invite(*parts), row["text"], "an invite")
    for row in vectors["bad_invites"]:
        refused(row["why"] + ": " + row["text"], room_frames.parse_invite, row["text"])
    for row in vectors["proofs"]:
        room = decoded(row["room"])
        key = room_frames.invite_key(room, decoded(row["secret"]))
        same(key.hex(), row["k"], "an invite's key")
        parts = [decoded(row[name]) for name in ("identity", "sign", "box")]
        same(room_frames.proof(key, room, *parts).hex(), row["proof"], "a proof")


def check_event(row, room, seed, same):
    body = row["body"].encode()
    own = bytes(32) if row["name"] == "create" else room
    header = room_events.make(row["kind"], own, row["author"], row["seq"], decoded(row["prev"]), row["acts"],
                              row["lamport"], row["minute"], body)
    same(header.hex(), row["header"], row["name"] + ": the header")
    same(room_events.pack(room_events.unpack(header)), header, row["name"] + ": its fields")
    same(room_events.event_id(header).hex(), row["id"], row["name"] + ": the id")
    signature = room_events.sign(seed, header)
    same(signature.hex(), row["signature"], row["name"] + ": the signature")
    item = room_events.item(header, signature, body)
    same(item.hex(), row["item"], row["name"] + ": as an item")
    same(room_events.read_item(item, room), (header, signature, body, b""), row["name"] + ": back from it")
    same(room_frames.compact(room_bodies.decode(row["kind"], body)), body, row["name"] + ": the body")


def is_body(kind, body):
    try:
        room_bodies.decode(kind, body)
    except Refused:
        return False
    return True


def check_events(vectors, same, refused):
    room, seed = decoded(vectors["room"]), decoded(vectors["seed"])
    key = crypto.ed25519_public(seed)
    for row in vectors["events"] + [vectors["first_text"]]:
        check_event(row, room, seed, same)
    samples = {row["name"]: row for row in vectors["events"]}
    kinds = {row["kind"] for row in samples.values()}
    same(kinds, set(room_bodies.SCHEMAS), "an event of every kind")
    handover = vectors["handover"]
    said = (b"torchatd/1 room handover\0" + room + decoded(handover["proposal"]) + handover["to"].to_bytes(4, "big"))
    same(crypto.ed25519_sign(decoded(handover["seed"]), said).hex(), handover["accept"], "who agrees to own the room")

    good, signature = decoded(vectors["first_text"]["header"]), decoded(vectors["first_text"]["signature"])
    same(room_events.verify(key, good, signature), True, "the first text")
    fields = room_events.unpack(good)
    for row in vectors["changed"]:
        header = decoded(row["header"])
        found = room_events.unpack(header)
        same([name for name in fields if found[name] != fields[name]], [row["field"]], "which field is another")
        same(room_events.event_id(header).hex(), row["id"], row["field"] + ": the id")
        same(room_events.verify(key, header, signature), False, row["field"] + ": the signature")
    for row in vectors["ends"]:
        header = decoded(row["header"])
        same(room_events.pack(room_events.unpack(header)), header, row["what"])
        same(room_events.event_id(header).hex(), row["id"], row["what"])
    for row in vectors["broken"]:
        refused(row["why"], room_events.unpack, decoded(row["header"]))
        same(is_later(room_events.unpack, decoded(row["header"])), row["later"], row["why"])

    for row in vectors["same"]:
        sample = samples[row["name"]]
        found = room_bodies.decode(sample["kind"], row["body"].encode())
        expected = room_bodies.decode(sample["kind"], sample["body"].encode())
        same(meaning(found), meaning(expected), row["body"])
    for row in vectors["limits"]:
        body = row["body"].replace("$", row["fill"] * row["times"], 1).encode()
        same(is_body(row["kind"], body), row["valid"], f"kind {row['kind']}: {row['body']} with {row['times']}")
    for row in vectors["judged"]:
        body = row["body"].encode("utf-8", "surrogatepass")
        same(is_body(row["kind"], body), row["valid"], f"kind {row['kind']}: {row['body']}")
    for row in vectors["swapped"]:
        sample = samples[row["name"]]
        changed = {key: value for key, value in messages.strict(sample["body"].encode()).items() if key != row["key"]}
        if "value" in row:
            changed[row["key"]] = row["value"]
        same(is_body(sample["kind"], room_frames.compact(changed)), row["valid"], f"{row['name']}: {row['key']}")
    for kind in vectors["later_kinds"]:
        same(room_bodies.decode(kind, b"\xff"), None, f"kind {kind}")


def is_frame(kind, data, room):
    try:
        return room_frames.decode(kind, data, room) is not None
    except Refused:
        return False


def check_frames(vectors, same, refused):
    room = decoded(vectors["room"])
    for row in vectors["frames"]:
        data, kind = decoded(row["bytes"]), row["kind"]
        found = room_frames.decode(kind, data, room)
        same(found, row["frame"], row["name"])
        same(room_frames.encode(kind, row["frame"]).hex(), row["bytes"], row["name"] + ": its bytes")
        cut = [end for end in range(len(data)) if is_frame(kind, data[:end], room)]
        same(cut, row["valid_cut_at"], row["name"] + ": where it may be cut")
        same(is_frame(kind, data + b"\0", room), row["valid_with_a_zero_more"], row["name"] + ": with a zero more")
    for row in vectors["broken"]:
        data = decoded(row["bytes"])
        refused(row["why"], room_frames.decode, row["kind"], data, room)
        same(is_later(room_frames.decode, row["kind"], data, room), row["later"], row["why"])
    for row in vectors["objects"]:
        same(is_frame(row["kind"], row["text"].encode(), room), row["valid"], row["text"])
    for row in vectors["skipped"]:
        same(room_frames.decode(row["kind"], decoded(row["bytes"]), room), None, "a frame that is skipped")
    for row in vectors["packs"]:
        same(room_frames.packed(row["sizes"]), row["frames"], "how events go together")
    check_long_frames(vectors["long"], room, same)


def check_long_frames(vectors, room, same):
    for row in vectors["frontiers"]:
        heads = [{"author": 255 + n if n else 0, "seq": 1, "tag": bytes(8).hex()} for n in range(row["heads"])]
        data = room_frames.encode(room_frames.HAVE, {"heads": heads})
        same(is_frame(room_frames.HAVE, data, room), row["valid"], f"{row['heads']} heads")
    for row in vectors["bodies"]:
        places = [{"author": 256, "seq": n + 1} for n in range(row["items"])]
        data = room_frames.encode(room_frames.BODY, {"items": places})
        same(is_frame(room_frames.BODY, data, room), row["valid"], f"{row['items']} events of BODY")
    for row in vectors["together"]:
        bodies = [b"x" * size for size in row["bodies"]]
        headers = [room_events.make(16, room, 256, 1, room, 0, 1, 29_833_333, body) for body in bodies]
        data = b"".join(room_events.item(header, bytes(64), body) for header, body in zip(headers, bodies))
        same(is_frame(room_frames.EVENTS, data, room), row["valid"], f"events of {row['bodies']} together")


def read_event(item, room):
    """The one event of an item of EVENTS."""
    header, signature, body, rest = room_events.read_item(decoded(item), room)
    if rest:
        raise Refused("more than one event")
    return room_counts.Event(header, signature, body)


def check_counts(vectors, same):
    room = decoded(vectors["room"])
    for case in vectors["cases"]:
        acts = [read_event(item, room) for item in case["acts"]]
        members = room_counts.Members(room, acts)
        labels = {read_event(row["item"], room).id: row["label"] for row in case["events"]}
        events = [read_event(row["item"], room) for row in case["events"]]
        # The same set in several orders, and with everything twice.
        for order in (events, events[::-1], sorted(events, key=lambda event: event.id), events + events[::-1]):
            counts = room_counts.Counts(members, order)
            found = [{"label": labels[text.id], "edit": counts.edits.get(text.ref()),
                      "reactions": sorted([who, sign] for (who, of), sign in counts.reactions.items()
                                          if of == text.ref())}
                     for text in counts.texts]
            same(found, case["texts"], case["what"])
            for name, ids in (("hidden", counts.hidden), ("redacted", counts.redacted),
                              ("void", counts.events.keys() - counts.valid.keys())):
                same(sorted(labels[one] for one in ids), sorted(case[name]), f"{case['what']}: {name}")
            given = {no: entry.get("nick", "") for no, entry in members.entries.items()}
            same(counts.nicks, {**given, **dict(case["nicks"])}, case["what"] + ": names")
            same(counts.topic, case["topic"], case["what"] + ": the topic")


def check_acts(vectors, same):
    room = decoded(vectors["room"])
    for case in vectors["cases"]:
        acts = {label: read_event(item, room) for label, item in case["acts"].items()}
        labels = {act.id: label for label, act in acts.items()}
        for row in case["orders"]:
            same(sorted(row["arrive"]), sorted(acts), case["what"] + ": all of them come")
            branch = room_acts.arrive(room, [acts[label] for label in row["arrive"]])
            members = branch.members()
            end = {
                "branch": [labels[act.id] for act in branch.acts],
                "rivals": sorted(labels[one] for one in branch.rivals),
                "proofs": [[labels[act.id] for act in pair] for _, pair in sorted(branch.proofs.items())],
                "frozen": branch.is_frozen(), "owner": members.owner, "since": members.since, "name": members.name,
                "destroyed": members.ended,
                "members": [{"no": no, "in": not members.cuts[no], "role": members.roles[no][-1][0],
                             "sign": entry["sign"]} for no, entry in sorted(members.entries.items())],
            }
            same(end, row["end"], f"{case['what']}: {' '.join(row['arrive'])}")


def meaning(value):
    """A body without what means the same as nothing: an empty list, and a chain up to number 0."""
    if isinstance(value, dict):
        return {key: meaning(inner) for key, inner in value.items() if inner != []}
    if isinstance(value, list):
        return [meaning(inner) for inner in value if not (isinstance(inner, list) and inner[1:] == [0])]
    return value


def is_later(function, *arguments):
    try:
        function(*arguments)
    except room_events.Later:
        return True
    except Refused:
        pass
    return False


def check(vectors, same, refused):
    check_example(same)
    check_ids(vectors["rooms-ids"], same, refused)
    check_events(vectors["rooms-events"], same, refused)
    check_frames(vectors["rooms-frames"], same, refused)
    check_counts(vectors["rooms-counts"], same)
    check_acts(vectors["rooms-acts"], same)
    room_talk.check(vectors["rooms-talk"], same)
