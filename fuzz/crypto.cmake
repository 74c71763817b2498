vn_fuzz_target(cert SOURCES fuzz_cert.c LINKS vn_crypto CORPUS corpus/cert)
vn_fuzz_target(cert_ext SOURCES fuzz_cert_ext.c LINKS vn_crypto CORPUS corpus/cert_ext)
