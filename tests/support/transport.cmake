# An epoll loop behind the io port, two tethers that signal in memory, a bad path between them.
add_library(vn_test_transport STATIC dtls_rig.c test_io.c tether_pair.c turn_server.c udp_proxy.c)
target_link_libraries(vn_test_transport PRIVATE vn_own PUBLIC vn_transport vn_test_support)
target_include_directories(vn_test_transport PUBLIC "${PROJECT_SOURCE_DIR}/tests")
# Our SCTP and libusrsctp's, over a bad path in virtual time.
add_library(vn_test_sctp STATIC sctp_world.c usrsctp_peer.c)
target_link_libraries(vn_test_sctp PRIVATE vn_own dep::usrsctp dep::cmocka PUBLIC vn_test_transport)
target_include_directories(vn_test_sctp PUBLIC "${PROJECT_SOURCE_DIR}/tests")
