/* A deterministic source of randomness for recorded vectors. Only tests link it; the product has no
 * hook for it. */
#pragma once

#include <stdint.h>

/**
 * From now on all randomness of the process (vn_rng_bytes, key generation, encapsulation, hedged
 * signatures) is the stream SHA-256(seed ‖ 0), SHA-256(seed ‖ 1), … with seed and counter as 8
 * bytes big-endian. Calling it again starts the stream over. For one thread: with several, who gets
 * which bytes is chance.
 */
void vn_test_rand_install(uint64_t seed);
/** Back to OpenSSL's generator. */
void vn_test_rand_remove(void);
