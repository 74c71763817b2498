# An HTTPS server for tests of clients.
add_library(vn_test_tls_server STATIC tls_server.c)
target_link_libraries(vn_test_tls_server PRIVATE vn_own PUBLIC vn_crypto dep::ssl dep::threads)
target_include_directories(vn_test_tls_server PUBLIC "${PROJECT_SOURCE_DIR}/tests")
