find_package(Python3 REQUIRED COMPONENTS Interpreter)

# What NIST and Wycheproof say, through anchor-kat.
add_test(NAME vectors/crypto COMMAND Python3::Interpreter -B "${CMAKE_CURRENT_SOURCE_DIR}/test_crypto.py"
                                     $<TARGET_FILE:anchor-kat>)
# anchor-kat itself: what other suites rely on, and nonsense of every kind.
add_test(NAME vectors/anchor_kat COMMAND Python3::Interpreter -B
                                         "${CMAKE_CURRENT_SOURCE_DIR}/test_anchor_kat.py"
                                         $<TARGET_FILE:anchor-kat>)
set_tests_properties(vectors/crypto vectors/anchor_kat PROPERTIES LABELS vectors TIMEOUT 300
                                                                  SKIP_RETURN_CODE 77)
