vn_unit_test(journal SOURCES test_journal.c LINKS vn_host vn_test_support)
foreach(name IN ITEMS host tun_tcp)
    vn_unit_test(${name} SOURCES test_${name}.c LINKS vn_host vn_test_worker)
endforeach()
