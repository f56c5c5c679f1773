"""Both ends of a lane: docs/PROTOCOL.md, "Lanes" and "What a stranger sees"."""

import hashlib
from itertools import product

EMPTY = "00" * 16


def step(chain, mid):
    return hashlib.sha256(b"torchatd/1 lane\0" + bytes.fromhex(chain) + bytes.fromhex(mid)).digest()[:16].hex()


def after(chain, mid, arrived):
    """The digest after a number whose message arrived, or whose number was skipped."""
    chain = step(chain, mid)
    return chain if arrived else step(chain, mid)


class Sender:
    def __init__(self, lane, messages):
        """`messages`: (mid, body, sent) of everything that is not acknowledged."""
        self.lane, self.acked, self.acked_chain = lane, 0, EMPTY
        self.pending = [[mid, body, sent, None] for mid, body, sent in messages]

    def take_back(self, place):
        self.pending[place - self.acked - 1][3] = "withdrawn"

    def chain_at(self, count, arrived=None):
        """The digest after the first `count` pending numbers. `arrived`: which of them did although taken back."""
        chain = self.acked_chain
        for n, (mid, _, _, gone) in enumerate(self.pending[:count]):
            chain = after(chain, mid, gone is None or (arrived or {}).get(n, False))
        return chain

    def acknowledged(self, state, new_lane):
        """The receiver's ACK. Returns the same as `hear`."""
        if state["lane"] != self.lane or state["hwm"] < self.acked:
            return [], []
        before, first = self.chain_at(len(self.pending)), self.acked
        delivered, says = self.hear(state, new_lane)
        # What flies goes on flying, unless its digests have changed.
        same = self.acked >= first and self.lane == state["lane"] and self.chain_at(len(self.pending)) == before
        return delivered, [] if same else says

    def hear(self, state, new_lane):
        """The receiver's HELLO. Returns the ids that are delivered now, and what is said."""
        count = state["hwm"] - self.acked
        if count < 0:
            # It has forgotten what it once acknowledged.
            lost = {"t": "SKIP", "lane": self.lane, "to": self.acked, "chain": self.acked_chain, "why": "lost"}
            return [], [lost] + self.says()
        arrived = self.fates(count, state["chain"]) if count <= len(self.pending) else None
        if arrived is None:
            # Another history than ours.
            self.lane, self.acked, self.acked_chain = new_lane, 0, EMPTY
            self.pending = [entry for entry in self.pending if entry[3] is None]
            return [], self.says()
        delivered = [entry[0] for n, entry in enumerate(self.pending[:count])
                     if entry[3] is None or arrived.get(n, False)]
        del self.pending[:count]
        self.acked, self.acked_chain = state["hwm"], state["chain"]
        return delivered, self.says()

    def fates(self, count, chain):
        open_fates = [n for n in range(count) if self.pending[n][3] is not None]
        if len(open_fates) > 10 and self.chain_at(count) != chain:
            return None
        for choice in product((False, True), repeat=len(open_fates)):
            arrived = dict(zip(open_fates, choice))
            if self.chain_at(count, arrived) == chain:
                return arrived
        return None

    def says(self):
        out, chain = [], self.acked_chain
        for seq, (mid, body, sent, gone) in enumerate(self.pending, self.acked + 1):
            next_chain = after(chain, mid, gone is None)
            if gone is None:
                out.append({"t": "RECV", "lane": self.lane, "seq": seq, "prev": chain, "mid": mid, "sent": sent,
                            "body": body})
            else:
                out.append({"t": "SKIP", "lane": self.lane, "to": seq, "chain": next_chain, "why": gone})
            chain = next_chain
        return out


class Receiver:
    def __init__(self, accepts, hello):
        """`hello`: the first words, of which only the lanes change."""
        self.accepts, self.template, self.lanes, self.restated, self.lost = accepts, hello, [], False, []
        self.ended = False

    def hello(self):
        return [{**self.template, "lanes": [dict(state) for state in self.lanes]}, self.contact_state()]

    def contact_state(self):
        return {"t": "CONTACT_RES", "st": "accepted" if self.accepts else "pending"}

    def gap(self):
        if self.restated:
            return []
        self.restated = True
        return self.hello()

    def state(self, lane):
        known = [state for state in self.lanes if state["lane"] == lane]
        return known[0] if known else {"lane": lane, "hwm": 0, "chain": EMPTY}

    def move(self, lane, hwm, chain):
        self.lanes = [state for state in self.lanes if state["lane"] != lane][-31:]
        self.lanes.append({"lane": lane, "hwm": hwm, "chain": chain})
        return [{"t": "ACK", **self.lanes[-1]}]

    def hear(self, message):
        kind = message["t"]
        if self.ended:
            return []
        if kind == "BYE":
            self.ended = True
            return []
        if kind == "PING":
            return [{"t": "PONG", "n": message["n"]}]
        if kind == "CONTACT_REQ":
            return [self.contact_state()]
        if not self.accepts:
            return []
        state = self.state(message["lane"])
        again = [{"t": "ACK", **state}]
        if kind == "RECV":
            if message["seq"] <= state["hwm"]:
                return again
            if message["seq"] > state["hwm"] + 1:
                return self.gap()
            if message["prev"] != state["chain"]:
                return again
            self.restated = False
            return self.move(message["lane"], message["seq"], step(state["chain"], message["mid"]))
        if message["to"] <= state["hwm"]:
            return again
        if message["why"] == "lost":
            self.lost.append(message["to"] - state["hwm"])
        elif message["to"] > state["hwm"] + 1:
            return self.gap()
        return self.move(message["lane"], message["to"], message["chain"])
