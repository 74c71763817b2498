-- Changes of the key that signs nodes' JWTs in a realm's account. A realm without a row here never changed it.
CREATE TABLE signing_change (
    realm      BLOB PRIMARY KEY REFERENCES realm (id) ON DELETE CASCADE,
    next_seed  BLOB,                       -- announced to Master, not yet used; NULL: none
    before     TEXT NOT NULL DEFAULT '',   -- public; still counts; '': none
    step_at    INTEGER NOT NULL,           -- when the next step is due
    changed_at INTEGER NOT NULL,           -- dates the account's JWT
    revoked_to INTEGER NOT NULL DEFAULT 0  -- revocations up to this number are of JWTs under keys that are over
) STRICT, WITHOUT ROWID;

-- Who is to be told spreads over time.
ALTER TABLE outbox ADD COLUMN due INTEGER NOT NULL DEFAULT 0;
