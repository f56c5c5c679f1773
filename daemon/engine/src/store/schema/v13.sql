-- From version 12 to version 13: a room is a conversation, and what is said in it are messages (docs/ROOM-PROTOCOL.md, "What counts").
--
-- A room is a row of `peer`, whose key is the room's id, so that messages, unread counters, searches, cursors and tokens take it like
-- any conversation. It is nobody's onion: what is a peer to us has no number here.
ALTER TABLE peer ADD COLUMN room INTEGER;        -- `room.num`
CREATE UNIQUE INDEX peer_room ON peer (room) WHERE room IS NOT NULL;
INSERT INTO peer (peer, room) SELECT room, num FROM room WHERE true ON CONFLICT (peer) DO UPDATE SET room = excluded.room;

ALTER TABLE room ADD COLUMN name TEXT NOT NULL DEFAULT '';        -- as the acts say, with `topic`, `members` and `me`
ALTER TABLE room ADD COLUMN topic TEXT NOT NULL DEFAULT '';
ALTER TABLE room ADD COLUMN members INTEGER NOT NULL DEFAULT 0;   -- those that are in
ALTER TABLE room ADD COLUMN me INTEGER;                           -- our number
ALTER TABLE room ADD COLUMN mentions INTEGER NOT NULL DEFAULT 0;  -- texts that nobody has read and that mention us
ALTER TABLE room ADD COLUMN alias TEXT;                           -- what the user calls it
ALTER TABLE room ADD COLUMN notify INTEGER NOT NULL DEFAULT 1;    -- the user is told of 0 all texts, 1 those that mention us, 2 none
-- What was said before this version has no messages yet; the start makes them.
ALTER TABLE room ADD COLUMN unwritten INTEGER NOT NULL DEFAULT 0;
UPDATE room SET unwritten = 1;

-- 1: the body was dropped, because the user has erased the text or it was too old. It is not asked for again.
ALTER TABLE room_event ADD COLUMN dropped INTEGER;

-- Our events of the chain up to here are durable at another member.
ALTER TABLE room_chain ADD COLUMN stored INTEGER NOT NULL DEFAULT 0;
-- The row of the text that waits, and when it waits no more; NULL: as long as it takes.
ALTER TABLE room_outbox ADD COLUMN message INTEGER;
ALTER TABLE room_outbox ADD COLUMN until_ms INTEGER;

-- The keys that programs gave their wishes to make or join a room.
CREATE TABLE room_client (
    client      TEXT    NOT NULL PRIMARY KEY,
    room        BLOB    NOT NULL CHECK (length(room) = 32)
) STRICT, WITHOUT ROWID;

-- What a message of a room has beside its row in `message`. There, `lane` and `seq` are `room_event.chain` and `room_event.seq` of the
-- event that it shows, `mid` is made of the member and the id that the author drew, and `dir` is 2 as long as nothing of it counts.
CREATE TABLE room_message (
    message     INTEGER NOT NULL PRIMARY KEY, -- `message.id`
    -- 1 mentions us, 2 void, 4 hidden by a moderator, 8 the text was taken away, 16 edited, 32 the daemon wrote it, about an act or
    -- a topic, 64 hidden because its author is blocked here, 128 programs were told of it; 256 times the role in which it was
    -- written, as `room_event.standing` has it
    flags       INTEGER NOT NULL,
    lamport     INTEGER,                     -- of the event
    name        TEXT    NOT NULL,            -- of the author, when it came
    own         BLOB,                        -- ours: `message.mid`
    re_chain    INTEGER,                     -- what it answers, as in `room_event`
    re_seq      INTEGER,
    edited_ms   INTEGER,                     -- the author's time of the edit that is in force
    reacts      TEXT                         -- JSON: signs with the numbers of members
) STRICT;
CREATE INDEX room_message_own ON room_message (own) WHERE own IS NOT NULL;
-- Chains of rooms are larger than any number of a lane.
CREATE INDEX message_place ON message (lane, seq) WHERE lane >= 4294967296;

-- The events of a text that was said more than once, or waits to be said again. A text that was said once is not here.
CREATE TABLE room_double (
    chain       INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    message     INTEGER NOT NULL,
    PRIMARY KEY (chain, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_double_message ON room_double (message);
-- The identities of members, by the owner's word: `member` is their first chain.
CREATE TABLE room_member (
    member      INTEGER NOT NULL PRIMARY KEY,
    id          BLOB    NOT NULL
) STRICT;
-- As `erased_mid`, for messages of ours.
CREATE INDEX erased_own ON erased (peer, mid) WHERE dir = 1;
