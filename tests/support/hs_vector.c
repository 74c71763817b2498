#include "support/hs_vector.h"

#include <stdarg.h>

#include "base/limits.h"
#include "base/text.h"
#include "crypto/aead.h"
#include "support/realm.h"
#include "support/test_rand.h"
#include "wire/control.h"
#include "wire/frame.h"
#include "wire/rekey.h"

#define MESSAGE_MAX VN_CONTROL_PAYLOAD_MAX

/* ---- JSON and bytes ---- */

static void put(json_t *o, const char *name, struct vn_span s)
{
    char *hex = malloc(2 * s.n + 1);
    if (!hex)
        abort();
    vn_hex_encode(s, hex);
    json_object_set_new(o, name, json_string(hex));
    free(hex);
}

static void put_hash(json_t *o, const char *name, const struct vn_hash *h)
{
    put(o, name, vn_hash_span(h));
}

static void put_number(json_t *o, const char *name, uint64_t v)
{
    json_object_set_new(o, name, json_integer((json_int_t)v));
}

struct bytes {
    uint8_t b[MESSAGE_MAX];
    size_t n;
};

/* The value of a name, from one of two static places that take turns: the caller copies or is
 * quick. */
static struct vn_span get(const json_t *o, const char *name)
{
    const char *hex = json_string_value(json_object_get(o, name));
    static struct bytes ring[16];
    static size_t turn;
    struct bytes *b = &ring[turn++ % VN_ARRAY_LEN(ring)];
    if (!hex || vn_hex_decode(VN_SPAN_STR(hex), b->b, sizeof(b->b), &b->n) != VN_OK) {
        fprintf(stderr, "no field %s, or not hexadecimal\n", name);
        abort();
    }
    return VN_SPAN(b->b, b->n);
}

static void get_into(const json_t *o, const char *name, void *ret, size_t n)
{
    struct vn_span s = get(o, name);
    if (s.n != n) {
        fprintf(stderr, "field %s: %zu bytes instead of %zu\n", name, s.n, n);
        abort();
    }
    memcpy(ret, s.p, n);
}

static uint64_t get_number(const json_t *o, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(o, name));
}

static void same(const char *name, struct vn_span a, struct vn_span b)
{
    if (vn_span_equal(a, b))
        return;
    fprintf(stderr, "%s is not what the formulas say\n", name);
    abort();
}

/* ---- the parties ---- */

struct party {
    struct vn_sig_key *key;
    struct vn_sig_pub *pub;
    struct vn_id node;
    struct vn_hash cert_hash;
    struct bytes cert, statement;
};

struct setup {
    const struct vn_suite_info *suite;
    uint64_t now_ms;
    struct vn_id realm, sid;
    struct vn_hour_keys hours;
    struct party i, r;
    struct vn_kem_dk *dks;
    struct vn_hs_responder responder;
    struct bytes params_i, params_r, descriptor;
};

static void get_bytes(const json_t *o, const char *name, struct bytes *ret)
{
    struct vn_span s = get(o, name);
    memcpy(ret->b, s.p, s.n);
    ret->n = s.n;
}

static void party_init(struct party *p, const struct vn_suite_info *suite, const json_t *in)
{
    TEST_OK(vn_sig_from_seed(suite->sig, get(in, "sig_seed"), &p->key));
    TEST_OK(vn_sig_pub_new(suite->sig, vn_sig_pk(p->key), &p->pub));
    TEST_OK(vn_node_id_of(vn_sig_pk(p->key), &p->node));
    same("node", VN_SPAN_ARRAY(p->node.b), get(in, "node"));
    get_bytes(in, "cert", &p->cert);
    get_bytes(in, "statement", &p->statement);
    TEST_OK(vn_hash(suite->hash, VN_PARTS(VN_SPAN(p->cert.b, p->cert.n)), &p->cert_hash));
}

