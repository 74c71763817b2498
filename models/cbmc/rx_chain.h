/*
 * Any state of the keys of a receiving stream, and what must hold of the next one: epochs stay
 * consecutive, keys are those of their epoch and lane, and the chain is that of the source, over a
 * KEM step or around it. `lawful` holds at first, and from whatever state it holds in, it holds
 * again after each call.
 */
#pragma once

#include "chain.h"

#undef VN_LANES_MAX
#undef VN_EPOCHS_OLD_MAX
#undef VN_REKEY_AHEAD_MAX
#define VN_LANES_MAX 1
#define VN_EPOCHS_OLD_MAX 1
#define VN_REKEY_AHEAD_MAX 2
#define KEPT (1 + VN_EPOCHS_OLD_MAX)

#include "core/rx_keys.h"

/* Whole epochs at a time. */
static void move_epochs(struct vn_rx_epoch *to, const struct vn_rx_epoch *from, size_t n)
{
    assert(n % sizeof(*to) == 0 && to == from + 1);
    assert(n == 0 || (__CPROVER_w_ok(to, n) && __CPROVER_r_ok(from, n)));
    for (size_t i = n / sizeof(*to); i > 0; i--)
        to[i - 1] = from[i - 1];
}
#define memmove move_epochs

#include "core/rx_keys.c"

static bool lawful(const struct vn_rx_keys *k)
{
    if (k->count < 1 || k->count > KEPT || k->epochs[0].number < k->count - 1)
        return false;
    if (k->kem_pending && (k->kem_epoch <= k->epochs[0].number ||
                           k->kem_epoch - k->epochs[0].number > VN_REKEY_AHEAD_MAX))
        return false;
    for (size_t i = 0; i < k->count; i++) {
        const struct vn_rx_epoch *e = &k->epochs[i];
        if (e->number != k->epochs[0].number - i || (i > 1 && e->until_us > e[-1].until_us))
            return false;
        for (size_t lane = 0; lane < VN_LANES_MAX; lane++)
            if (e->lanes[lane] &&
                (e->lanes[lane]->aead->name != e->ck.b[0] || e->lanes[lane]->aead->lane != lane ||
                 e->lanes[lane]->iv[0] != e->ck.b[0]))
                return false;
    }
    return true;
}

struct vn_rx_keys nondet_keys(void);

static struct vn_rx_keys any_lawful(uint64_t now_us)
{
    struct vn_rx_keys k = nondet_keys();
    k.kem_pending = nondet_bool(); /* true or false, not any byte */
    k.kem_taken = nondet_bool();
    for (size_t i = 0; i < KEPT; i++)
        for (uint8_t lane = 0; lane < VN_LANES_MAX; lane++) {
            uint8_t name = k.epochs[i].ck.b[0];
            struct vn_rx_key *key = room(sizeof(*key));
            key->aead = room(sizeof(*key->aead));
            *key->aead = (struct vn_aead){name, lane};
            for (size_t b = 0; b < sizeof(key->iv); b++)
                key->iv[b] = b == 0 ? name : 0;
            k.epochs[i].lanes[lane] = nondet_bool() ? key : NULL;
        }
    __CPROVER_assume(lawful(&k));
    /* No end of an epoch is further away than that of the one that ends now. */
    __CPROVER_assume(now_us < UINT64_MAX / 2 && k.ahead.at_ms <= now_us / 1000);
    __CPROVER_assume(k.ahead.milli <= VN_REKEY_AHEAD_BURST * UINT64_C(1000));
    for (size_t i = 1; i < KEPT; i++)
        __CPROVER_assume(i >= k.count || k.epochs[i].until_us <= now_us + KEEP_US);
    return k;
}

/* The name of the source's chain key of an epoch, seen from k. It took the step announced, or not;
 * before the epochs kept it is anything. */
static uint8_t truth(const struct vn_rx_keys *k, uint32_t epoch, bool took)
{
    uint32_t present = k->epochs[0].number;
    if (epoch <= present)
        return present - epoch < k->count ? k->epochs[present - epoch].ck.b[0] : nondet_u8();
    uint8_t name = k->epochs[0].ck.b[0];
    for (uint32_t i = 1; i <= VN_REKEY_AHEAD_MAX && i <= epoch - present; i++)
        name = took && present + i == k->kem_epoch ? k->kem_ck.b[0]
                                                   : __CPROVER_uninterpreted_step(name);
    return name;
}

/* The epochs of `is` are those of the source. */
static void came_to(const struct vn_rx_keys *was, const struct vn_rx_keys *is, bool took)
{
    assert(lawful(is));
    size_t i = nondet_size();
    __CPROVER_assume(i < is->count);
    uint32_t epoch = is->epochs[i].number;
    assert(was->epochs[0].number - epoch < was->count || epoch > was->epochs[0].number);
    assert(is->epochs[i].ck.b[0] == truth(was, epoch, took));
}
