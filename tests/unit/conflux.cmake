foreach(name IN ITEMS conflux_config conflux_options)
    vn_unit_test(${name} SOURCES test_${name}.c LINKS vn_conflux vn_test_support)
endforeach()
vn_unit_test(local_api SOURCES test_local_api.c LINKS vn_conflux vn_test_transport vn_test_support)