static struct setup *setup_new(const json_t *in)
{
    struct setup *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    const json_t *responder = json_object_get(in, "responder");
    s->suite = vn_suite_by_name(json_string_value(json_object_get(in, "suite")));
    s->now_ms = get_number(in, "now_ms");
    get_into(in, "realm", s->realm.b, VN_ID_LEN);
    get_into(in, "sid", s->sid.b, VN_ID_LEN);
    s->hours = (struct vn_hour_keys){.generation = (uint32_t)get_number(in, "generation"),
                                     .first_hour = (uint32_t)get_number(in, "hour"),
                                     .count = 1};
    get_into(in, "hour_key", s->hours.keys[0].b, 32);
    party_init(&s->i, s->suite, json_object_get(in, "initiator"));
    party_init(&s->r, s->suite, responder);
    TEST_OK(vn_kem_from_dk(s->suite->kem, get(responder, "dkS"), &s->dks));
    same("ekS", vn_kem_ek(s->dks), get(responder, "ekS"));
    s->responder = (struct vn_hs_responder){s->r.node, s->r.cert_hash, vn_kem_ek(s->dks)};
    get_bytes(in, "params_I", &s->params_i);
    get_bytes(in, "params_R", &s->params_r);
    get_bytes(in, "descriptor", &s->descriptor);
    return s;
}

static void setup_free(struct setup *s)
{
    vn_sig_free(s->i.key);
    vn_sig_free(s->r.key);
    vn_sig_pub_free(s->i.pub);
    vn_sig_pub_free(s->r.pub);
    vn_kem_free(s->dks);
    free(s);
}

static json_t *party_inputs(const struct test_node *n)
{
    struct vn_secret32 seed;
    TEST_OK(vn_sig_seed(n->key, &seed));
    json_t *o = json_object();
    put(o, "node", VN_SPAN_ARRAY(n->id.b));
    put(o, "sig_seed", VN_SPAN_ARRAY(seed.b));
    put(o, "cert", test_node_cert(n));
    put(o, "statement", test_node_statement(n));
    return o;
}

json_t *hs_vector_inputs(enum vn_suite suite, uint64_t seed)
{
    struct test_realm *t = test_realm_new(suite);
    json_t *in = json_object(), *responder = party_inputs(&t->b);
    uint8_t dk[4096];
    size_t dk_n;
    TEST_OK(vn_kem_export_dk(t->b.eks, dk, sizeof(dk), &dk_n));
    put(responder, "ekS", vn_kem_ek(t->b.eks));
    put(responder, "dkS", VN_SPAN(dk, dk_n));
    json_object_set_new(in, "suite", json_string(t->suite->name));
    put_number(in, "seed", seed);
    put_number(in, "now_ms", TEST_NOW_MS);
    put(in, "realm", VN_SPAN_ARRAY(t->id.b));
    put(in, "sid", VN_SPAN_LIT("a stream's 16 by"));
    put_number(in, "generation", t->hours.generation);
    put_number(in, "hour", vn_hour_of(TEST_NOW_MS));
    put(in, "hour_key", VN_SPAN_ARRAY(t->hours.keys[1].b));
    json_object_set_new(in, "initiator", party_inputs(&t->a));
    json_object_set_new(in, "responder", responder);
    put_number(in, "revocation_list_I", 41);
    put_number(in, "revocation_list_R", 42);
    put(in, "params_I", VN_SPAN_LIT("\x10\xe0\xd4\x03\x18\xdc\x0b")); /* idle 60000 ms, mtu 1500 */
    put(in, "params_R", VN_SPAN_LIT("\x10\xe0\xd4\x03\x18\x80\x0a")); /* mtu 1280 */
    put_number(in, "mode", VN_HS_MODE_PLAIN);

    /* the access decision, as the responder takes it */
    struct vn_statement own, peer;
    struct vn_span ignored[2];
    struct vn_affinity_match m;
    TEST_OK(
        vn_statement_decode(test_node_statement(&t->b), t->suite, &own, &ignored[0], &ignored[1]));
    TEST_OK(
        vn_statement_decode(test_node_statement(&t->a), t->suite, &peer, &ignored[0], &ignored[1]));
    TEST_OK(vn_affinity_decide(t->suite, VN_ACCESS_TAINTS, t->b.identities, t->b.identity_count,
                               &own, &peer, false, &m));
    put(in, "matched_tags", VN_SPAN(m.matched, m.count * VN_AFFINITY_TAG_LEN));

    struct vn_buf d;
    vn_buf_init(&d, VN_DESCRIPTOR_MAX);
    TEST_OK(vn_descriptor_make(t->suite, &t->id, test_node_cert(&t->b), vn_kem_ek(t->b.eks),
                               TEST_NOW_MS, TEST_NOW_MS + 1200000, VN_SPAN_NONE, NULL, 0, t->b.key,
                               &d));
    put(in, "descriptor", vn_buf_span(&d));
    vn_buf_done(&d);
    put(in, "retry_nonce", VN_SPAN_LIT("retry nonce."));
    put(in, "cookie_secret", VN_SPAN_LIT("the responder keeps this for 120"));
    put(in, "control_body", VN_SPAN_LIT("\x22\x02\x08\x01")); /* close, reason 1 */
    put(in, "frame_packet", VN_SPAN_LIT("an IP packet would stand here"));
    test_realm_free(t);
    return in;
}

