# The measuring part of ./dev bench handshake.
vn_program(bench_handshake SOURCES bench_handshake.c LINKS vn_test_realm NOINSTALL)
