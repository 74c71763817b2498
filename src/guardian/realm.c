#include "guardian/realm.h"

#include <stdatomic.h>

#include "crypto/rng.h"

#define YEAR_MS (365ull * 86400000)
#define AUTHORITY_YEARS 20
#define SKEW_MS 86400000ull /* certificates of authorities begin a day early */

static vn_status make_key(enum vn_sig_alg alg, struct vn_secret32 *ret_seed,
                          struct vn_sig_key **ret)
{
    vn_status st = vn_rng_bytes(ret_seed->b, sizeof(ret_seed->b));
    return st == VN_OK ? vn_sig_from_seed(alg, VN_SPAN_ARRAY(ret_seed->b), ret) : st;
}

static vn_status make_authority(struct vn_realm_record *r, const struct vn_suite_info *suite,
                                uint64_t now_ms)
{
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *root = NULL;
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *issuing = NULL;
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *command = NULL;
    vn_status st = make_key(suite->sig, &r->root_seed, &root);
    if (st == VN_OK)
        st = make_key(suite->sig, &r->issuing_seed, &issuing);
    if (st == VN_OK)
        st = make_key(suite->sig, &r->command_seed, &command);
    uint64_t from = now_ms - SKEW_MS, until = now_ms + AUTHORITY_YEARS * YEAR_MS;
    if (st == VN_OK)
        st = vn_x509_make_authority(VN_AUTHORITY_ROOT, &r->id, vn_sig_pk(root), root, VN_SPAN_NONE,
                                    from, until, &r->root_cert.p, &r->root_cert.n);
    struct vn_span root_cert = VN_SPAN(r->root_cert.p, r->root_cert.n);
    if (st == VN_OK)
        st = vn_x509_make_authority(VN_AUTHORITY_ISSUING, &r->id, vn_sig_pk(issuing), root,
                                    root_cert, from, until, &r->issuing_cert.p, &r->issuing_cert.n);
    if (st == VN_OK)
        st = vn_x509_make_authority(VN_AUTHORITY_COMMAND, &r->id, vn_sig_pk(command), root,
                                    root_cert, from, until, &r->command_cert.p, &r->command_cert.n);
    return st;
}

static vn_status make_kem(struct vn_realm_record *r, const struct vn_suite_info *suite)
{
    VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *dk = NULL;
    vn_status st = vn_kem_generate(suite->kem, &dk);
    if (st != VN_OK)
        return st;
    uint8_t expanded[4096];
    size_t n;
    st = vn_kem_export_dk(dk, expanded, sizeof(expanded), &n);
    if (st == VN_OK) {
        r->kem_dk.p = malloc(n);
        if (r->kem_dk.p) {
            memcpy(r->kem_dk.p, expanded, n);
            r->kem_dk.n = n;
        } else {
            st = VN_ERR_NOMEM;
        }
    }
    vn_wipe(expanded, sizeof(expanded));
    return st;
}

/* RFC 4193: fd, 40 random bits, subnet 0. */
static vn_status make_range6(struct vn_prefix *ret)
{
    struct vn_prefix p = {.ip = {{0xfd}}, .bits = 64};
    vn_status st = vn_rng_bytes(p.ip.b + 1, 5);
    *ret = p;
    return st;
}

vn_status vn_realm_generate(const struct vn_realm_init *init, uint64_t now_ms,
                            struct vn_realm_record *ret)
{
    const struct vn_suite_info *suite = vn_suite_get(init->suite);
    if (!suite)
        return VN_ERR_ARG;
    VN_CLEANUP(vn_realm_record_done)
    struct vn_realm_record r = {
        .suite = init->suite,
        .access = init->access,
        .relay = init->relay ? init->relay : VN_RELAYS_ALL,
        .range4 = init->range4,
        .session_lifetime_s = init->session_lifetime_s,
        .created_ms = now_ms,
        .hour_generation = 1,
    };
    snprintf(r.name, sizeof(r.name), "%s", init->name);
    struct vn_secret32 *const random[] = {&r.affinity_root,     &r.hour_root,
                                          &r.name_key,          &r.address_key,
                                          &r.nats_account_seed, &r.nats_signing_seed};
    vn_status st = vn_rng_bytes(r.id.b, sizeof(r.id.b));
    for (size_t i = 0; st == VN_OK && i < VN_ARRAY_LEN(random); i++)
        st = vn_rng_bytes(random[i]->b, sizeof(random[i]->b));
    if (st == VN_OK)
        st = make_range6(&r.range6);
    if (st == VN_OK)
        st = make_authority(&r, suite, now_ms);
    if (st == VN_OK)
        st = make_kem(&r, suite);
    if (st != VN_OK)
        return st;
    *ret = r;
    memset(&r, 0, sizeof(r)); /* handed over */
    return VN_OK;
}

