foreach(name IN ITEMS join_token json_alloc json_long login_answer)
    vn_unit_test(${name} SOURCES test_${name}.c LINKS vn_control vn_test_support)
endforeach()
vn_unit_test(nats SOURCES test_nats.c LINKS vn_control vn_loop TIMEOUT 120)
vn_unit_test(guardian_api SOURCES test_guardian_api.c
             LINKS vn_control vn_loop vn_test_tls_server vn_test_support)
vn_unit_test(control_oom SOURCES test_control_oom.c LINKS vn_test_oom vn_control vn_test_transport TIMEOUT 120)
vn_unit_test(tls_client SOURCES test_tls_client.c LINKS vn_test_tls_server vn_test_support)
