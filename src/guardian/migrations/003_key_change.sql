-- Changes of key generation. realm.hour_generation is the one that nodes send with. A realm without a row
-- here never changed keys and shall not.
CREATE TABLE key_change (
    realm      BLOB PRIMARY KEY REFERENCES realm (id) ON DELETE CASCADE,
    due        INTEGER NOT NULL DEFAULT 0, -- when the next one shall begin; 0: none is wanted
    due_spread INTEGER NOT NULL DEFAULT 0, -- ms in which its keys are handed out
    other      INTEGER NOT NULL DEFAULT 0, -- the other generation that counts; 0: none
    began      INTEGER NOT NULL DEFAULT 0,
    spread     INTEGER NOT NULL DEFAULT 0,
    until      INTEGER NOT NULL DEFAULT 0  -- 0: `other` is being handed out; else it is the one before, until then
) STRICT, WITHOUT ROWID;

-- What somebody had and has no more: gets a new key with the next change. Kind 0: every identity does.
CREATE TABLE lost_identity (
    realm BLOB NOT NULL REFERENCES realm (id) ON DELETE CASCADE,
    kind  INTEGER NOT NULL,              -- enum vn_identity_kind
    label TEXT NOT NULL,
    PRIMARY KEY (realm, kind, label)
) STRICT, WITHOUT ROWID;

-- Generations in which an identity got a new key; none: it has that of generation 1. Kind 0: all got one.
CREATE TABLE identity_generation (
    realm      BLOB NOT NULL REFERENCES realm (id) ON DELETE CASCADE,
    kind       INTEGER NOT NULL,
    label      TEXT NOT NULL,
    generation INTEGER NOT NULL,
    PRIMARY KEY (realm, kind, label, generation)
) STRICT, WITHOUT ROWID;

-- The newest generation that the node's session was given.
ALTER TABLE conflux ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
