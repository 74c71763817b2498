foreach(name IN ITEMS consent crc dcep dtls dtls_cert dtls_interop dtls_records ice pc reflex restart roam stun
                      stun_server tether turn udp)
    vn_unit_test(transport_${name} SOURCES test_transport_${name}.c LINKS vn_test_transport
                 TIMEOUT 180)
endforeach()
vn_unit_test(transport_oom SOURCES test_transport_oom.c LINKS vn_test_oom vn_test_transport)
vn_unit_test(sctp_oom SOURCES test_sctp_oom.c LINKS vn_test_oom vn_test_transport)
foreach(name IN ITEMS sctp_setup sctp_data sctp_hostile sctp_cc sctp_pmtu sctp_turns)
    vn_unit_test(${name} SOURCES test_${name}.c LINKS vn_test_sctp)
endforeach()
