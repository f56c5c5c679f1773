-- Version 10, the first that is frozen: never edited, not even a comment, because its fingerprint is compared at each start. A
-- column's meaning never changes; a new meaning gets a new column and a new version (docs/adr/0009-frozen-schema.md).
-- Times are milliseconds since 1970. Peers are the 32 bytes of their onion key, never text; tables of mail have the peer's
-- number in their place.

CREATE TABLE peer (
    num         INTEGER NOT NULL PRIMARY KEY, -- no row is ever removed, so no number has two meanings
    peer        BLOB    NOT NULL UNIQUE CHECK (length(peer) = 32),
    contact     INTEGER NOT NULL DEFAULT 0,
    blocked     INTEGER NOT NULL DEFAULT 0,
    petname     TEXT,                        -- what the user calls it
    nick        TEXT,                        -- what it calls itself
    intro       TEXT    NOT NULL DEFAULT '', -- what we say to be accepted
    intro_invite BLOB,                       -- and the secret of the invite that we were given
    waiting     INTEGER NOT NULL DEFAULT 0,  -- it holds our messages back until its user accepts us
    hidden      INTEGER NOT NULL DEFAULT 0,  -- it sees us only while there is something to deliver
    epoch       INTEGER NOT NULL DEFAULT 0,  -- the highest of its certificates
    met         BLOB,                        -- its run that was met last
    added_ms    INTEGER,
    seen_ms     INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,  -- dials that failed in a row
    next_ms     INTEGER,                     -- not dialled before
    -- Counted with every message, so that neither the start nor a list of conversations counts messages.
    unread      INTEGER NOT NULL DEFAULT 0,  -- received messages in state 0
    unread_bytes INTEGER NOT NULL DEFAULT 0, -- bytes of their texts
    untaken     INTEGER,                     -- the first received message that classic UPDATE has not handed out
    linked      INTEGER NOT NULL DEFAULT 0   -- the event log says that a link is up
) STRICT;

