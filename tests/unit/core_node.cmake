vn_unit_test(node_pair SOURCES test_node_pair.c LINKS vn_test_node)
