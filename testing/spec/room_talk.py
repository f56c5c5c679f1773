"""What two replicas say to each other: docs/ROOM-PROTOCOL.md, "Room links and frames", "Synchronising", "Two histories".

Each frame is read and written, and what it claims is compared with the log of the replica that says it.
"""

import room_counts
import room_events
import room_frames
from handshake import Refused
from room_frames import (AT, BASE, BODY, CLOSE, CREDIT, EVENTS, FORK, HAVE, HELLO, MARK, NEED, RESET, STORED, decoded)

NAMES = {HELLO: "HELLO", CLOSE: "CLOSE", RESET: "RESET", HAVE: "HAVE", BASE: "BASE", EVENTS: "EVENTS", MARK: "MARK",
         STORED: "STORED", FORK: "FORK", AT: "AT", NEED: "NEED", BODY: "BODY", CREDIT: "CREDIT"}
GRANT = 65_536
# The members that the two sides are.
MEMBERS = {"a": 1, "b": 2}
NOTHING = bytes(8).hex()


def read_item(item, room):
    header, signature, body, rest = room_events.read_item(item, room)
    if rest:
        raise Refused("more than one event")
    return room_counts.Event(header, signature, body)


def keys_of(events):
    """The keys that acts give to each number, on whatever branch."""
    keys = {}
    for event in events:
        if event.author == 0 and event.keys is not None:
            for entry in event.keys.get("add", [event.keys["owner"]] if event.kind == 1 else []):
                keys.setdefault(entry["no"], set()).add(bytes.fromhex(entry["sign"]))
    return keys


