vn_fuzz_target(guardian_token SOURCES fuzz_guardian_token.c LINKS vn_guardian CORPUS corpus/guardian_token)
vn_fuzz_target(provider SOURCES fuzz_provider.c LINKS vn_guardian CORPUS corpus/provider)
vn_fuzz_target(geo SOURCES fuzz_geo.c LINKS vn_guardian CORPUS corpus/geo)
