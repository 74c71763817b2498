foreach(name IN ITEMS consent crc dcep dtls ice stun)
    vn_unit_test(transport_${name} SOURCES test_transport_${name}.c LINKS vn_test_transport)
endforeach()
