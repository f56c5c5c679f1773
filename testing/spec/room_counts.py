"""What counts in a room, as a function of the branch of acts and of the set of events: docs/ROOM-PROTOCOL.md, "What counts".

No order of arrival, no clock, no memory: everything is computed anew from the two.
"""

import crypto
import room_bodies
import room_events
from handshake import Refused
from room_bodies import LEAST, RANK
from room_events import chain_of, member_of

INFINITE = float("inf")


class Event:
    """An event with its header's fields as attributes. `body`: its keys, or None if it means nothing."""

    def __init__(self, header, signature, body):
        self.__dict__.update(room_events.unpack(header))
        self.header, self.signature = header, signature
        self.id = room_events.event_id(header)
        self.member, self.chain = member_of(self.author), chain_of(self.author)
        try:
            self.keys = None if body is None else room_bodies.decode(self.kind, body)
        except Refused:
            self.keys = None

    def place(self):
        return self.author, self.seq

    def ref(self):
        """As the bodies of other events name it."""
        return self.author, self.seq, self.id[:8].hex()

    def order(self):
        return self.lamport, self.member, self.chain, self.seq


def kept(keep, chain):
    return dict(map(tuple, keep)).get(chain, 0)


class Members:
    """What a branch of acts says of the members."""

    def __init__(self, room, acts):
        """`acts`: those of the branch in their order, the first of them create."""
        # `since`: the number of the act that made the owner the owner.
        self.room, self.owner, self.since = room, 1, 1
        # The topics that acts gave, each with the act's place in the order.
        self.name, self.policy, self.topics = None, None, []
        self.hosts, self.ended, self.proposals = [], False, set()
        # Of each number: its entry, its roles in the order of acts, its cuts.
        self.entries, self.roles, self.cuts = {}, {}, {}
        for act in acts:
            if act.keys is not None:
                self.apply(act)

    def key(self, member):
        return bytes.fromhex(self.entries[member]["sign"])

    def add(self, entry):
        # Also one whose key is no identity: under it no signature holds, so that member can never sign.
        if entry["no"] not in self.entries:
            self.entries[entry["no"]] = entry
            self.roles[entry["no"]] = [(entry["role"], None)]
            self.cuts[entry["no"]] = []

    def apply(self, act):
        keys = act.keys
        if act.kind == 1 and act.seq == 1:
            if (keys["owner"]["no"], keys["owner"]["role"]) != (1, "owner"):
                raise Refused("the maker is member 1 and the owner")
            self.add(keys["owner"])
            self.name, self.policy = keys["name"], keys["policy"]
            self.topics = [(act.order(), keys["topic"])]
        elif act.kind == 2:
            for entry in keys.get("add", []):
                if entry["role"] != "owner":
                    self.add(entry)
            for cut in keys.get("cut", []):
                if cut["no"] in self.entries and cut["no"] != self.owner:
                    self.cuts[cut["no"]].append(cut["keep"])
            for change in keys.get("role", []):
                if change["no"] in self.entries and change["no"] != self.owner and change["role"] != "owner":
                    self.roles[change["no"]].append((change["role"], change["keep"]))
        elif act.kind == 3:
            self.name = keys.get("name", self.name)
            if "topic" in keys:
                self.topics.append((act.order(), keys["topic"]))
            if "policy" in keys:
                self.policy = {**keys["policy"], "replicas": self.policy["replicas"]}
        elif act.kind == 4:
            self.hosts = keys["hosts"]
        elif act.kind == 5:
            self.hand_over(keys, act.seq)
        elif act.kind == 7:
            self.ended = True

    def hand_over(self, keys, seq):
        to, proposal = keys["to"], keys["proposal"]
        if to not in self.entries or self.cuts[to] or to == self.owner or proposal in self.proposals:
            return
        said = (b"torchatd/1 room handover\0" + self.room + bytes.fromhex(proposal) + to.to_bytes(4, "big"))
        if not crypto.ed25519_verify(self.key(to), said, bytes.fromhex(keys["accept"])):
            return
        self.proposals.add(proposal)
        self.roles[self.owner].append(("moderator", keys["old"]))
        self.roles[to].append(("owner", keys["new"]))
        self.owner, self.since = to, seq


