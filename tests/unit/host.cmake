vn_unit_test(journal SOURCES test_journal.c LINKS vn_host vn_test_support)
vn_unit_test(host SOURCES test_host.c LINKS vn_host vn_test_worker)
