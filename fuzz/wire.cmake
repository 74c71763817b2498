# make_corpus writes fuzz/corpus/ anew.
add_library(vn_fuzz_wire STATIC "${PROJECT_SOURCE_DIR}/tests/support/fuzz_wire.c")
target_link_libraries(vn_fuzz_wire PRIVATE vn_own PUBLIC vn_test_realm vn_test_rand)

foreach(name IN ITEMS bundle circuit control descriptor envelope frame hs_m1 hs_m2 hs_retry inband path
                      revocation setup statement subject)
    vn_fuzz_target(${name} SOURCES fuzz_${name}.c LINKS vn_fuzz_wire CORPUS corpus/${name})
endforeach()
vn_program(make_corpus SOURCES "${PROJECT_SOURCE_DIR}/tests/support/make_corpus.c"
           LINKS vn_fuzz_wire NOINSTALL)
target_include_directories(make_corpus PRIVATE "${PROJECT_SOURCE_DIR}/tests")
