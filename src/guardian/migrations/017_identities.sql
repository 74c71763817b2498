-- What ties an account to a provider has a name of its own, by which it is shown and undone.
CREATE TABLE user_identity_new (
    id         BLOB NOT NULL UNIQUE,
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    user       BLOB NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
INSERT INTO user_identity_new SELECT randomblob(16), issuer, subject, user, created_at FROM user_identity;
DROP TABLE user_identity;
ALTER TABLE user_identity_new RENAME TO user_identity;
CREATE INDEX user_identity_user ON user_identity (user, created_at);
