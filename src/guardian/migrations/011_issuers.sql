-- Identity providers whose tokens a realm accepts from nodes.
CREATE TABLE issuer (
    id         BLOB PRIMARY KEY,
    realm      BLOB NOT NULL REFERENCES realm (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,            -- begins the labels of its scopes
    issuer     TEXT NOT NULL,
    audience   TEXT NOT NULL,
    jwks_url   TEXT NOT NULL,
    algorithms INTEGER NOT NULL,         -- bits of enum vn_jws_alg
    rules      TEXT NOT NULL,            -- JSON: required, scopes, taints, teams
    created_at INTEGER NOT NULL,
    UNIQUE (realm, name),
    UNIQUE (realm, issuer, audience)
) STRICT, WITHOUT ROWID;

-- A registration token that is not enough by itself.
ALTER TABLE registration_token ADD COLUMN needs_jwt INTEGER NOT NULL DEFAULT 0;
-- Scopes by verified claims, a line each.
ALTER TABLE conflux ADD COLUMN scopes TEXT NOT NULL DEFAULT '';