/* ---- the formulas of DESIGN section 6, a second time ---- */

static struct vn_hash hash_of(const struct vn_suite_info *suite, size_t count, ...)
{
    struct vn_span parts[8];
    struct vn_hash h;
    va_list ap;
    va_start(ap, count);
    for (size_t i = 0; i < count; i++)
        parts[i] = va_arg(ap, struct vn_span);
    va_end(ap);
    TEST_OK(vn_hash(suite->hash, parts, count, &h));
    return h;
}

static struct vn_secret32 hkdf_of(const struct vn_suite_info *suite, struct vn_span salt,
                                  struct vn_span ikm, struct vn_span info)
{
    struct vn_secret32 k;
    TEST_OK(vn_hkdf(suite->hash, salt, ikm, VN_PARTS(info), k.b, sizeof(k.b)));
    return k;
}

struct schedule {
    struct vn_hash h0, ha, hb, hc, hd, last;
    struct vn_secret32 k1, k2;
    uint8_t okm[96];
};

struct transcript {
    struct vn_span head, cts, p1, sig_i, cte, p2, sig_r;
    struct vn_secret sss, sse;
    struct vn_hash matched;
    uint8_t mode;
};

static struct schedule schedule_of(const struct setup *s, const struct transcript *t)
{
    const struct vn_suite_info *suite = s->suite;
    struct schedule k;
    struct vn_hash eks = hash_of(suite, 1, s->responder.eks);
    k.h0 = hash_of(suite, 5, VN_SPAN_LIT("anchor-hs-v1"), t->head, VN_SPAN_ARRAY(s->r.node.b),
                   vn_hash_span(&s->r.cert_hash), vn_hash_span(&eks));
    k.ha = hash_of(suite, 2, vn_hash_span(&k.h0), t->cts);
    k.k1 = hkdf_of(suite, vn_hash_span(&k.ha), VN_SPAN(t->sss.b, t->sss.n), VN_SPAN_LIT("m1"));
    k.hb = hash_of(suite, 2, vn_hash_span(&k.ha), t->p1);
    k.hc = hash_of(suite, 3, vn_hash_span(&k.hb), t->sig_i, t->cte);
    uint8_t ikm[32 + 64];
    memcpy(ikm, k.k1.b, 32);
    memcpy(ikm + 32, t->sse.b, t->sse.n);
    k.k2 = hkdf_of(suite, vn_hash_span(&k.hc), VN_SPAN(ikm, 32 + t->sse.n), VN_SPAN_LIT("m2"));
    k.hd = hash_of(suite, 2, vn_hash_span(&k.hc), t->p2);
    k.last = hash_of(suite, 2, vn_hash_span(&k.hd), t->sig_r);
    TEST_OK(
        vn_hkdf(suite->hash, vn_hash_span(&k.last), VN_SPAN_ARRAY(k.k2.b),
                VN_PARTS(VN_SPAN_LIT("stream"), vn_hash_span(&t->matched), VN_SPAN(&t->mode, 1)),
                k.okm, sizeof(k.okm)));
    return k;
}

/* ---- recording ---- */

static void put_retry(json_t *out, const char *name, const struct setup *s, const json_t *in,
                      const struct vn_hs_m1_view *m1, enum vn_retry_kind kind, struct vn_span data)
{
    struct vn_buf b;
    vn_buf_init(&b, MESSAGE_MAX);
    uint8_t nonce[12];
    get_into(in, "retry_nonce", nonce, sizeof(nonce));
    struct vn_hs_retry r = {kind, data};
    TEST_OK(vn_hs_retry_make(m1, s->suite, &s->hours, &s->r.node, s->now_ms, nonce, &r, &b));
    put(out, name, vn_buf_span(&b));
    vn_buf_done(&b);
}

