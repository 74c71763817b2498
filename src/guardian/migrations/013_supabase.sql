-- A provider that takes address and password, as Supabase Auth does.
ALTER TABLE oidc_provider ADD COLUMN supabase INTEGER NOT NULL DEFAULT 0;
