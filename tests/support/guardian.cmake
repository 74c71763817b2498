# A node reduced to its credentials: logs in at Guardian, checks what it gets, tries the Master's
# permissions. The end-to-end tests of Guardian drive it.
add_library(vn_light_node STATIC light_node.c)
target_include_directories(vn_light_node PUBLIC "${PROJECT_SOURCE_DIR}/tests")
target_link_libraries(vn_light_node PRIVATE vn_own PUBLIC vn_control vn_crypto vn_base dep::nats)
add_executable(guardian_probe guardian_probe.c member_flood.c)
target_link_libraries(guardian_probe PRIVATE vn_own vn_light_node vn_control vn_loop vn_wire vn_crypto vn_base
                                             vn_proto_anchor dep::nats dep::jansson)
set_target_properties(guardian_probe PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                                "${PROJECT_BINARY_DIR}/tests")

add_library(vn_test_mmdb STATIC mmdb.c)
target_link_libraries(vn_test_mmdb PRIVATE vn_own PUBLIC vn_base)
target_include_directories(vn_test_mmdb PUBLIC "${PROJECT_SOURCE_DIR}/tests")
vn_program(make_mmdb SOURCES make_mmdb.c LINKS vn_test_mmdb vn_base NOINSTALL)

add_library(vn_test_store STATIC store_world.c guardian_world.c)
target_link_libraries(vn_test_store PRIVATE vn_own PUBLIC vn_guardian vn_test_support dep::sqlite)
