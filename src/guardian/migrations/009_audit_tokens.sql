CREATE INDEX audit_realm ON audit (realm, id);

-- For programs that act for a user.
CREATE TABLE api_token (
    id         BLOB PRIMARY KEY,
    user       BLOB NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    hash       BLOB NOT NULL,            -- SHA-256 of the JWT
    scopes     INTEGER NOT NULL,         -- bits of enum vn_api_scope
    realm      BLOB REFERENCES realm (id) ON DELETE CASCADE, -- NULL: everywhere
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_token_user ON api_token (user, created_at);

-- Nodes that are removed when they log out, or have been silent for a session.
ALTER TABLE registration_token ADD COLUMN ephemeral INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conflux ADD COLUMN ephemeral INTEGER NOT NULL DEFAULT 0;
CREATE INDEX conflux_ephemeral ON conflux (not_after) WHERE ephemeral = 1;
