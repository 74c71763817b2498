# Makes OpenSSL's randomness a stream from a seed.
add_library(vn_test_rand STATIC test_rand.c)
target_link_libraries(vn_test_rand PRIVATE vn_own PUBLIC vn_crypto)
target_include_directories(vn_test_rand PUBLIC "${PROJECT_SOURCE_DIR}/tests")

# The wrappers for test suites outside: JSON lines in, JSON lines out.
vn_program(anchor-kat SOURCES anchor_kat.c LINKS vn_crypto dep::jansson NOINSTALL)
