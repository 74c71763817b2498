-- Who may relay in a realm: 1 everybody, 2 public nodes, 3 nobody. Told with the access rule, under the same number.
ALTER TABLE realm ADD COLUMN relay INTEGER NOT NULL DEFAULT 1;