-- Strangers that ask to become contacts, and those that were refused. Apart from mail.
CREATE TABLE request (
    peer        BLOB    NOT NULL PRIMARY KEY CHECK (length(peer) = 32),
    nick        TEXT    NOT NULL,
    text        TEXT    NOT NULL,
    at_ms       INTEGER NOT NULL,
    refused     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Invites that nobody has used. The secret is stored nowhere.
CREATE TABLE invite (
    hash        BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    until_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Every run of the daemon with this store. A contact that has met a run that is not here met another copy of us.
CREATE TABLE run (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    run         BLOB    NOT NULL CHECK (length(run) = 8),
    at_ms       INTEGER NOT NULL
) STRICT;

-- Every lane that messages stand in has a number, which they name it by for ever.
CREATE TABLE lane (
    num         INTEGER NOT NULL PRIMARY KEY,
    lane        BLOB    NOT NULL CHECK (length(lane) = 8)
) STRICT;

-- Our lane to a peer. `acked` and its digest say what the peer has; the messages after it stand in `message`. Their digests
-- stand nowhere: they follow from this one and the messages' ids, in their order.
CREATE TABLE out_lane (
    peer        INTEGER NOT NULL PRIMARY KEY, -- `peer.num`
    lane        BLOB    NOT NULL,
    num         INTEGER NOT NULL,            -- `lane.num`
    acked       INTEGER NOT NULL DEFAULT 0,
    acked_chain BLOB    NOT NULL
) STRICT;

-- The peers' lanes to us: one number and one digest are all that exactly-once needs.
CREATE TABLE in_lane (
    peer        INTEGER NOT NULL,            -- `peer.num`
    lane        BLOB    NOT NULL,
    num         INTEGER,                     -- `lane.num`; NULL until a message stands in it
    hwm         INTEGER NOT NULL,
    chain       BLOB    NOT NULL,
    moved       INTEGER NOT NULL,            -- counts up with every message: which lane was used last
    PRIMARY KEY (peer, lane)
) STRICT, WITHOUT ROWID;

-- A number is never used twice, so a client's cursor can never point at another message: rows are never removed, and the
-- next number is one more than the last row's. AUTOINCREMENT would write its own table with every row.
-- A row's length never changes (but by a byte when a message is taken back), so that the pages stay full.
CREATE TABLE message (
    id          INTEGER NOT NULL PRIMARY KEY,
    peer        INTEGER NOT NULL,            -- `peer.num`
    dir         INTEGER NOT NULL,            -- 0 received, 1 sent, 2 a mark of ours
    -- received: 0 unread, 1 read; sent: 0 queued, 1 delivered, 2 withdrawn, 3 expired, and as long as the peer has not
    -- skipped its number 4 withdrawn, 5 expired
    state       INTEGER NOT NULL,
    mid         BLOB    NOT NULL,            -- of a mark: the lane's digest there
    at_ms       INTEGER NOT NULL,            -- arrival, or acceptance from a client
    sent_s      INTEGER,                     -- the sender's own time in seconds, rounded to the minute
    done_ms     INTEGER,                     -- sent: when the peer had it, or when it was taken back; before: `at_ms`
    until_ms    INTEGER,                     -- sent: fails if it is not delivered by then; NULL: the policy decides
    lane        INTEGER,                     -- `lane.num`
    seq         INTEGER,
    text        TEXT    NOT NULL
) STRICT;

-- Each message stands in one of the first two: a conversation is both, merged; the next received message is found
-- without looking at those that were sent.
CREATE INDEX message_received     ON message (peer)      WHERE dir <> 1;
CREATE INDEX message_sent         ON message (peer)      WHERE dir = 1;
CREATE INDEX message_unread       ON message (peer)      WHERE dir = 0 AND state = 0;
CREATE INDEX message_outbox       ON message (peer, seq) WHERE dir = 1 AND state IN (0, 4, 5);
-- What a sender that was restored from a backup repeats is not stored again. Ids of ours are random and need no index:
-- those that wait are found by their numbers.
CREATE UNIQUE INDEX message_mid   ON message (peer, mid, dir) WHERE dir <> 1;
-- The marks of a peer that nobody has read.
CREATE INDEX message_marks ON message (peer) WHERE dir = 2 AND state = 0;

-- Every change that a local program may want to hear of, in the transaction of the change. A row about a message points
-- to it and repeats nothing of it. Numbers grow by one, also after all rows were removed: see `told` in `meta`.
CREATE TABLE event (
    seq         INTEGER NOT NULL PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    kind        INTEGER NOT NULL,            -- see store/events.rs
    message     INTEGER,
    peer        BLOB,
    data        TEXT
) STRICT;

-- Consumers of the event log: everything up to `seq` is worked off.
CREATE TABLE cursor (
    consumer    TEXT    NOT NULL PRIMARY KEY,
    seq         INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The keys that clients gave their messages. `n` grows by one, so the oldest are found, and counted, without a scan.
CREATE TABLE client_id (
    n           INTEGER NOT NULL PRIMARY KEY,
    client      TEXT    NOT NULL UNIQUE,
    message     INTEGER NOT NULL UNIQUE,
    at_ms       INTEGER NOT NULL
) STRICT;

CREATE TABLE token (
    name        TEXT    NOT NULL PRIMARY KEY,
    rights      TEXT    NOT NULL,            -- JSON: an array of their names
    peers       BLOB,                        -- 32 bytes each; NULL: all conversations
    stored_key  BLOB    NOT NULL CHECK (length(stored_key) = 32),
    server_key  BLOB    NOT NULL CHECK (length(server_key) = 32),
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER                      -- NULL: never
) STRICT, WITHOUT ROWID;

-- Single numbers. `indexed`: messages up to this row are in `search`. `told`: the last event when some were removed last.
-- `clock_set`: when the wall clock leapt last. `made_by`, `last_opened_by`: versions of the program, see store/schema.rs; a
-- `made_by` of 0 is a program of before version 10.
CREATE TABLE meta (
    name        TEXT    NOT NULL PRIMARY KEY,
    value       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta (name, value) VALUES ('indexed', 0), ('told', 0), ('made_by', 0), ('last_opened_by', 0);

-- The words of all texts by row of `message`, without the texts. `conversation` holds the first 8 bytes of the peer's key
-- in hexadecimal digits as one word, so that a search in a conversation is an intersection of two lists. A table of
-- beginnings (`prefix = '3'`) was measured and rejected: 74 bytes of index for a message of 118 become 136, more than a
-- message may take.
CREATE VIRTUAL TABLE search USING fts5 (
    text, conversation, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);

-- Messages of old daemons: one place for all, apart from `message`. `claim` is what the sender said it was; it
-- is never compared with a peer.
CREATE TABLE legacy (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    claim       TEXT    NOT NULL,
    text        TEXT    NOT NULL,
    at_ms       INTEGER NOT NULL,            -- arrival
    taken       INTEGER NOT NULL DEFAULT 0
) STRICT;

-- How many events of the log each conversation has in each stretch of 1,024 numbers, see store/share.rs. `peer`: 32 bytes of
-- its key; none: strangers; one: the daemon itself. A stretch without rows was not counted.
CREATE TABLE event_share (
    peer        BLOB    NOT NULL,
    stretch     INTEGER NOT NULL,
    events      INTEGER NOT NULL,
    PRIMARY KEY (peer, stretch)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_share_stretch ON event_share (stretch);

-- Which log may stand beside the file: eight hexadecimal digits, another number after each opening. In a table of its own,
-- whose only page changes at nothing else, so that it can be read from the file without the log (store/whole.rs).
CREATE TABLE mark (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    mark        TEXT    NOT NULL CHECK (length(mark) = 8)
) STRICT;
INSERT INTO mark (id, mark) VALUES (1, '00000000');
