/*
 * What the harnesses share. A harness is a program for CBMC: every nondet_ value and the contents
 * of fresh memory stand for all values at once, and CBMC proves each assertion, each memory access
 * and each arithmetic operation for all of them. The first lines of a harness say, for models/run:
 *
 *   sources:  files of src/ besides those it includes itself
 *   part:     file of src/ | text | text: what stands between the lines with these texts is put
 *             into part.h, for functions whose file needs generated headers
 *   options:  to cbmc
 *   proves:   what is printed when it holds
 *   bound:    up to which size
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/span.h"
#include "base/status.h"
#include "crypto/suite.h"

/*
 * Lengths scaled down: the parsers take them from the suite, and nothing branches on their size.
 * The arrays shrink with them, so an overflow of one is found all the same.
 */
#undef VN_EK_MAX
#undef VN_CT_MAX
#undef VN_SIG_MAX
#define VN_EK_MAX 12
#define VN_CT_MAX 10
#define VN_SIG_MAX 14
#define MESSAGE_MAX 192 /* no fixed part of a message is as long */

bool nondet_bool(void);
uint8_t nondet_u8(void);
uint16_t nondet_u16(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
size_t nondet_size(void);
struct vn_id nondet_id(void);

/* Ends where its object ends: one byte too far is an error. One message per harness. */
static inline struct vn_span any_input(uint8_t *object, size_t size)
{
    size_t n = nondet_size();
    __CPROVER_assume(n <= size);
    return VN_SPAN(object + (size - n), n);
}

static inline void *room(size_t n)
{
    void *p = malloc(n);
    __CPROVER_assume(p);
    return p;
}

/* Any lengths that the arrays hold. */
static inline struct vn_suite_info any_suite(void)
{
    struct vn_suite_info s = {
        .id = nondet_bool() ? VN_SUITE_DEFAULT : VN_SUITE_CNSA,
        .kem = nondet_bool() ? VN_KEM_X25519MLKEM768 : VN_KEM_MLKEM1024,
        .sig = nondet_bool() ? VN_SIG_MLDSA65 : VN_SIG_MLDSA87,
        .hash = nondet_bool() ? VN_SHA256 : VN_SHA384,
        .hash_len = nondet_bool() ? 3 : 4,
        .ek_len = nondet_size(),
        .ct_len = nondet_size(),
        .ss_len = nondet_bool() ? 32 : 64,
        .pk_len = nondet_size(),
        .sig_len = nondet_size(),
    };
    __CPROVER_assume(s.ek_len > 0 && s.ek_len <= VN_EK_MAX && s.ct_len > 0 &&
                     s.ct_len <= VN_CT_MAX && s.pk_len > 0 && s.pk_len <= 16 && s.sig_len > 0 &&
                     s.sig_len <= VN_SIG_MAX);
    return s;
}

/* s lies in the object of whole, at offset `at`. */
static inline bool stands_at(struct vn_span s, struct vn_span whole, size_t at)
{
    return at <= whole.n && s.n <= whole.n - at && (s.n == 0 || s.p == whole.p + at);
}