/* The cookie, the RETRY that brings it, and mac2 of the M1 sent again. */
static void put_cookie(json_t *out, const struct setup *s, const json_t *in,
                       const struct vn_hs_m1_view *v, const struct vn_buf *m1)
{
    struct vn_secret32 secret;
    struct vn_hs_m1_view again;
    uint8_t cookie[VN_COOKIE_LEN], mac2[VN_MAC_LEN];
    struct vn_buf copy;
    get_into(in, "cookie_secret", secret.b, sizeof(secret.b));
    TEST_OK(vn_hs_cookie(s->suite, &secret, &s->i.node, cookie));
    put(out, "cookie", VN_SPAN_ARRAY(cookie));
    put_retry(out, "RETRY_cookie", s, in, v, VN_RETRY_COOKIE, VN_SPAN_ARRAY(cookie));
    vn_buf_init(&copy, MESSAGE_MAX);
    TEST_OK(vn_buf_append(&copy, m1->p, m1->len));
    TEST_OK(vn_hs_m1_set_mac2(s->suite, cookie, &copy));
    TEST_OK(vn_hs_m1_parse(vn_buf_span(&copy), s->suite, &s->realm, &again));
    TEST_OK(vn_hs_m1_check_mac2(&again, s->suite, cookie));
    TEST_OK(
        vn_mac16(s->suite->hash, VN_SPAN_ARRAY(cookie), VN_PARTS(v->head, v->ct, v->mac1), mac2));
    same("mac2", VN_SPAN_ARRAY(mac2), again.mac2);
    same("the rest of M1", VN_SPAN(m1->p, m1->len - VN_MAC_LEN),
         VN_SPAN(copy.p, copy.len - VN_MAC_LEN));
    put(out, "mac2", VN_SPAN_ARRAY(mac2));
    vn_buf_done(&copy);
}

/* The first control packet of the initiator and the first frame, lane 0 of epoch 0, label 1. */
static void put_first_packets(json_t *out, const struct setup *s, const json_t *in,
                              const struct vn_hs_keys *keys)
{
    struct vn_buf b;
    vn_buf_init(&b, MESSAGE_MAX);
    TEST_OK(vn_control_seal(s->suite, &keys->k_ctl_ir, &s->sid, 0, get(in, "control_body"), &b));
    put(out, "control", vn_buf_span(&b));
    vn_buf_done(&b);

    struct vn_lane_keys lane;
    TEST_OK(vn_lane_keys_derive(s->suite->hash, &keys->ck0, 0, &lane));
    put(out, "lane_key", VN_SPAN_ARRAY(lane.key.b));
    put(out, "lane_iv", VN_SPAN_ARRAY(lane.iv));
    uint8_t frame[256], nonce[12];
    struct vn_writer w = vn_writer_of(frame, sizeof(frame));
    vn_hop_encode(&w, &(struct vn_hop_header){.type = VN_HOP_FRAME, .label = 1});
    struct vn_e2e_header e2e = {0};
    vn_e2e_encode(&w, &e2e);
    size_t plain_at = w.len;
    vn_write_u16(&w, 1);
    vn_frame_put_packet(&w, &(struct vn_frame_packet){.packet = get(in, "frame_packet")});
    struct vn_span plain = VN_SPAN(frame + plain_at, w.len - plain_at);
    uint8_t *tag = vn_write_room(&w, VN_AEAD_TAG_LEN);
    struct vn_aead *aead = NULL;
    TEST_OK(vn_aead_new(&lane.key, &aead));
    vn_lane_nonce(lane.iv, 0, nonce);
    TEST_OK(vn_aead_seal(aead, nonce, VN_SPAN(frame + VN_HOP_HEADER_LEN, VN_E2E_HEADER_LEN), plain,
                         frame + plain_at, tag));
    vn_aead_free(aead);
    put(out, "frame", vn_writer_span(&w));
}

/* The formula of a KEM step, a second time. */
static void kem_step_of(const struct vn_suite_info *suite, struct vn_span ck, struct vn_span ss,
                        struct vn_span ek, struct vn_span ct, uint8_t ret[96])
{
    struct vn_hash h = hash_of(suite, 2, ek, ct);
    TEST_OK(vn_hkdf(suite->hash, ck, ss, VN_PARTS(VN_SPAN_LIT("kem"), vn_hash_span(&h)), ret, 96));
}

