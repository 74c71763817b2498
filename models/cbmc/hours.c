/*
 * sources: base/reader.c base/writer.c wire/hourkeys.c wire/tai64n.c
 * options: --unwind 34
 * proves: hours and TAI64N: no overflow, only keys that are held, mac keys of that hour, times in
 * proves: range
 * bound: none on times and numbers
 */
#include "harness.h"

#include "wire/envelope.h"

static void hours(void)
{
    struct vn_hour_keys k, o;
    k.other = nondet_bool() ? &o : NULL; /* while the realm changes keys */
    uint64_t now = nondet_u64();
    uint32_t hour = nondet_u32(), generation = nondet_u32(), present;
    const struct vn_secret32 *key = vn_hour_keys_find(&k, generation, hour, now);
    if (key) {
        const struct vn_hour_keys *of = __CPROVER_same_object(key, &k) ? &k : k.other;
        assert(of);
        assert(key >= of->keys && key < of->keys + VN_HOURS_MAX);
        assert(generation == of->generation && hour == of->first_hour + (uint64_t)(key - of->keys));
    }
    key = vn_hour_keys_now(&k, now, &present);
    assert(!key || (key >= k.keys && key < k.keys + VN_HOURS_MAX));
}

/* Whatever was kept before: what comes back is of the hour that was asked for. */
static void macs(void)
{
    struct vn_hour_keys k, o;
    k.other = nondet_bool() ? &o : NULL;
    struct vn_id self = nondet_id();
    struct vn_hour_macs m;
    m.keys = &k;
    m.self = &self;
    m.kept[0].set = nondet_bool();
    m.kept[1].set = nondet_bool();
    m.kept[2].set = nondet_bool();
    m.kept[3].set = nondet_bool();
    const struct vn_hour_mac_keys *e;
    uint32_t generation = nondet_u32(), hour = nondet_u32();
    if (vn_hour_macs_find(&m, VN_SHA256, generation, hour, nondet_u64(), &e) == VN_OK)
        assert(e->set && e->generation == generation && e->hour == hour &&
               (generation == k.generation || (k.other && generation == o.generation)));
}

static void tai(void)
{
    uint8_t in[12];
    uint64_t ms;
    if (vn_tai64n_ms(in, &ms) == VN_OK)
        assert(ms <= UINT64_C(9223372037) * 1000);
}

int main(void)
{
    hours();
    macs();
    tai();
    return 0;
}