class Link:
    """One link: what was said on it so far."""

    def __init__(self, talk, link, same):
        self.talk, self.same = talk, same
        # Of a side that is no replica there is no log.
        self.logs = {side: [talk.events[one] for one in link[side]["log"]] for side in "ab" if side in link}
        # How long it was when the link began.
        self.had = {side: link[side]["had"] for side in self.logs}
        self.hello, self.reset, self.said_heads = {}, set(), {}
        # Bytes that each side may still say, and that it has heard and not granted again.
        self.credit, self.heard = {"a": 0, "b": 0}, {"a": 0, "b": 0}
        # What each side named in its frontier, what it asked for, what it said; and where chains are known to be forked.
        self.named, self.asked = {"a": {}, "b": {}}, {"a": set(), "b": set()}
        self.said, self.forks, self.floors = {"a": set(), "b": set()}, {}, set()
        self.frames = [(step["what"], frame) for step in link["steps"] for frame in step["frames"]]

    def check(self):
        for what, row in self.frames:
            for _ in range(row.get("times", 1)):
                self.frame(f"{self.talk.what}: {what}: {row['frame']} of {row['by']}", row)
        # With a cookie that is not of its log a replica says RESET, and nothing else makes it say so.
        for side in self.logs:
            other = self.hello.get("ba"["ab".index(side)])
            if other and side in self.hello:
                cookie = other["cookie"]
                good = cookie is None or (cookie["log"] == self.hello[side]["log"]
                                          and cookie["next"] <= self.had[side] + 1
                                          and self.digest(side, cookie["next"]) == cookie["digest"])
                self.same(side in self.reset, not good, f"{self.talk.what}: whether {side} says RESET")

    def digest(self, side, at):
        digests = room_events.digests([event.id for event in self.logs[side]])
        return digests[at - 1].hex() if 1 <= at <= len(digests) else None

    def at(self, side, author, seq):
        """The event of a replica at a place."""
        return [event for event in self.logs[side] if (event.author, event.seq) == (author, seq)]

    def frame(self, what, row):
        side, other, kind, data = row["by"], "ba"["ab".index(row["by"])], row["kind"], decoded(row["bytes"])
        found = room_frames.decode(kind, data, self.talk.room)
        self.same(NAMES.get(kind), row["frame"], what)
        self.same(room_frames.encode(kind, found).hex(), row["bytes"], what + ": its bytes")
        if kind == CREDIT:
            self.credit[other] += found["bytes"]
        elif kind == HELLO:
            self.same(side in self.hello, False, what + ": once")
            self.hello[side] = found
            self.credit[other] = found["credit"]
        if kind in (HELLO, HAVE):
            self.named[side] = {head["author"]: (head["seq"], head["tag"]) for head in found["heads"]}
            self.said[other] = set()
        elif kind == NEED:
            self.asked[side].add(found["author"])
        elif kind == BODY:
            self.asked[side] |= {one["author"] for one in found["items"]}
        elif kind == BASE:
            self.floors.add(side)
        elif kind == FORK:
            fields = room_events.unpack(decoded(found["events"][0]["header"]))
            self.forks[fields["author"]] = min(fields["seq"], self.forks.get(fields["author"], fields["seq"]))
        if kind in (BASE, EVENTS, FORK):
            for one in found["events"]:
                event = room_counts.Event(decoded(one["header"]), decoded(one["signature"]), decoded(one.get("body")))
                self.same(self.talk.is_signed(event), True, what + ": a signature")
                if kind == EVENTS:
                    self.event(what, side, event, room_events.item(event.header, event.signature, decoded(one["body"])))
        if kind == EVENTS:
            self.heard[other] += len(data)
        if side not in self.logs:
            if kind == MARK:
                self.talk.marks[side].append(found)
            return
        if kind == HELLO and found["cookie"]:
            place = {"next": found["cookie"]["next"], "digest": found["cookie"]["digest"]}
            self.same(place in self.talk.marks[other], True, what + ": a cookie is a MARK that came")
            self.same(found["want"], 2**32 - 1, what + ": only a newcomer wants")
        if kind in (HELLO, HAVE):
            for head in found["heads"]:
                self.head(what, side, head)
        elif kind == AT:
            self.head(what, side, found)
        elif kind == RESET:
            self.reset.add(side)
        elif kind == MARK:
            self.same(found["digest"], self.digest(side, found["next"]), what + ": the digest")
            self.everything(what, side, other, found["next"])
            self.talk.marks[side].append(found)
        elif kind == STORED:
            for one in found["items"]:
                self.same(len(self.at(side, one["author"], one["seq"])), 1, what + ": it has the event")
                self.same(room_events.member_of(one["author"]), MEMBERS[other], what + ": of the one who hears it")
        elif kind == CREDIT:
            self.same(found["bytes"], self.heard[side], what + ": as many as came")
            self.same(found["bytes"] >= GRANT, True, what + ": not before they are enough")
            self.heard[side] = 0

    def names(self, side, event):
        """Whether a side's frontier names an event."""
        seq, tag = self.named[side].get(event.author, (0, None))
        return event.seq < seq or (event.seq, event.id[:8].hex()) == (seq, tag)

    def everything(self, what, side, other, upto):
        """With MARK the other side has what members said before a place, unless it lies before the start of a newcomer."""
        cookie = self.hello[other]["cookie"]
        since = cookie["next"] if cookie and side not in self.reset else 1
        if side in self.floors:
            return
        for event in self.logs[side][since - 1:upto - 1]:
            if event.author != 0 and event.seq < self.forks.get(event.author, event.seq + 1):
                had = self.names(other, event) or event.id in self.said[side] | self.said[other]
                self.same(had, True, what + ": everything before it")

    def event(self, what, side, event, item):
        other = "ba"["ab".index(side)]
        if event.author != 0 and side in self.logs and event.author not in self.asked[other]:
            self.same(self.names(other, event), False, what + ": nothing that the other has")
            self.same(event.id in self.said[side], False, what + ": nothing twice")
        self.said[side].add(event.id)
        if side not in self.logs:
            return
        # A rival is in no log.
        had = event.author == 0 or event.id in [stored.id for stored in self.logs[side]]
        self.same(had, True, what + ": an event of its log")
        self.same(self.credit[side] > 0, True, what + ": it may")
        self.credit[side] -= len(item)

    def head(self, what, side, head):
        if head["seq"] == 0:
            self.same(head["tag"], NOTHING, what + ": nothing")
            return
        tags = [event.id[:8].hex() for event in self.at(side, head["author"], head["seq"])]
        self.same(head["tag"] in tags, True, what + ": a head")


class Talk:
    """The links of two sides, one after the other."""

    def __init__(self, talk, items):
        self.what, self.room = talk["what"], decoded(talk["room"])
        self.events = {}
        for one, item in items.items():
            event = read_item(decoded(item), self.room)
            # The rows of other rooms have other ids here.
            if event.id.hex() == one:
                self.events[one] = event
        self.keys = keys_of(self.events.values())
        self.marks = {"a": [], "b": []}
        self.known = {}

    def is_signed(self, event):
        what = event.id, event.signature
        if what not in self.known:
            keys = {key for one in self.keys.values() for key in one} if event.author == 0 else self.keys.get(event.member, ())
            self.known[what] = any(room_events.verify(key, event.header, event.signature) for key in keys)
        return self.known[what]


def check(vectors, same):
    for row in vectors["talks"]:
        talk = Talk(row, vectors["events"])
        for link in row["links"]:
            Link(talk, link, same).check()
