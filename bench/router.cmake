# The measuring part of ./dev bench routing that is no simulation.
vn_program(bench_router SOURCES bench_router.c LINKS vn_router NOINSTALL)
