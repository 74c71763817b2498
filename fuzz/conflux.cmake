vn_fuzz_target(local_api SOURCES fuzz_local_api.c LINKS vn_conflux CORPUS corpus/local_api)