/* StreamControl with a RekeyOffer (field 5) or a RekeyAnswer (6) in it, byte by byte. */
static void put_rekey(json_t *out, const char *name, const struct setup *s,
                      const struct vn_secret32 *k_ctl, uint64_t seq, uint8_t field, uint8_t epoch,
                      struct vn_span data)
{
    uint8_t body[4096];
    struct vn_writer w = vn_writer_of(body, sizeof(body));
    size_t inner = 5 + 3 + data.n;
    vn_write_u8(&w, (uint8_t)(field << 3 | 2));
    vn_write_u8(&w, (uint8_t)(inner | 0x80));
    vn_write_u8(&w, (uint8_t)(inner >> 7));
    vn_write_u8(&w, 1 << 3 | 5);
    vn_write_u8(&w, epoch); /* little-endian */
    vn_write_bytes(&w, "\0\0\0", 3);
    vn_write_u8(&w, 2 << 3 | 2);
    vn_write_u8(&w, (uint8_t)(data.n | 0x80));
    vn_write_u8(&w, (uint8_t)(data.n >> 7));
    vn_write_span(&w, data);
    struct vn_buf b;
    vn_buf_init(&b, MESSAGE_MAX);
    TEST_OK(vn_control_seal(s->suite, k_ctl, &s->sid, seq, vn_writer_span(&w), &b));
    put(out, name, vn_buf_span(&b));
    vn_buf_done(&b);
}

/* Epoch 1 by a symmetric step, epoch 2 by a KEM step. */
static void put_steps(json_t *out, const struct setup *s, const struct vn_hs_keys *keys,
                      uint64_t seed)
{
    const struct vn_suite_info *suite = s->suite;
    struct vn_secret32 ck1, ck2;
    TEST_OK(vn_chain_step(suite->hash, &keys->ck0, &ck1));
    struct vn_secret32 again =
        hkdf_of(suite, VN_SPAN_NONE, VN_SPAN_ARRAY(keys->ck0.b), VN_SPAN_LIT("step"));
    same("ck1", VN_SPAN_ARRAY(ck1.b), VN_SPAN_ARRAY(again.b));

    struct vn_kem_dk *dk = NULL;
    struct vn_kem_step step;
    struct vn_ctl_keys ctl;
    uint8_t ct[4096], dk_bytes[4096], okm[96];
    size_t dk_n;
    vn_test_rand_install(seed);
    TEST_OK(vn_kem_generate(suite->kem, &dk));
    TEST_OK(vn_kem_encapsulate(suite->kem, vn_kem_ek(dk), ct, &step.ss));
    vn_test_rand_remove();
    struct vn_span ct_span = VN_SPAN(ct, vn_kem_ct_len(suite->kem));
    TEST_OK(vn_kem_export_dk(dk, dk_bytes, sizeof(dk_bytes), &dk_n));
    TEST_OK(vn_kem_step_digest(suite->hash, vn_kem_ek(dk), ct_span, &step.digest));
    TEST_OK(vn_chain_kem(suite->hash, &ck1, &step, &ck2, &ctl));
    kem_step_of(suite, VN_SPAN_ARRAY(ck1.b), VN_SPAN(step.ss.b, step.ss.n), vn_kem_ek(dk), ct_span,
                okm);
    same("ck2", VN_SPAN_ARRAY(ck2.b), VN_SPAN(okm, 32));
    same("k_ctl_IR_2", VN_SPAN_ARRAY(ctl.ir.b), VN_SPAN(okm + 32, 32));
    same("k_ctl_RI_2", VN_SPAN_ARRAY(ctl.ri.b), VN_SPAN(okm + 64, 32));
    put(out, "ck1", VN_SPAN_ARRAY(ck1.b));
    put(out, "ekK", vn_kem_ek(dk));
    put(out, "dkK", VN_SPAN(dk_bytes, dk_n));
    put_rekey(out, "rekey_offer", s, &keys->k_ctl_ir, 1, 5, 2, vn_kem_ek(dk));
    put(out, "ctK", ct_span);
    put(out, "ssK", VN_SPAN(step.ss.b, step.ss.n));
    put_rekey(out, "rekey_answer", s, &keys->k_ctl_ri, 0, 6, 2, ct_span);
    put(out, "ck2", VN_SPAN_ARRAY(ck2.b));
    put(out, "k_ctl_IR_2", VN_SPAN_ARRAY(ctl.ir.b));
    put(out, "k_ctl_RI_2", VN_SPAN_ARRAY(ctl.ri.b));
    vn_kem_free(dk);
}

