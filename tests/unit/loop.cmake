foreach(name IN ITEMS loop mailbox precedence)
    vn_unit_test(${name} SOURCES test_${name}.c LINKS vn_loop vn_test_support)
endforeach()
