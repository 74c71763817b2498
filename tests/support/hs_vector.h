/*
 * A recorded handshake: JSON with fixed inputs ("in") and everything that follows from them
 * ("out"), binary values in hexadecimal. docs/protocol.md names the fields.
 */
#pragma once

#include <jansson.h>

#include "crypto/suite.h"

/** Inputs for a new recording: keys, certificates, statements. Fresh ones each time. */
json_t *hs_vector_inputs(enum vn_suite suite, uint64_t seed);
/**
 * Runs the handshake between the two parties of in and returns all its messages and keys.
 * Randomness is that of vn_test_rand_install: seed before M1 is made, seed + 1 before M2 is.
 * Whatever does not follow DESIGN's formulas, computed here a second time, ends the program.
 */
json_t *hs_vector_run(const json_t *in);
/** Replays the recorded messages with the recorded private keys, without making any: NULL if all
 * keys come out as recorded, else the name of the first field that does not. */
const char *hs_vector_replay(const json_t *in, const json_t *out);
