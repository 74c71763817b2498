-- Nodes that answer STUN questions of their realm's members, and where.
CREATE TABLE public_node (
    conflux BLOB PRIMARY KEY REFERENCES conflux (id) ON DELETE CASCADE,
    ip      BLOB NOT NULL,               -- 16 bytes
    port    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
