/* What a decoder of a binary format must survive: inputs at a guard page, cut, lengthened, flipped.
 */
#pragma once

#include "base/span.h"
#include "base/status.h"

/** Decodes in; the status is what the test is about. */
typedef vn_status (*vn_test_decode)(void *arg, struct vn_span in);

/** The valid message decodes; every truncation and the message with a byte more do not. */
void vn_test_lengths(struct vn_span valid, vn_test_decode decode, void *arg);
/**
 * With one bit flipped in any byte of [from, to) it does not decode. Of a range beyond 4 KiB, which
 * is keys and ciphertext mostly, a random part is tried; its first KiB always in full.
 */
void vn_test_flips(struct vn_span valid, size_t from, size_t to, vn_test_decode decode, void *arg);
