-- OpenID providers by which people sign in, and whom their subjects are.
CREATE TABLE oidc_provider (
    id            BLOB PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    issuer        TEXT NOT NULL UNIQUE,
    client_id     TEXT NOT NULL,
    client_secret TEXT NOT NULL,            -- empty: a public client
    sign_up       INTEGER NOT NULL,         -- who is unknown gets an account
    created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE user_identity (
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    user       BLOB NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_identity_user ON user_identity (user);
