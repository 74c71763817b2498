# A realm with two nodes, and what the tests of message formats do to every message.
add_library(vn_test_realm STATIC mutate.c realm.c)
target_link_libraries(vn_test_realm PRIVATE vn_own PUBLIC vn_wire vn_test_support)
target_include_directories(vn_test_realm PUBLIC "${PROJECT_SOURCE_DIR}/tests")
