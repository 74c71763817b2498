foreach(name pair access recovery hostile inside)
    vn_unit_test(node_${name} SOURCES test_node_${name}.c LINKS vn_test_node)
endforeach()
