vn_program(bench_datagrams SOURCES bench_datagrams.c LINKS vn_base NOINSTALL)
