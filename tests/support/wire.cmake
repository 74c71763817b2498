# A realm with two nodes, and what the tests of message formats do to every message.
add_library(vn_test_realm STATIC mutate.c realm.c)
target_link_libraries(vn_test_realm PRIVATE vn_own PUBLIC vn_wire vn_test_support)
target_include_directories(vn_test_realm PUBLIC "${PROJECT_SOURCE_DIR}/tests")

# The recorded handshake; record_handshake makes tests/vectors/handshake-*.json anew.
add_library(vn_test_hs_vector STATIC hs_vector.c)
target_link_libraries(vn_test_hs_vector PRIVATE vn_own PUBLIC vn_test_realm vn_test_rand
                                                              dep::jansson)
vn_program(record_handshake SOURCES record_handshake.c LINKS vn_test_hs_vector NOINSTALL)
