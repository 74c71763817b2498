vn_unit_test(handshake_vectors SOURCES test_handshake_vectors.c LINKS vn_test_hs_vector
             LABEL vectors)
