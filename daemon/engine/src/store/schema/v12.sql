-- From version 11 to version 12: replicas of rooms (docs/ROOM-PROTOCOL.md, "What must be durable, and when").
--
-- A room has a small number. What belongs to it is named by one integer, so that no table and no index says the room twice:
-- a place in its log is `room * 2^40 + position`, a chain of its events is `room * 2^32 + author`. Author 0 are the acts.
CREATE TABLE room (
    num         INTEGER NOT NULL PRIMARY KEY,
    room        BLOB    NOT NULL UNIQUE CHECK (length(room) = 32),
    -- 0 joining, 1 member, 2 leaving, 3 left, 4 removed, 5 destroyed, 6 ended, 7 not served
    state       INTEGER NOT NULL,
    since_ms    INTEGER,                     -- leaving since then
    log         BLOB    NOT NULL,            -- 8 bytes
    next        INTEGER NOT NULL,            -- the position of the next event
    digest      BLOB    NOT NULL,            -- of all before it
    lamport     INTEGER NOT NULL,
    seed        BLOB,                        -- of our key in the room; NULL: we have nothing more to do there
    sealing     BLOB,                        -- the secret of our key for sealed bodies; as `seed`
    chain       INTEGER NOT NULL,            -- our events go on in this chain of ours
    fresh       INTEGER NOT NULL DEFAULT 1,  -- 1: nobody has told us everything yet
    -- How we get in, as long as we are joining; NULL in `doors`: we are in.
    doors       BLOB,                        -- 32 bytes each
    pass        BLOB,                        -- the id and the secret of an invite
    nick        TEXT,
    intro       TEXT,
    want        INTEGER,                     -- so many events at most; NULL: all
    -- The last proposal to hand the room over; NULL in `hand`: there is none.
    hand        BLOB,                        -- the event's id
    hand_by     INTEGER,
    hand_to     INTEGER,
    hand_accept BLOB                         -- the signature of who takes it
) STRICT;

-- The log of each room: rows of one room stand one after the other, so a page of the log is a few pages of the file.
CREATE TABLE room_event (
    place       INTEGER NOT NULL PRIMARY KEY, -- room * 2^40 + position
    chain       INTEGER,                     -- room * 2^32 + author; NULL: the event was discarded, its digest stays
    seq         INTEGER,
    kind        INTEGER NOT NULL,
    standing    INTEGER NOT NULL,            -- 0 nothing, 1 to 4 a role from reader to owner, 5 to 8 the same and hidden
    at_ms       INTEGER NOT NULL,            -- arrival
    of_chain    INTEGER,                     -- what an edit, a reaction or a redact names; stays when the body goes
    of_seq      INTEGER,
    digest      BLOB    NOT NULL,            -- of the log up to here
    head        BLOB,                        -- the header without the room, and the signature
    body        BLOB                         -- NULL: it was redacted, or never came
) STRICT;
-- With kind and standing, so that a change of what a long chain counts as reads the rows that change, and no others.
CREATE INDEX room_event_chain ON room_event (chain, seq, kind, standing) WHERE chain IS NOT NULL;
CREATE INDEX room_event_of    ON room_event (of_chain, of_seq, kind, standing, chain) WHERE of_chain IS NOT NULL;
-- What decides about later events, or is in force until another comes: mutes and their ends, topics, offers, names.
CREATE INDEX room_event_deciding ON room_event (place) WHERE kind IN (20, 21, 22, 25, 29);
-- Those whose bodies may be missing.
CREATE INDEX room_event_bare  ON room_event (place) WHERE body IS NULL AND chain IS NOT NULL;

-- Where each chain ends and begins.
CREATE TABLE room_chain (
    chain       INTEGER NOT NULL PRIMARY KEY, -- room * 2^32 + author
    head        INTEGER NOT NULL,
    id          BLOB    NOT NULL,            -- of the event `head`
    floor       INTEGER NOT NULL,            -- nothing is held up to it
    key         BLOB    NOT NULL,            -- whose events they are: on another branch the number may be somebody else's
    base        BLOB,                        -- the event at the floor: header and signature; it is no part of the log
    proof       BLOB,                        -- two headers with signatures: the chain has two histories
    review      INTEGER                      -- texts of ours from here on may have to be said again
) STRICT;

