"""The branch of acts, and the door of acts: docs/ROOM-PROTOCOL.md, "The door of acts" and "The branch of acts".

Everything about the branch is computed anew from the acts that are known; nothing is kept beside them but the proofs.
"""

import room_counts
import room_events

SETTLE, HANDOVER, ROSTER = 6, 5, 2
ACTS = 100_000


def signed_by(key, act, known={}):
    """Whether the owner of a key signed an act. Each is computed once. The id does not cover the signature."""
    what = key, act.id, act.signature
    if what not in known:
        known[what] = room_events.verify(key, act.header, act.signature)
    return known[what]


class Branch:
    """What a replica without members' events holds of a room's acts."""

    def __init__(self, room):
        self.room = room
        self.acts, self.proofs = [], {}
        # By id, in the order in which they came.
        self.rivals = {}

    def members(self, upto=None):
        """What the acts up to a number say."""
        return room_counts.Members(self.room, self.acts[:upto])

    def begins(self, act):
        if not room_events.is_first(room_events.unpack(act.header)) or act.id != self.room or act.keys is None:
            return False
        owner = act.keys["owner"]
        return (owner["no"], owner["role"]) == (1, "owner") and signed_by(bytes.fromhex(owner["sign"]), act)

    def fits(self, act):
        """Whether an act goes on with the branch, by its place and its signature."""
        members = self.members()
        return (act.seq == len(self.acts) + 1 and act.prev == self.acts[-1].id
                and signed_by(members.key(members.owner), act)
                and not members.ended and (not self.is_frozen() or act.kind == SETTLE and act.keys is not None))

    def is_former(self, act):
        """By the former owner, and of a branch on which that one still was the owner."""
        since = self.members().since
        if since == 1 or any(act.prev == other.id for other in self.acts[since - 1:]):
            return False
        before = self.members(since - 1)
        return signed_by(before.key(before.owner), act)

    def could_be_by_an_owner(self, act):
        """By the owner, by one of the first four members whom handovers among the rivals name, or by the former owner."""
        members = self.members()
        keys = [members.key(members.owner)]
        rivals = [rival for rival in self.rivals.values() if rival.keys is not None]
        for to in sorted({rival.keys["to"] for rival in rivals if rival.kind == HANDOVER})[:4]:
            keys += [members.key(to)] if to in members.entries else []
            by_id = sorted((rival for rival in rivals if rival.kind == ROSTER), key=lambda rival: rival.id)
            named = [bytes.fromhex(entry["sign"]) for rival in by_id
                     for entry in rival.keys.get("add", []) if entry["no"] == to]
            keys += named[:1]
        return any(signed_by(key, act) for key in keys) or self.is_former(act)

    def take(self, act):
        """An act comes."""
        if act.id in self.rivals or any(act.id == other.id for other in self.acts):
            return
        if not self.acts:
            if self.begins(act):
                self.acts.append(act)
                self.go_on()
            return
        if not 2 <= act.seq <= ACTS:
            return
        if self.fits(act):
            self.append(act)
        elif self.could_be_by_an_owner(act):
            if act.seq <= len(self.acts) and self.acts[act.seq - 1].prev == act.prev:
                self.prove(self.acts[act.seq - 1], act)
            self.rivals[act.id] = act
        else:
            return
        self.go_on()

    def append(self, act):
        self.rivals.pop(act.id, None)
        self.acts.append(act)
        for rival in self.rivals.values():
            if (rival.seq, rival.prev) == (act.seq, act.prev):
                self.prove(act, rival)

    def prove(self, one, other):
        """Two acts with one number on the same act, both by the owner at that number."""
        members = self.members(one.seq - 1)
        if one.seq <= self.members().since:
            # What a former owner says twice decides nothing.
            return
        if one.seq not in self.proofs and all(signed_by(members.key(members.owner), act) for act in (one, other)):
            self.proofs[one.seq] = sorted([one, other], key=lambda act: act.id)

    def is_frozen(self):
        settled = max((act.seq for act in self.acts if act.kind == SETTLE and act.keys is not None), default=0)
        since = self.members().since
        return any(seq > max(since, settled) for seq in self.proofs)

    def go_on(self):
        while True:
            fitting = [rival for rival in self.rivals.values() if self.fits(rival)]
            if fitting:
                self.append(min(fitting, key=lambda act: act.id))
                continue
            better = self.better()
            if better is None:
                return
            self.change(*better)

    def way(self, act):
        """The fork of a rival, and the acts from there to it; None if the way is broken."""
        numbers = {act.id: number for number, act in enumerate(self.acts, 1)}
        way = [act]
        while way[0].prev not in numbers:
            if way[0].prev not in self.rivals:
                return None
            way.insert(0, self.rivals[way[0].prev])
        fork = numbers[way[0].prev]
        return (fork, way) if [one.seq for one in way] == list(range(fork + 1, fork + 1 + len(way))) else None

    def candidate(self, act):
        """(fork, way) of a settle, or of a handover with an effect, that is whole and well signed."""
        if act.kind not in (SETTLE, HANDOVER) or act.keys is None:
            return None
        found = self.way(act)
        if found is None:
            return None
        fork, way = found
        acts = self.acts[:fork]
        for one in way:
            members = room_counts.Members(self.room, acts)
            if not signed_by(members.key(members.owner), one):
                return None
            acts = acts + [one]
        if act.kind == HANDOVER and room_counts.Members(self.room, acts).since != act.seq:
            return None
        return found

    def score(self, acts, fork):
        """What a branch has behind the fork: the greater one holds."""
        settles = [act for act in acts[fork:] if act.kind == SETTLE and act.keys is not None]
        handed = room_counts.Members(self.room, acts).since > fork
        # The smaller id is the greater.
        last = (settles[-1].seq, -int.from_bytes(settles[-1].id, "big")) if settles else (0, 0)
        return (handed, *last)

    def better(self):
        members = self.members()
        if members.ended:
            return None
        for act in self.rivals.values():
            found = self.candidate(act)
            if found is None:
                continue
            fork, way = found
            if fork < members.since and not self.is_said_by_the_owner(fork, way):
                continue
            if self.score(self.acts[:fork] + way, fork) > self.score(self.acts, fork):
                return found
        return None

    def is_said_by_the_owner(self, fork, way):
        """Whether the present owner signed the end of a way, as the owner there."""
        here, there = self.members(), room_counts.Members(self.room, self.acts[:fork] + way[:-1])
        return (here.owner, here.key(here.owner)) == (there.owner, there.key(there.owner))

    def change(self, fork, way):
        behind, self.acts = self.acts[fork:], self.acts[:fork]
        self.rivals.update((act.id, act) for act in behind)
        for act in way:
            self.append(act)


def arrive(room, acts):
    """The branch after the acts came in this order, all again as long as that changed something."""
    branch = Branch(room)
    while True:
        before = [act.id for act in branch.acts], set(branch.rivals)
        for act in acts:
            branch.take(act)
        if before == ([act.id for act in branch.acts], set(branch.rivals)):
            return branch
