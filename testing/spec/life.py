"""When a peer is asked for a sign of life, shown one, and given up: docs/PROTOCOL.md, "Signs of life" and "Time"."""

SILENCE, ANSWER, TAKING = 15_000, 10_000, 5_000
# The idle silence has a random part; the vectors end before it.
IDLE = 215_000


class Link:
    """Times are milliseconds since the link was made and HELLO was heard. `unacknowledged`: bytes of the only text."""

    def __init__(self, features, unacknowledged):
        self.silence = SILENCE if unacknowledged else IDLE
        self.patience = ANSWER + (0 if "life" in features else unacknowledged)
        self.heard = 0
        self.asked = None
        self.questions = 0
        self.taking = None
        self.over = False

    def due(self):
        return self.heard + self.silence if self.asked is None else self.asked + self.patience

    def pass_until(self, ms):
        """What it does by itself until then, this moment included."""
        while not self.over and self.due() <= ms:
            at = self.due()
            if self.asked is None:
                self.asked = at
                self.questions += 1
                yield {"ms": at, "says": {"t": "PING", "n": self.questions}}
            elif self.heard > self.asked:
                self.asked = None
            else:
                self.over = True
                yield {"ms": at, "ends": True}

    def comes(self, ms, kind):
        if self.over:
            return
        self.heard = ms
        if kind == "whole":
            self.taking = None
        elif kind == "part":
            if self.taking is None:
                self.taking = ms
            if ms - self.taking >= TAKING:
                self.taking = ms
                yield {"ms": ms, "says": {"t": "PONG", "n": 0}}