-- Acts: those that hold, and those that do not fit. One that is in the log stands there, others stand here.
CREATE TABLE room_act (
    room        INTEGER NOT NULL,
    id          BLOB    NOT NULL,
    seq         INTEGER NOT NULL,
    branch      INTEGER NOT NULL DEFAULT 0,  -- 1: it holds
    rival       INTEGER,                     -- it does not fit; a larger number came later
    proof       INTEGER,                     -- 1, 2: with the other act of this number a proof that the owner said two things
    place       INTEGER,                     -- `room_event.place`; NULL: it is not in the log
    head        BLOB,
    body        BLOB,
    PRIMARY KEY (room, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX room_act_branch ON room_act (room, seq) WHERE branch = 1;
CREATE INDEX room_act_rival ON room_act (room, rival) WHERE rival IS NOT NULL;

-- Up to where the logs of others are here.
CREATE TABLE room_cookie (
    room        INTEGER NOT NULL,
    peer        BLOB    NOT NULL,            -- 32 bytes of its identity
    log         BLOB    NOT NULL,
    next        INTEGER NOT NULL,
    digest      BLOB    NOT NULL,
    PRIMARY KEY (room, peer)
) STRICT, WITHOUT ROWID;

-- Texts of ours that wait to become events, in their order.
CREATE TABLE room_outbox (
    num         INTEGER NOT NULL PRIMARY KEY,
    room        INTEGER NOT NULL,
    mid         BLOB    NOT NULL,
    body        BLOB    NOT NULL             -- as the event will have it
) STRICT;
CREATE INDEX room_outbox_mid ON room_outbox (room, mid);

-- Invites of ours to rooms. The secret is stored nowhere.
CREATE TABLE room_invite (
    room        INTEGER NOT NULL,
    id          BLOB    NOT NULL,
    key         BLOB    NOT NULL,            -- what proves the secret
    role        INTEGER NOT NULL,            -- 1 reader to 4 owner
    uses        INTEGER,                     -- NULL: without end
    until_ms    INTEGER NOT NULL,
    whom        BLOB,                        -- NULL: anybody
    note        TEXT,
    PRIMARY KEY (room, id)
) STRICT, WITHOUT ROWID;

-- Who asks to become a member.
CREATE TABLE room_petition (
    room        INTEGER NOT NULL,
    id          BLOB    NOT NULL,            -- the identity
    sign        BLOB    NOT NULL,
    sealing     BLOB    NOT NULL,
    nick        TEXT,
    text        TEXT    NOT NULL,
    via         BLOB,                        -- the invite that was proven
    at_ms       INTEGER NOT NULL,
    refused     INTEGER NOT NULL,            -- the user has refused it
    PRIMARY KEY (room, id)
) STRICT, WITHOUT ROWID;

-- Whom no invite lets in.
CREATE TABLE room_ban (
    room        INTEGER NOT NULL,
    id          BLOB    NOT NULL,
    PRIMARY KEY (room, id)
) STRICT, WITHOUT ROWID;

-- Members that have said that they leave, and are not cut.
CREATE TABLE room_leaver (
    room        INTEGER NOT NULL,
    member      INTEGER NOT NULL,
    PRIMARY KEY (room, member)
) STRICT, WITHOUT ROWID;

-- Rooms that were destroyed, for those who come late: the create and the destroy act.
CREATE TABLE room_tomb (
    room        BLOB    NOT NULL PRIMARY KEY CHECK (length(room) = 32),
    members     BLOB    NOT NULL,            -- 32 bytes of the identity of each
    at_ms       INTEGER NOT NULL,
    first_head  BLOB,
    first_body  BLOB,
    last_head   BLOB,
    last_body   BLOB
) STRICT;

-- The highest epoch of the certificates of members that were met.
CREATE TABLE room_epoch (
    peer        BLOB    NOT NULL PRIMARY KEY CHECK (length(peer) = 32),
    epoch       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
