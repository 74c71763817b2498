foreach(name bytes relay_dies inband restart renew admin member_stun pair relay relay_hostile route race learn aside spread places access life recovery forget hostile flood turns query generation inside
             rekey revocation)
    vn_unit_test(node_${name} SOURCES test_node_${name}.c LINKS vn_test_node)
endforeach()
vn_unit_test(node_oom SOURCES test_node_oom.c LINKS vn_test_oom vn_test_node TIMEOUT 120)
target_include_directories(test_node_bytes PRIVATE "${PROJECT_SOURCE_DIR}/sim")
