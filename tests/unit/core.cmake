include("${CMAKE_CURRENT_LIST_DIR}/core_worker.cmake" OPTIONAL)
include("${CMAKE_CURRENT_LIST_DIR}/core_node.cmake" OPTIONAL)
