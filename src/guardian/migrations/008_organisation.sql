-- Organisations, their members and teams; sessions of users. What existed becomes one organisation, owned by
-- those who were administrators.
ALTER TABLE user ADD COLUMN display_name TEXT NOT NULL DEFAULT '';
ALTER TABLE user ADD COLUMN superuser INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user ADD COLUMN must_change INTEGER NOT NULL DEFAULT 0; -- the password, before anything else
UPDATE user SET superuser = 1 WHERE role = 2;
ALTER TABLE user DROP COLUMN role;

-- A sign-in. Its refresh token is used once and gives the next one.
CREATE TABLE user_session (
    id         BLOB PRIMARY KEY,
    user       BLOB NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    hash       BLOB NOT NULL,            -- SHA-256 of the refresh token that is good now
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX user_session_user ON user_session (user);

CREATE TABLE organisation (
    id         BLOB PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE membership (
    org        BLOB NOT NULL REFERENCES organisation (id) ON DELETE CASCADE,
    user       BLOB NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    role       INTEGER NOT NULL,         -- enum vn_role, member to owner
    created_at INTEGER NOT NULL,
    PRIMARY KEY (org, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX membership_user ON membership (user);

CREATE TABLE invitation (
    id         BLOB PRIMARY KEY,
    org        BLOB NOT NULL REFERENCES organisation (id) ON DELETE CASCADE,
    user       BLOB NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    role       INTEGER NOT NULL,
    inviter    TEXT NOT NULL,            -- as the audit names them
    created_at INTEGER NOT NULL,
    UNIQUE (org, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX invitation_user ON invitation (user);

CREATE TABLE team (
    id         BLOB PRIMARY KEY,
    org        BLOB NOT NULL REFERENCES organisation (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (org, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE team_member (
    team       BLOB NOT NULL REFERENCES team (id) ON DELETE CASCADE,
    user       BLOB NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (team, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX team_member_user ON team_member (user);

-- NULL only between INSERT and the end of its transaction.
ALTER TABLE realm ADD COLUMN org BLOB REFERENCES organisation (id);
ALTER TABLE realm ADD COLUMN public INTEGER NOT NULL DEFAULT 0;

-- Whose members may use the realm as if they were members of its organisation.
CREATE TABLE realm_team (
    realm BLOB NOT NULL REFERENCES realm (id) ON DELETE CASCADE,
    team  BLOB NOT NULL REFERENCES team (id) ON DELETE CASCADE,
    PRIMARY KEY (realm, team)
) STRICT, WITHOUT ROWID;

-- Comma list of team ids: scopes of the node, besides its owner.
ALTER TABLE conflux ADD COLUMN teams TEXT NOT NULL DEFAULT '';
CREATE INDEX conflux_owner ON conflux (owner);

INSERT INTO organisation (id, name, created_at)
    SELECT randomblob(16), name, created_at FROM realm ORDER BY created_at LIMIT 1;
INSERT INTO membership (org, user, role, created_at)
    SELECT organisation.id, user.id, 4, user.created_at FROM organisation, user WHERE superuser = 1;
UPDATE realm SET org = (SELECT id FROM organisation);
