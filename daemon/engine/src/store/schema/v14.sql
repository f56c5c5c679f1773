-- From version 13 to version 14: what is in force is found by itself, however much was said before it (docs/ROOM-PROTOCOL.md, "What
-- counts", 7). The 57th byte of a head begins the event's logical time, which is not in the order of a chain: an author may write any.

-- The tag of what an edit, a reaction or a redact names, with `of_chain` and `of_seq`, as a number. What version 13 has names nothing.
ALTER TABLE room_event ADD COLUMN of_tag INTEGER;
-- 1: the body of a topic or of a name breaks the rules of its kind. Of what version 13 has it is not known.
ALTER TABLE room_event ADD COLUMN broken INTEGER;
-- The tag of what a message answers, with `re_chain` and `re_seq`.
ALTER TABLE room_message ADD COLUMN re_tag INTEGER;
-- Edits and reactions of a text, of each member, in order.
CREATE INDEX room_event_said
    ON room_event (of_chain, of_seq, of_tag, kind, chain >> 8, standing, substr(head, 57, 8), chain, seq)
    WHERE kind IN (17, 18) AND of_tag IS NOT NULL AND body IS NOT NULL;
-- Redacts, by what they count as.
CREATE INDEX room_event_redact ON room_event (of_chain, of_seq, of_tag, standing, chain) WHERE kind = 19 AND of_tag IS NOT NULL;
-- Names of each member, in order.
CREATE INDEX room_event_nick ON room_event (chain >> 8, standing, substr(head, 57, 8), chain, seq)
    WHERE kind = 29 AND body IS NOT NULL AND broken IS NULL;
-- Topics of a room, in order.
CREATE INDEX room_event_topic ON room_event (chain >> 32, standing, substr(head, 57, 8), chain, seq)
    WHERE kind = 22 AND body IS NOT NULL AND broken IS NULL;

-- Events of the chain up to this number may count as something else than `spans` says, and are brought to it step by step, the last ones
-- first; NULL: there are none.
ALTER TABLE room_chain ADD COLUMN behind INTEGER;
-- As long as there are: from which number on the events of the chain count as what, 9 bytes each, the number and `room_event.standing`.
ALTER TABLE room_chain ADD COLUMN spans BLOB;
CREATE INDEX room_chain_behind ON room_chain (chain) WHERE behind IS NOT NULL;