json_t *hs_vector_run(const json_t *in)
{
    struct setup *s = setup_new(in);
    const struct vn_suite_info *suite = s->suite;
    const uint64_t seed = get_number(in, "seed");
    json_t *out = json_object();
    struct vn_buf m1, m2;
    vn_buf_init(&m1, MESSAGE_MAX);
    vn_buf_init(&m2, MESSAGE_MAX);
    struct vn_hs_state i = {0}, r = {0};
    static uint8_t plain1[MESSAGE_MAX], plain2[MESSAGE_MAX];

    /* M1 */
    struct vn_hs_m1_args a = {.suite = suite,
                              .sid = s->sid,
                              .realm = s->realm,
                              .responder = s->responder,
                              .hour_keys = &s->hours,
                              .now_ms = s->now_ms,
                              .cert = VN_SPAN(s->i.cert.b, s->i.cert.n),
                              .include_cert = true,
                              .statement = VN_SPAN(s->i.statement.b, s->i.statement.n),
                              .revocation_list = get_number(in, "revocation_list_I"),
                              .params = VN_SPAN(s->params_i.b, s->params_i.n),
                              .key = s->i.key};
    vn_tai64n(s->now_ms, a.tai64n);
    vn_test_rand_install(seed);
    TEST_OK(vn_hs_m1_make(&a, &i, &m1));
    struct vn_hs_m1_view v1;
    struct vn_hs_m1_plain p1;
    TEST_OK(vn_hs_m1_parse(vn_buf_span(&m1), suite, &s->realm, &v1));
    TEST_OK(vn_hs_m1_check_mac1(
        &v1, suite, &(struct vn_hour_macs){.keys = &s->hours, .self = &s->r.node}, s->now_ms));
    TEST_OK(vn_hs_m1_open(&v1, suite, &s->responder, s->dks, plain1, &r, &p1));
    TEST_OK(vn_hs_m1_verify(&r, &p1, s->i.pub));

    /* M2 */
    vn_test_rand_install(seed + 1);
    TEST_OK(vn_hs_m2_make(&r, p1.ek, VN_SPAN(s->r.statement.b, s->r.statement.n),
                          get_number(in, "revocation_list_R"),
                          VN_SPAN(s->params_r.b, s->params_r.n), s->r.key, &m2));
    vn_test_rand_remove();
    struct vn_hs_m2_view v2;
    struct vn_hs_m2_plain p2;
    struct vn_secret32 k1, k2;
    memcpy(k1.b, i.k1.b, 32);
    TEST_OK(vn_hs_m2_parse(vn_buf_span(&m2), suite, &v2));
    TEST_OK(vn_hs_m2_open(&i, &v2, plain2, &p2));
    TEST_OK(vn_hs_m2_verify(&i, &p2, s->r.pub));
    memcpy(k2.b, i.k2.b, 32);

    /* the same by formula */
    struct transcript t = {
        .head = v1.head,
        .cts = v1.ct,
        .p1 = VN_SPAN(plain1, v1.sealed.n - VN_AEAD_TAG_LEN - suite->sig_len),
        .sig_i = p1.sig,
        .cte = v2.ct,
        .p2 = VN_SPAN(plain2, v2.sealed.n - VN_AEAD_TAG_LEN - suite->sig_len),
        .sig_r = p2.sig,
        .mode = (uint8_t)get_number(in, "mode"),
    };
    TEST_OK(vn_kem_decapsulate(s->dks, t.cts, &t.sss));
    TEST_OK(vn_kem_decapsulate(i.eke, t.cte, &t.sse));
    t.matched = hash_of(suite, 1, get(in, "matched_tags"));
    struct schedule k = schedule_of(s, &t);
    same("ha", vn_hash_span(&k.ha), vn_hash_span(&i.ha));
    same("hb", vn_hash_span(&k.hb), vn_hash_span(&i.hb));
    same("hd", vn_hash_span(&k.hd), vn_hash_span(&i.hd));
    same("k1", VN_SPAN_ARRAY(k.k1.b), VN_SPAN_ARRAY(k1.b));
    same("k2", VN_SPAN_ARRAY(k.k2.b), VN_SPAN_ARRAY(k2.b));
    struct vn_hs_keys keys, keys_r;
    TEST_OK(vn_hs_finish(&r, &t.matched, t.mode, &keys_r));
    uint8_t dke[4096];
    size_t dke_n;
    TEST_OK(vn_kem_export_dk(i.eke, dke, sizeof(dke), &dke_n));
    TEST_OK(vn_hs_finish(&i, &t.matched, t.mode, &keys));
    same("ck0", VN_SPAN(k.okm, 32), VN_SPAN_ARRAY(keys.ck0.b));
    same("k_ctl_IR", VN_SPAN(k.okm + 32, 32), VN_SPAN_ARRAY(keys.k_ctl_ir.b));
    same("k_ctl_RI", VN_SPAN(k.okm + 64, 32), VN_SPAN_ARRAY(keys.k_ctl_ri.b));
    same("both ends", VN_SPAN(&keys, sizeof(keys)), VN_SPAN(&keys_r, sizeof(keys_r)));

    put(out, "TAI64N", VN_SPAN_ARRAY(a.tai64n));
    put(out, "head", t.head);
    put_hash(out, "h0", &k.h0);
    put(out, "ctS", t.cts);
    put(out, "ssS", VN_SPAN(t.sss.b, t.sss.n));
    put_hash(out, "ha", &k.ha);
    put(out, "k1", VN_SPAN_ARRAY(k.k1.b));
    put(out, "ekE", p1.ek);
    put(out, "dkE", VN_SPAN(dke, dke_n));
    put(out, "P1", t.p1);
    put_hash(out, "hb", &k.hb);
    put(out, "sig_I", t.sig_i);
    put(out, "mac1", v1.mac1);
    put(out, "M1", vn_buf_span(&m1));
    put_cookie(out, s, in, &v1, &m1);
    put_retry(out, "RETRY_stale_kid", s, in, &v1, VN_RETRY_STALE_KID,
              VN_SPAN(s->descriptor.b, s->descriptor.n));
    put_retry(out, "RETRY_need_cert", s, in, &v1, VN_RETRY_NEED_CERT, VN_SPAN_NONE);
    put(out, "ctE", t.cte);
    put(out, "ssE", VN_SPAN(t.sse.b, t.sse.n));
    put_hash(out, "hc", &k.hc);
    put(out, "k2", VN_SPAN_ARRAY(k.k2.b));
    put(out, "P2", t.p2);
    put_hash(out, "hd", &k.hd);
    put(out, "sig_R", t.sig_r);
    put(out, "M2", vn_buf_span(&m2));
    put_hash(out, "matched_digest", &t.matched);
    put(out, "ck0", VN_SPAN_ARRAY(keys.ck0.b));
    put(out, "k_ctl_IR", VN_SPAN_ARRAY(keys.k_ctl_ir.b));
    put(out, "k_ctl_RI", VN_SPAN_ARRAY(keys.k_ctl_ri.b));
    put_first_packets(out, s, in, &keys);
    put_steps(out, s, &keys, seed + 2);

    vn_hs_state_wipe(&i);
    vn_hs_state_wipe(&r);
    vn_buf_done(&m1);
    vn_buf_done(&m2);
    setup_free(s);
    return out;
}

