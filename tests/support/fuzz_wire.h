/*
 * What fuzz targets of message formats share: a realm and a handshake that are the same in every
 * process, because their randomness is, so that corpus files stay valid. Targets whose messages are
 * sealed take a mode byte first: 0 feeds the rest as received bytes, 1 seals the rest first, as a
 * malicious member could, so that the decoder behind the AEAD is reached without null ciphers.
 */
#pragma once

#include "base/reader.h"
#include "base/writer.h"
#include "support/fuzz.h"
#include "support/realm.h"

enum fuzz_mode { FUZZ_RECEIVED = 0, FUZZ_SEALED = 1 };

struct fuzz_wire {
    struct test_realm *r;
    struct vn_hs_responder bob;
    struct vn_buf m1;
    struct vn_hs_state i; /* alice after M1 was made */
    struct vn_secret32 control_key;
};
/** Made at the first call, never freed. */
const struct fuzz_wire *fuzz_wire(void);

/** Splits the mode byte off; false when there is none. */
bool fuzz_mode(struct vn_span *in, enum fuzz_mode *ret);
/** The suite that a message names in its second byte; default for another number. */
const struct vn_suite_info *fuzz_suite(struct vn_span in);
/** A buffer of the size that any message needs; one for all. */
uint8_t *fuzz_scratch(void);
