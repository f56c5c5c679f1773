-- How many events of the log each conversation has in each stretch of 1,024 numbers, see store/share.rs. `peer`: 32 bytes of
-- its key; none: strangers; one: the daemon itself. A stretch without rows was not counted.
CREATE TABLE IF NOT EXISTS event_share (
    peer        BLOB    NOT NULL,
    stretch     INTEGER NOT NULL,
    events      INTEGER NOT NULL,
    PRIMARY KEY (peer, stretch)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_share_stretch ON event_share (stretch);
