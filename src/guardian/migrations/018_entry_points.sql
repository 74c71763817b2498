-- Where nodes find Master: the addresses of its servers, which may stand in several regions.
CREATE TABLE entry_point (
    id         BLOB PRIMARY KEY,
    url        TEXT NOT NULL UNIQUE,        -- tls://HOST:PORT
    region     TEXT NOT NULL,               -- a label; empty: none
    enabled    INTEGER NOT NULL,            -- nodes are told of it
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
