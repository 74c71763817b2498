foreach(name IN ITEMS buf clock country file id list log map pktbuf reader route_rule replay secret status text)
    vn_unit_test(${name} SOURCES test_${name}.c LINKS vn_base vn_test_support)
endforeach()
vn_unit_test(base_oom SOURCES test_base_oom.c LINKS vn_test_oom vn_base vn_test_support)
