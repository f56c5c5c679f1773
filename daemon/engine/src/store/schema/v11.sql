-- From version 10 to version 11: what the user has set for one conversation, and what remains of an erased message.
-- When the user marked the contact's key as compared; NULL: it is not marked.
ALTER TABLE peer ADD COLUMN verified_ms INTEGER;
-- For how many days the messages of the conversation are kept; NULL: forever.
ALTER TABLE peer ADD COLUMN retain_days INTEGER;

-- What remains of a message that was erased: no text and no time. Its number is never used again, its sender's id keeps a copy
-- of it from coming back, and a client's key still finds it. `id`, `peer`, `dir`, `state` and `mid` are those of `message`.
CREATE TABLE erased (
    id          INTEGER NOT NULL PRIMARY KEY,
    peer        INTEGER NOT NULL,
    dir         INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    mid         BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX erased_mid ON erased (peer, mid, dir) WHERE dir <> 1;
