-- Times are milliseconds since 1970; ids 16 bytes; secrets are here because the file is 0600 and one
-- file is what an operator has to back up.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE user (
    id         BLOB PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    password   TEXT NOT NULL,            -- $argon2id$ string
    role       INTEGER NOT NULL,         -- enum vn_role
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE realm (
    id                 BLOB PRIMARY KEY,
    name               TEXT NOT NULL UNIQUE,
    suite              INTEGER NOT NULL, -- enum vn_suite
    access             INTEGER NOT NULL, -- enum vn_access_rule
    ipv4               TEXT NOT NULL,
    ipv6               TEXT NOT NULL,
    session_lifetime_s INTEGER NOT NULL,
    created_at         INTEGER NOT NULL,
    root_seed          BLOB NOT NULL,
    issuing_seed       BLOB NOT NULL,
    command_seed       BLOB NOT NULL,
    root_cert          BLOB NOT NULL,
    issuing_cert       BLOB NOT NULL,
    command_cert       BLOB NOT NULL,
    kem_dk             BLOB NOT NULL,    -- Guardian's own KEM key in this realm, expanded form
    affinity_root      BLOB NOT NULL,
    hour_root          BLOB NOT NULL,
    hour_generation    INTEGER NOT NULL,
    name_key           BLOB NOT NULL,
    address_key        BLOB NOT NULL,    -- IPv6 interface ids
    nats_account_seed  BLOB NOT NULL,
    nats_signing_seed  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE registration_token (
    id             BLOB PRIMARY KEY,
    realm          BLOB NOT NULL REFERENCES realm (id) ON DELETE CASCADE,
    owner          BLOB NOT NULL,        -- user whose nodes these are
    hash           BLOB NOT NULL,        -- SHA-256 of the JWT
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    uses_left      INTEGER,              -- NULL: any number
    taints         TEXT NOT NULL,        -- comma list: what a node gets that names none
    allowed_taints TEXT NOT NULL,        -- comma list or *
    revoked        INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX registration_token_realm ON registration_token (realm, created_at);

CREATE TABLE conflux (
    id               BLOB PRIMARY KEY,
    realm            BLOB NOT NULL REFERENCES realm (id),
    token            BLOB NOT NULL,      -- registration token it came with
    owner            BLOB NOT NULL,
    allowed_taints   TEXT NOT NULL,      -- copied: outlives the token
    tag              TEXT NOT NULL,
    ip4              INTEGER NOT NULL,
    ip6              BLOB NOT NULL,
    taints           TEXT NOT NULL,      -- comma list, sorted
    created_at       INTEGER NOT NULL,
    statement_number INTEGER NOT NULL,   -- the last one signed
    -- the present session; NULL before the first login and after logout
    node             BLOB,
    sig_pk           BLOB,
    session_ek       BLOB,
    nkey             BLOB,
    serial           BLOB,
    not_after        INTEGER NOT NULL DEFAULT 0, -- of the last certificate, kept after logout
    last_login_at    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX conflux_realm ON conflux (realm, created_at);
CREATE INDEX conflux_tag ON conflux (realm, tag);

-- An address is leased to a registration. After unregistering it stays taken until the last certificate
-- that names it has expired.
CREATE TABLE lease (
    realm   BLOB NOT NULL REFERENCES realm (id) ON DELETE CASCADE,
    ip4     INTEGER NOT NULL,
    conflux BLOB,                        -- NULL: given up
    tag     TEXT NOT NULL,
    until   INTEGER NOT NULL,            -- when conflux is NULL
    PRIMARY KEY (realm, ip4)
) STRICT, WITHOUT ROWID;

-- Nodes that are to be told of a change which was made on the store by `veilnet-guardian node taint`.
CREATE TABLE outbox (
    conflux BLOB PRIMARY KEY REFERENCES conflux (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    realm   BLOB,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL
) STRICT;
