foreach(name IN ITEMS affinity bundle circuit control credentials descriptor envelope frame handshake hop
                      hourkeys ice_server inband member_stun merkle names path realm_rule rekey retry revocation setup
                      statement tai64n)
    vn_unit_test(wire_${name} SOURCES test_wire_${name}.c LINKS vn_test_realm TIMEOUT 180)
endforeach()
vn_unit_test(wire_oom SOURCES test_wire_oom.c LINKS vn_test_oom vn_test_realm)
