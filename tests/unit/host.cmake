vn_unit_test(journal SOURCES test_journal.c LINKS vn_host vn_test_support)
foreach(name IN ITEMS host tun_tcp)
    vn_unit_test(${name} SOURCES test_${name}.c LINKS vn_host vn_test_worker)
endforeach()
# With addresses and interfaces of their own.
vn_unit_test(addr_watch SOURCES test_addr_watch.c LINKS vn_host vn_test_worker)
vn_unit_test(transport_netif SOURCES test_transport_netif.c LINKS vn_transport vn_host vn_test_worker)
