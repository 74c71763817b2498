foreach(name IN ITEMS command quarantine tokens natsjwt revoke keychange store parts issue)
    vn_unit_test(guardian_${name} SOURCES test_guardian_${name}.c LINKS vn_guardian vn_test_support)
endforeach()
vn_unit_test(guardian_oom SOURCES test_guardian_oom.c LINKS vn_test_oom vn_guardian)
