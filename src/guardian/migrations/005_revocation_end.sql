-- Entries that have ended are found by it, among thousands that have not.
CREATE INDEX revocation_until ON revocation (realm, until);