/* ---- replaying ---- */

/* As the source does it: with its decapsulation key and the answer. */
static const char *replay_steps(const struct vn_suite_info *suite, const json_t *out,
                                const struct vn_secret32 *ck0)
{
    struct vn_secret32 ck;
    struct vn_kem_step step;
    struct vn_ctl_keys ctl;
    struct vn_kem_dk *dk = NULL;
    TEST_OK(vn_chain_step(suite->hash, ck0, &ck));
    if (!vn_span_equal(VN_SPAN_ARRAY(ck.b), get(out, "ck1")))
        return "ck1";
    if (vn_kem_from_dk(suite->kem, get(out, "dkK"), &dk) != VN_OK)
        return "dkK";
    struct vn_span ct = get(out, "ctK");
    vn_status st = vn_kem_decapsulate(dk, ct, &step.ss);
    if (st == VN_OK)
        st = vn_kem_step_digest(suite->hash, vn_kem_ek(dk), ct, &step.digest);
    vn_kem_free(dk);
    if (st != VN_OK || vn_chain_kem(suite->hash, &ck, &step, &ck, &ctl) != VN_OK)
        return "ctK";
    if (!vn_span_equal(VN_SPAN_ARRAY(ck.b), get(out, "ck2")))
        return "ck2";
    if (!vn_span_equal(VN_SPAN_ARRAY(ctl.ir.b), get(out, "k_ctl_IR_2")))
        return "k_ctl_IR_2";
    return vn_span_equal(VN_SPAN_ARRAY(ctl.ri.b), get(out, "k_ctl_RI_2")) ? NULL : "k_ctl_RI_2";
}

