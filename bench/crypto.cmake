# The measuring part of ./dev bench crypto.
vn_program(bench_crypto SOURCES bench_crypto.c LINKS vn_crypto NOINSTALL)
