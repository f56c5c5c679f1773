-- From the last layout of before versions were frozen to version 10. It kept its mark where SQLite has the number of the
-- program that a file belongs to.
INSERT INTO meta (name, value) VALUES ('made_by', 0), ('last_opened_by', 0);
CREATE TABLE mark (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    mark        TEXT    NOT NULL CHECK (length(mark) = 8)
) STRICT;
INSERT INTO mark (id, mark) SELECT 1, printf('%08x', application_id & 4294967295) FROM pragma_application_id;