vn_status vn_realm_load(struct vn_realm_record *take, struct vn_realm **ret)
{
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *r = calloc(1, sizeof(*r));
    if (!r) {
        vn_realm_record_done(take);
        return VN_ERR_NOMEM;
    }
    r->refs = 1;
    r->r = *take;
    memset(take, 0, sizeof(*take));
    r->suite = vn_suite_get(r->r.suite);
    if (!r->suite)
        return VN_ERR_MALFORMED;
    vn_status st =
        vn_sig_from_seed(r->suite->sig, VN_SPAN_ARRAY(r->r.issuing_seed.b), &r->issuing_key);
    if (st == VN_OK)
        st = vn_x509_check_issuing(VN_SPAN(r->r.issuing_cert.p, r->r.issuing_cert.n),
                                   r->issuing_key, &r->r.id);
    if (st == VN_OK)
        st = vn_sig_from_seed(r->suite->sig, VN_SPAN_ARRAY(r->r.command_seed.b), &r->command_key);
    if (st == VN_OK)
        st = vn_kem_from_dk(r->suite->kem, VN_SPAN(r->r.kem_dk.p, r->r.kem_dk.n), &r->kem);
    if (st == VN_OK)
        st = vn_node_id_of(vn_sig_pk(r->command_key), &r->gid);
    if (st == VN_OK)
        st = vn_nats_key_init(&r->account, VN_NKEY_ACCOUNT, &r->r.nats_account_seed);
    if (st == VN_OK)
        st = vn_nats_key_init(&r->signing, VN_NKEY_ACCOUNT, &r->r.nats_signing_seed);
    if (st == VN_OK && r->r.nats_has_next)
        st = vn_nats_key_init(&r->next, VN_NKEY_ACCOUNT, &r->r.nats_next_seed);
    if (st != VN_OK)
        return st;
    *ret = VN_TAKE(r);
    return VN_OK;
}

struct vn_realm *vn_realm_ref(struct vn_realm *r)
{
    __atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
    return r;
}

void vn_realm_unref(struct vn_realm *r)
{
    if (!r || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    vn_sig_free(r->issuing_key);
    vn_sig_free(r->command_key);
    vn_kem_free(r->kem);
    vn_nats_key_done(&r->account);
    vn_nats_key_done(&r->signing);
    vn_nats_key_done(&r->next);
    vn_realm_record_done(&r->r);
    free(r);
}

void vn_realm_unrefp(struct vn_realm **r)
{
    vn_realm_unref(*r);
    *r = NULL;
}

bool vn_label_valid(const char *text)
{
    size_t n = strnlen(text, 64);
    return n >= 1 && n <= 63 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == n &&
           text[0] != '-' && text[n - 1] != '-';
}

struct vn_ip vn_ip_from_u32(uint32_t ip4)
{
    const uint8_t b[4] = {(uint8_t)(ip4 >> 24), (uint8_t)(ip4 >> 16), (uint8_t)(ip4 >> 8),
                          (uint8_t)ip4};
    return vn_ip_from_v4(b);
}

uint32_t vn_ip_to_u32(const struct vn_ip *ip)
{
    return (uint32_t)ip->b[12] << 24 | (uint32_t)ip->b[13] << 16 | (uint32_t)ip->b[14] << 8 |
           ip->b[15];
}

void vn_realm_ip4_bounds(const struct vn_prefix *range, uint32_t *ret_first, uint32_t *ret_last)
{
    uint32_t base = vn_ip_to_u32(&range->ip);
    uint32_t size = (uint32_t)1 << (128 - range->bits);
    *ret_first = base + 1;
    *ret_last = base + size - 2;
}

vn_status vn_realm_ip6(const struct vn_realm *r, const struct vn_id *conflux, struct vn_ip *ret)
{
    struct vn_hash h;
    vn_status st = vn_hmac(r->suite->hash, VN_SPAN_ARRAY(r->r.address_key.b),
                           VN_PARTS(VN_SPAN_ARRAY(conflux->b)), &h);
    if (st != VN_OK)
        return st;
    *ret = r->r.range6.ip;
    memcpy(ret->b + 8, h.b, 8);
    return VN_OK;
}

static const char *const RELAY_NAMES[] = {
    [VN_RELAYS_ALL] = "all", [VN_RELAYS_PUBLIC] = "public", [VN_RELAYS_NONE] = "none"};

const char *vn_relay_rule_name(enum vn_relay_rule rule)
{
    return rule >= VN_RELAYS_ALL && rule <= VN_RELAYS_NONE ? RELAY_NAMES[rule] : "?";
}

vn_status vn_relay_rule_parse(const char *text, enum vn_relay_rule *ret)
{
    for (int i = VN_RELAYS_ALL; i <= VN_RELAYS_NONE; i++) {
        if (strcmp(text, RELAY_NAMES[i]) == 0) {
            *ret = (enum vn_relay_rule)i;
            return VN_OK;
        }
    }
    return VN_ERR_MALFORMED;
}

static const char *const ACCESS_NAMES[] = {
    [VN_ACCESS_TAINTS] = "taints", [VN_ACCESS_TEAMS] = "teams", [VN_ACCESS_BOTH] = "both"};

const char *vn_access_name(enum vn_access_rule rule)
{
    return rule >= VN_ACCESS_TAINTS && rule <= VN_ACCESS_BOTH ? ACCESS_NAMES[rule] : "?";
}

vn_status vn_access_parse(const char *text, enum vn_access_rule *ret)
{
    for (int i = VN_ACCESS_TAINTS; i <= VN_ACCESS_BOTH; i++) {
        if (strcmp(text, ACCESS_NAMES[i]) == 0) {
            *ret = (enum vn_access_rule)i;
            return VN_OK;
        }
    }
    return VN_ERR_MALFORMED;
}
