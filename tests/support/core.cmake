# Tethers in memory with a virtual clock.
add_library(vn_test_mem_tether STATIC mem_tether.c)
target_link_libraries(vn_test_mem_tether PRIVATE vn_own PUBLIC vn_ports)
target_include_directories(vn_test_mem_tether PUBLIC "${PROJECT_SOURCE_DIR}/tests")
# Data workers with lists in place of TUN and node.
add_library(vn_test_worker STATIC inner.c worker_rig.c)
target_link_libraries(vn_test_worker PRIVATE vn_own PUBLIC vn_core vn_test_mem_tether vn_test_support)
target_include_directories(vn_test_worker PUBLIC "${PROJECT_SOURCE_DIR}/tests")
include("${CMAKE_CURRENT_LIST_DIR}/core_node.cmake" OPTIONAL)
