vn_program(bench_guardian SOURCES bench_guardian.c LINKS vn_light_node vn_control vn_loop vn_wire
           vn_crypto NOINSTALL)
