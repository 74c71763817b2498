-- The access rule of a realm changes while nodes are online: they are told with a number that rises.
ALTER TABLE realm ADD COLUMN rule_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE realm ADD COLUMN rule_published INTEGER NOT NULL DEFAULT 1;
