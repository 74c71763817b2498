foreach(name IN ITEMS tokens natsjwt revoke store parts issue)
    vn_unit_test(guardian_${name} SOURCES test_guardian_${name}.c LINKS vn_guardian vn_test_support)
endforeach()
