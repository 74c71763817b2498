vn_program(bench_transport SOURCES bench_transport.c LINKS vn_test_transport NOINSTALL)
