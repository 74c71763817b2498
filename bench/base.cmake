vn_program(bench_datagrams SOURCES bench_datagrams.c LINKS vn_base NOINSTALL)
vn_program(bench_copy SOURCES bench_copy.c LINKS vn_base NOINSTALL)
