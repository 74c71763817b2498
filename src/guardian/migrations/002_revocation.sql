-- What nodes are told on a.rev and at login, until its end. One row a node: a later one replaces it.
CREATE TABLE revocation (
    realm     BLOB NOT NULL REFERENCES realm (id) ON DELETE CASCADE,
    number    INTEGER NOT NULL,
    kind      INTEGER NOT NULL,          -- enum vn_revocation_kind
    node      BLOB NOT NULL,
    serial    BLOB NOT NULL,
    minimum   INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    nkey      BLOB,                      -- of a revoked node: the broker refuses it too
    published INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (realm, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX revocation_node ON revocation (realm, node);
