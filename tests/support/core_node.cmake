# Whole nodes over an authority, a broker and tethers in memory.
add_library(vn_test_node STATIC flood_net.c mem_authority.c mem_control.c node_world.c world_flow.c
    world_way.c)
target_link_libraries(vn_test_node PRIVATE vn_own PUBLIC vn_test_worker vn_test_realm)
target_include_directories(vn_test_node PUBLIC "${PROJECT_SOURCE_DIR}/tests")
