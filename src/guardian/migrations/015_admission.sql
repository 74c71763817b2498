-- Who may come in: only who was approved, only from some countries.
ALTER TABLE realm ADD COLUMN approval INTEGER NOT NULL DEFAULT 0;         -- new nodes wait for an administrator
ALTER TABLE realm ADD COLUMN countries TEXT;                              -- comma list; NULL: any
ALTER TABLE realm ADD COLUMN refuse_unknown INTEGER NOT NULL DEFAULT 0;   -- who is in no country that is known
ALTER TABLE realm ADD COLUMN show_country INTEGER NOT NULL DEFAULT 0;     -- in certificates
ALTER TABLE registration_token ADD COLUMN approval INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conflux ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0;        -- for approval
ALTER TABLE conflux ADD COLUMN country TEXT NOT NULL DEFAULT '';          -- of the last login; '': not known
CREATE INDEX conflux_waiting ON conflux (realm, created_at) WHERE waiting = 1;