class Counts:
    """What counts of these events under these members."""

    def __init__(self, members, events, proven=()):
        """`proven`: author and number of forks of which the proof is known and not both events."""
        self.members = members
        self.events = {event.id: event for event in events}
        self.forks = self.proven()
        for author, seq in proven:
            self.forks[author] = min(seq, self.forks.get(author, INFINITE))
        self.valid = {event.id: event for event in self.events.values() if self.is_valid(event)}
        moderated = [event for event in self.valid.values() if RANK[self.power(event)] >= RANK["moderator"]]
        self.mutes = [event for event in moderated if event.kind == 20]
        self.unmutes = [event for event in moderated if event.kind == 21]
        # By its header alone: of a text that was redacted nothing else may be left.
        texts = {event.ref(): event for event in self.events.values()
                 if event.kind == 16 and event.member in members.entries and event.seq <= self.line(event.author)}
        self.hidden = {event.id for event in self.valid.values() if self.is_hidden(event)}
        redacts = [event for event in self.valid.values() if event.kind == 19]
        named = {event.id for event in self.events.values() if event.kind in (16, 17) and self.is_redacted(event, redacts)}
        # Of what is redacted only the header may be left: what it names is known where its body still is.
        self.redacted = named | {event.id for event in self.valid.values() if event.kind == 17 and self.own(event, texts)
                                 and texts[tuple(event.keys["of"])].id in named}
        shown = sorted((event for event in self.valid.values() if event.id not in self.hidden | self.redacted),
                       key=Event.order)
        first = {}
        for event in shown:
            if event.kind == 16:
                first.setdefault((event.member, event.keys["mid"]), event)
        self.texts = [event for event in shown if event in first.values()]
        counts = {event.ref(): event for event in self.texts}
        nicks = {no: entry.get("nick", "") for no, entry in members.entries.items()}
        self.edits, self.reactions, self.nicks = {}, {}, nicks
        for event in shown:
            if event.kind == 17 and self.own(event, counts):
                self.edits[tuple(event.keys["of"])] = event.keys["text"]
            elif event.kind == 18 and tuple(event.keys["of"]) in counts:
                self.reactions[event.member, tuple(event.keys["of"])] = event.keys["sign"]
            elif event.kind == 29:
                self.nicks[event.member] = event.keys["nick"]
        self.reactions = {key: sign for key, sign in self.reactions.items() if sign}
        said = [(event.order(), event.keys["topic"]) for event in shown if event.kind == 22]
        self.topic = max(members.topics + said, key=lambda pair: pair[0])[1]

    def proven(self):
        """The lowest proven fork of each chain."""
        seen, forks = {}, {}
        for event in self.events.values():
            if event.member not in self.members.entries:
                continue
            if not crypto.ed25519_verify(self.members.key(event.member), room_events.to_sign(event.header),
                                         event.signature):
                continue
            key = event.author, event.seq, event.prev
            if seen.setdefault(key, event.id) != event.id:
                forks[event.author] = min(event.seq, forks.get(event.author, INFINITE))
        return forks

    def line(self, author):
        cuts = self.members.cuts.get(member_of(author), [])
        cut = min((kept(keep, chain_of(author)) for keep in cuts), default=INFINITE)
        return min(cut, self.forks.get(author, INFINITE) - 1)

    def power(self, event):
        role = None
        for name, keep in self.members.roles[event.member]:
            if keep is None or event.seq > kept(keep, event.chain):
                role = name
        return role

    def is_valid(self, event):
        if event.member not in self.members.entries or event.seq > self.line(event.author):
            return False
        return event.keys is not None and event.kind in LEAST and RANK[self.power(event)] >= RANK[LEAST[event.kind]]

    def is_hidden(self, event):
        if RANK[self.power(event)] >= RANK["moderator"]:
            return False
        return any(mute.keys["who"] == event.member and event.seq > kept(mute.keys["keep"], event.chain)
                   and all(event.seq <= kept(unmute.keys["resume"], event.chain) for unmute in self.unmutes
                           if tuple(unmute.keys["of"]) == mute.ref())
                   for mute in self.mutes)

    def is_redacted(self, event, redacts):
        return any(tuple(redact.keys["of"]) == event.ref()
                   and (redact.member == event.member or RANK[self.power(redact)] >= RANK["moderator"])
                   for redact in redacts)

    def own(self, edit, texts):
        text = texts.get(tuple(edit.keys["of"]))
        return text is not None and text.member == edit.member
