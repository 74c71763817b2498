foreach(name IN ITEMS crc stun)
    vn_unit_test(transport_${name} SOURCES test_transport_${name}.c LINKS vn_transport vn_test_support)
endforeach()
