-- Version 2. Messages of old daemons: one place for all, apart from `message`. `claim` is what the sender said it was; it
-- is never compared with a peer.
CREATE TABLE legacy (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    claim       TEXT    NOT NULL,
    text        TEXT    NOT NULL,
    at_ms       INTEGER NOT NULL,            -- arrival
    taken       INTEGER NOT NULL DEFAULT 0
) STRICT;