static const char *replay(const struct setup *s, const json_t *in, const json_t *out,
                          struct vn_hs_state *i, struct vn_hs_state *r)
{
    static struct bytes m1, m2;
    static uint8_t plain1[MESSAGE_MAX], plain2[MESSAGE_MAX];
    const struct vn_suite_info *suite = s->suite;
    get_bytes(out, "M1", &m1);
    get_bytes(out, "M2", &m2);
    struct vn_hs_m1_view v1;
    struct vn_hs_m1_plain p1;
    if (vn_hs_m1_parse(VN_SPAN(m1.b, m1.n), suite, &s->realm, &v1) != VN_OK ||
        vn_hs_m1_check_mac1(&v1, suite,
                            &(struct vn_hour_macs){.keys = &s->hours, .self = &s->r.node},
                            s->now_ms) != VN_OK ||
        vn_hs_m1_open(&v1, suite, &s->responder, s->dks, plain1, r, &p1) != VN_OK ||
        vn_hs_m1_verify(r, &p1, s->i.pub) != VN_OK)
        return "M1";
    if (!vn_span_equal(VN_SPAN(r->k1.b, 32), get(out, "k1")))
        return "k1";
    if (!vn_span_equal(vn_hash_span(&r->hb), get(out, "hb")))
        return "hb";

    /* the initiator as it was after sending M1 */
    i->suite = suite;
    i->sid = s->sid;
    i->ha = r->ha;
    i->hb = r->hb;
    i->k1 = r->k1;
    get_into(out, "sig_I", i->sig, suite->sig_len);
    if (vn_kem_from_dk(suite->kem, get(out, "dkE"), &i->eke) != VN_OK)
        return "dkE";
    struct vn_hs_m2_view v2;
    struct vn_hs_m2_plain p2;
    if (vn_hs_m2_parse(VN_SPAN(m2.b, m2.n), suite, &v2) != VN_OK ||
        vn_hs_m2_open(i, &v2, plain2, &p2) != VN_OK || vn_hs_m2_verify(i, &p2, s->r.pub) != VN_OK)
        return "M2";
    if (!vn_span_equal(VN_SPAN(i->k2.b, 32), get(out, "k2")))
        return "k2";
    struct vn_hash matched;
    struct vn_hs_keys keys;
    TEST_OK(vn_hash(suite->hash, VN_PARTS(get(in, "matched_tags")), &matched));
    TEST_OK(vn_hs_finish(i, &matched, (uint8_t)get_number(in, "mode"), &keys));
    if (!vn_span_equal(VN_SPAN_ARRAY(keys.ck0.b), get(out, "ck0")))
        return "ck0";
    if (!vn_span_equal(VN_SPAN_ARRAY(keys.k_ctl_ir.b), get(out, "k_ctl_IR")))
        return "k_ctl_IR";
    if (!vn_span_equal(VN_SPAN_ARRAY(keys.k_ctl_ri.b), get(out, "k_ctl_RI")))
        return "k_ctl_RI";
    return replay_steps(suite, out, &keys.ck0);
}

const char *hs_vector_replay(const json_t *in, const json_t *out)
{
    struct setup *s = setup_new(in);
    VN_CLEANUP(vn_hs_state_wipe) struct vn_hs_state i = {0};
    VN_CLEANUP(vn_hs_state_wipe) struct vn_hs_state r = {0};
    const char *wrong = replay(s, in, out, &i, &r);
    setup_free(s);
    return wrong;
}
