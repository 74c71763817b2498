vn_unit_test(nats SOURCES test_nats.c LINKS vn_control vn_loop TIMEOUT 120)
