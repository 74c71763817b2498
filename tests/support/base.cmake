# Helpers of all tests: cmocka with its includes, seeded numbers, guard pages.
add_library(vn_test_support STATIC guard.c test.c)
target_link_libraries(vn_test_support PRIVATE vn_own PUBLIC vn_base dep::cmocka)
target_include_directories(vn_test_support PUBLIC "${PROJECT_SOURCE_DIR}/tests")

# Makes the n-th allocation of our own static libraries fail; their users link it instead of asking.
add_library(vn_test_oom STATIC oom.c)
target_link_libraries(vn_test_oom PRIVATE vn_own PUBLIC vn_test_support)
target_include_directories(vn_test_oom PUBLIC "${PROJECT_SOURCE_DIR}/tests")
target_link_options(vn_test_oom INTERFACE
                    -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup)
