-- What a node's certificate allows it: bits of enum vn_cert_right, and the networks of a portal as a
-- comma list. Registered nodes may relay, as before.
ALTER TABLE registration_token ADD COLUMN rights INTEGER NOT NULL DEFAULT 1;
ALTER TABLE registration_token ADD COLUMN portal TEXT NOT NULL DEFAULT '';
ALTER TABLE conflux ADD COLUMN rights INTEGER NOT NULL DEFAULT 1;
ALTER TABLE conflux ADD COLUMN portal TEXT NOT NULL DEFAULT '';
