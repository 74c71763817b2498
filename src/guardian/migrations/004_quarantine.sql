-- Whom a node may not talk to: "*", or a comma list of peer:CONFLUX, scope:USER, taint:LABEL.
ALTER TABLE conflux ADD COLUMN quarantine TEXT NOT NULL DEFAULT '';
-- Of the list of addresses that follows for this node, from its own rules and others' that name it.
ALTER TABLE conflux ADD COLUMN quarantine_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conflux ADD COLUMN quarantine_pushed INTEGER NOT NULL DEFAULT 1;
CREATE INDEX conflux_quarantine ON conflux (realm) WHERE quarantine <> '';
CREATE INDEX conflux_quarantine_push ON conflux (id) WHERE quarantine_pushed = 0;
