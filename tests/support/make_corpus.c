/*
 * Writes the seeds of the fuzz targets for message formats:
 *
 *     make_corpus fuzz/corpus
 */
#include <sys/stat.h>

#include "base/file.h"
#include "base/limits.h"
#include "support/fuzz_wire.h"
#include "wire/circuit.h"
#include "wire/inband.h"
#include "wire/control.h"
#include "wire/frame.h"
#include "wire/names.h"
#include "wire/path.h"
#include "wire/bundle.h"
#include "wire/realm_rule.h"
#include "wire/revocation.h"
#include "wire/setup.h"

static const char *root;

static void save(const char *target, const char *name, struct vn_span s)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", root, target);
    TEST_OK(vn_file_mkdirs(path, 0755));
    snprintf(path, sizeof(path), "%s/%s/%s", root, target, name);
    TEST_OK(vn_file_write_atomic(path, s, 0644));
}

static void save_mode(const char *target, const char *name, enum fuzz_mode mode, struct vn_span s)
{
    static uint8_t bytes[VN_CONTROL_PAYLOAD_MAX + 1];
    struct vn_writer w = vn_writer_of(bytes, sizeof(bytes));
    vn_write_u8(&w, (uint8_t)mode);
    vn_write_span(&w, s);
    FUZZ_ASSERT(vn_writer_ok(&w));
    save(target, name, vn_writer_span(&w));
}

static void subjects(const struct fuzz_wire *f)
{
    static const char *const names[] = {"in", "own", "grp", "hub", "adm", "rev"};
    for (int kind = VN_SUBJ_IN; kind <= VN_SUBJ_REV; kind++) {
        char text[VN_SUBJECT_MAX];
        struct vn_subject s = {
            .kind = (enum vn_subject_kind)kind, .name = f->r->b.id, .src = f->r->a.id};
        vn_subject_format(&s, text);
        save("subject", names[kind], VN_SPAN_STR(text));
    }
    save("subject", "wildcard", VN_SPAN_LIT("a.in.*.AAAAAAAAAAAAAAAAAAAAAA"));
}

static void circuits(void)
{
    static const char *const names[] = {"",       "setup",     "accept", "refuse", "teardown",
                                        "failed", "need_desc", "desc",   "worn"};
    static const uint8_t labels[8] = {0x10, 0, 0, 1, 0x20, 0, 0, 2};
    for (int type = VN_CIRCUIT_SETUP; type <= VN_CIRCUIT_WORN; type++) {
        struct vn_circuit_msg m = {.type = (enum vn_circuit_type)type,
                                   .hops = 5,
                                   .reason = VN_REFUSE_POLICY,
                                   .request = 0x01020304,
                                   .label = 0x10000001,
                                   .reverse_label = 0x20000002,
                                   .mark = VN_SPAN_LIT("a mark of a slot"),
                                   .blob = type == VN_CIRCUIT_FAILED
                                               ? VN_SPAN_ARRAY(labels)
                                               : VN_SPAN_LIT("a blob for the next hop")};
        uint8_t buf[64];
        struct vn_writer w = vn_writer_of(buf, sizeof(buf));
        vn_circuit_encode(&w, &m);
        save("circuit", names[type], vn_writer_span(&w));
    }
}

static void inbands(const struct fuzz_wire *f)
{
    static const char *const names[] = {"", "sent", "passed", "keep"};
    for (int kind = VN_INBAND_SENT; kind <= VN_INBAND_KEEP; kind++) {
        struct vn_inband m = {.kind = (enum vn_inband_kind)kind,
                              .subject = kind == VN_INBAND_SENT ? VN_SUBJ_IN : VN_SUBJ_OWN,
                              .name = f->r->b.id,
                              .src = f->r->a.id,
                              .keep_ms = 60000,
                              .message = VN_SPAN_LIT("an envelope or a handshake")};
        uint8_t buf[96];
        struct vn_writer w = vn_writer_of(buf, sizeof(buf));
        vn_inband_encode(&w, &m);
        save("inband", names[kind], vn_writer_span(&w));
    }
}

static void paths(const struct fuzz_wire *f)
{
    static const char *const names[] = {"", "query", "reply", "digest"};
    const struct vn_place place = {{-1000, 2000, -3000}, 4000, 5000, VN_PLACE_RELAYS};
    for (int type = VN_PATH_QUERY; type <= VN_PATH_DIGEST; type++) {
        struct vn_path_msg m = {.type = (enum vn_path_type)type,
                                .request = 0x01020304,
                                .flags = VN_PATH_STATEMENT,
                                .of = f->r->b.id,
                                .place = place,
                                .headroom = 0x8000,
                                .told_count = 2,
                                .told = {{f->r->a.id, place}, {f->r->b.id, place}},
                                .descriptor = VN_SPAN_LIT("a descriptor"),
                                .statement = VN_SPAN_LIT("a statement")};
        uint8_t buf[256];
        struct vn_writer w = vn_writer_of(buf, sizeof(buf));
        vn_path_encode(&w, &m);
        save("path", names[type], vn_writer_span(&w));
    }
}

static void setups(const struct fuzz_wire *f)
{
    static uint8_t blob[VN_SETUP_BLOB_MAX];
    struct vn_setup_keys keys[2];
    struct vn_span ek = vn_kem_ek(f->r->b.eks);
    const struct vn_setup_hop hops[2] = {{f->r->b.id, ek}, {f->r->a.id, ek}};
    for (size_t count = 1; count <= 2; count++) {
        struct vn_setup_open o = {
            .kind = VN_SETUP_NEXT, .time_ms = TEST_NOW_MS, .next = f->r->a.id};
        uint8_t head[VN_SETUP_HEAD_LEN];
        TEST_OK(vn_setup_seal(f->r->suite, hops, count, TEST_NOW_MS, 9, blob, keys));
        save_mode("setup", count == 1 ? "end" : "next", FUZZ_RECEIVED,
                  VN_SPAN(blob, vn_setup_blob_len(f->r->suite)));
        if (count == 1)
            o = (struct vn_setup_open){.kind = VN_SETUP_END, .time_ms = TEST_NOW_MS, .bind = 9};
        vn_setup_head_encode(&o, head);
        save_mode("setup", count == 1 ? "end_head" : "next_head", FUZZ_SEALED, VN_SPAN_ARRAY(head));
    }
}

static void frames(void)
{
    static const uint8_t packet[60] = {0x45, 0, 0, 60};
    static const char *const names[] = {"none", "csum", "tcp4", "tcp6", "udp"};
    uint8_t buf[1024];
    for (int last = VN_PKT_NONE; last <= VN_PKT_UDP_L4; last++) {
        struct vn_writer w = vn_writer_of(buf, sizeof(buf));
        vn_hop_encode(&w, &(struct vn_hop_header){VN_HOP_FRAME, 0, 0x10000001});
        vn_e2e_encode(&w, &(struct vn_e2e_header){.epoch = 1, .lane = 2, .cls = 1, .seq = 3});
        vn_write_u16(&w, (uint16_t)(last + 1));
        for (int kind = VN_PKT_NONE; kind <= last; kind++)
            vn_frame_put_packet(&w, &(struct vn_frame_packet){.kind = (enum vn_packet_kind)kind,
                                                              .ecn = 1,
                                                              .gso_size = 1220,
                                                              .l4_offset = 20,
                                                              .packet = VN_SPAN_ARRAY(packet)});
        save("frame", names[last], vn_writer_span(&w));
    }
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_hop_encode(&w, &(struct vn_hop_header){VN_HOP_CONTROL, 0, 0x10000001});
    save("frame", "control-header", vn_writer_span(&w));
}

static void controls(const struct fuzz_wire *f)
{
    static const uint8_t head[24] = "sid, then a sequence";
    struct vn_buf b;
    vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
    TEST_OK(vn_control_seal(f->r->suite, &f->control_key, &f->i.sid, 5,
                            VN_SPAN_LIT("\x22\x02\x08\x01"), &b));
    save_mode("control", "received", FUZZ_RECEIVED, vn_buf_span(&b));
    vn_buf_done(&b);
    save_mode("control", "sealed", FUZZ_SEALED, VN_SPAN_ARRAY(head));
}

static void statements(const struct fuzz_wire *f)
{
    save("statement", "four-tags", test_node_statement(&f->r->a));
    struct test_node bare = {.id = f->r->a.id, .pk_hash = f->r->a.pk_hash};
    test_node_issue(f->r, &bare, 2, NULL);
    save("statement", "no-tags", test_node_statement(&bare));
    struct test_realm *cnsa = test_realm_new(VN_SUITE_CNSA);
    save("statement", "cnsa", test_node_statement(&cnsa->a));
    test_realm_free(cnsa);
}

static void revocations(const struct fuzz_wire *f)
{
    static struct vn_revocation_list l;
    static uint8_t bytes[VN_REVOCATION_LIST_MAX];
    size_t n;
    l = (struct vn_revocation_list){.realm = f->r->id, .after = 4, .to = 9, .count = 2};
    l.entries[0] = (struct vn_revocation){.number = 6,
                                          .kind = VN_REVOKE_NODE,
                                          .node = f->r->a.id,
                                          .serial = {0x40, 1, 2},
                                          .until_ms = TEST_NOW_MS + 1};
    l.entries[1] = (struct vn_revocation){.number = 9,
                                          .kind = VN_REVOKE_STATEMENTS,
                                          .node = f->r->b.id,
                                          .minimum = 77,
                                          .until_ms = TEST_NOW_MS + 2};
    TEST_OK(vn_revocation_list_issue(&l, f->r->command, bytes, &n));
    save("revocation", "two-entries", VN_SPAN(bytes, n));
    l.count = 0;
    TEST_OK(vn_revocation_list_issue(&l, f->r->command, bytes, &n));
    save("revocation", "empty", VN_SPAN(bytes, n));
}

static void bundles(const struct fuzz_wire *f)
{
    const struct test_realm *r = f->r;
    static struct vn_key_set set;
    static uint8_t encoded[VN_KEY_SET_MAX];
    uint8_t now[VN_KEYS_NOW_MAX];
    size_t n;
    set = (struct vn_key_set){.until_ms = TEST_NOW_MS, .hours = r->hours};
    set.hours.count = 2;
    memcpy(set.identities, r->a.identities, sizeof(set.identities));
    set.identity_count = r->a.identity_count;
    set.statement = test_node_statement(&r->a);
    TEST_OK(vn_key_set_encode(&set, encoded, &n));
    save_mode("bundle", "key-set", FUZZ_SEALED, VN_SPAN(encoded, n));
    struct vn_bundle_to to[3];
    for (size_t i = 0; i < VN_ARRAY_LEN(to); i++) {
        to[i] = (struct vn_bundle_to){
            .node = r->a.id, .ek = vn_kem_ek(r->a.eks), .set = VN_SPAN(encoded, n)};
        vn_buf_init(&to[i].ret, VN_CONTROL_PAYLOAD_MAX);
    }
    TEST_OK(vn_bundles_make(r->suite, &r->id, 8, r->command, to, VN_ARRAY_LEN(to)));
    save_mode("bundle", "one-of-three", FUZZ_RECEIVED, vn_buf_span(&to[0].ret));
    save_mode("bundle", "last-of-three", FUZZ_RECEIVED, vn_buf_span(&to[2].ret));
    for (size_t i = 0; i < VN_ARRAY_LEN(to); i++)
        vn_buf_done(&to[i].ret);
    const struct vn_keys_now k = {.realm = r->id, .generation = 8, .until_ms = TEST_NOW_MS};
    TEST_OK(vn_keys_now_issue(r->suite, &k, r->command, now, &n));
    save_mode("bundle", "in-force", FUZZ_RECEIVED, VN_SPAN(now, n));
    const struct vn_realm_rule rule = {r->id, 9, VN_ACCESS_TEAMS, VN_RELAYS_PUBLIC};
    TEST_OK(vn_realm_rule_issue(r->suite, &rule, r->command, now, &n));
    save_mode("bundle", "rule", FUZZ_RECEIVED, VN_SPAN(now, n));
}

static void descriptors(const struct fuzz_wire *f)
{
    const struct test_node *a = &f->r->a;
    struct vn_buf b;
    vn_buf_init(&b, VN_DESCRIPTOR_MAX);
    TEST_OK(vn_descriptor_make(f->r->suite, &f->r->id, test_node_cert(a), vn_kem_ek(a->eks),
                               TEST_NOW_MS, TEST_NOW_MS + 600000, VN_SPAN_LIT("xyz"), &f->r->b.id,
                               1, a->key, &b));
    save("descriptor", "one-relay", vn_buf_span(&b));
    b.len = 0;
    TEST_OK(vn_descriptor_make(f->r->suite, &f->r->id, VN_SPAN_LIT("no certificate"),
                               vn_kem_ek(a->eks), TEST_NOW_MS, TEST_NOW_MS + 600000, VN_SPAN_NONE,
                               NULL, 0, a->key, &b));
    save("descriptor", "no-certificate", vn_buf_span(&b));
    vn_buf_done(&b);
}

static void envelopes(const struct fuzz_wire *f)
{
    const struct test_realm *r = f->r;
    struct vn_envelope_send s = {.suite = r->suite,
                                 .type = VN_T_QUERY,
                                 .realm = r->id,
                                 .src = r->a.id,
                                 .dst = r->b.id,
                                 .hour_keys = &r->hours,
                                 .now_ms = TEST_NOW_MS,
                                 .cert = test_node_cert(&r->a),
                                 .include_cert = true,
                                 .key = r->a.key,
                                 .context = "anchor-env-v1",
                                 .body = VN_SPAN_LIT("\x18\x01")};
    const uint8_t nonce[16] = {0};
    struct vn_buf b;
    vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
    TEST_OK(vn_envelope_seal(&s, nonce, &b));
    save_mode("envelope", "under-hour-key", FUZZ_RECEIVED, vn_buf_span(&b));
    struct vn_envelope_view v;
    struct vn_envelope_plain p;
    TEST_OK(vn_envelope_parse(vn_buf_span(&b), r->suite, &r->id, &r->b.id, &v));
    TEST_OK(vn_envelope_open(&v, r->suite, &r->hours, NULL, TEST_NOW_MS, fuzz_scratch(), &p));
    save_mode("envelope", "plaintext", FUZZ_SEALED, VN_SPAN(fuzz_scratch(), v.sealed.n - 16));
    b.len = 0;
    s.include_cert = false;
    s.recipient_ek = vn_kem_ek(r->b.eks);
    TEST_OK(vn_envelope_seal(&s, nonce, &b));
    save_mode("envelope", "to-node", FUZZ_RECEIVED, vn_buf_span(&b));
    vn_buf_done(&b);
}

static void handshakes(const struct fuzz_wire *f)
{
    const struct test_realm *r = f->r;
    save_mode("hs_m1", "received", FUZZ_RECEIVED, vn_buf_span(&f->m1));
    struct vn_hs_m1_view v1;
    struct vn_hs_m1_plain p1;
    struct vn_hs_state j = {0}, i = f->i;
    TEST_OK(vn_hs_m1_parse(vn_buf_span(&f->m1), r->suite, &r->id, &v1));
    TEST_OK(vn_hs_m1_open(&v1, r->suite, &f->bob, r->b.eks, fuzz_scratch(), &j, &p1));
    save_mode("hs_m1", "plaintext", FUZZ_SEALED, VN_SPAN(fuzz_scratch(), v1.sealed.n - 16));

    struct vn_buf b;
    vn_buf_init(&b, VN_CONTROL_PAYLOAD_MAX);
    TEST_OK(vn_hs_m2_make(&j, p1.ek, test_node_statement(&r->b), 3, VN_SPAN_LIT("\x18\xdc\x0b"),
                          r->b.key, &b));
    save_mode("hs_m2", "received", FUZZ_RECEIVED, vn_buf_span(&b));
    struct vn_hs_m2_view v2;
    struct vn_hs_m2_plain p2;
    TEST_OK(vn_hs_m2_parse(vn_buf_span(&b), r->suite, &v2));
    TEST_OK(vn_hs_m2_open(&i, &v2, fuzz_scratch(), &p2));
    save_mode("hs_m2", "plaintext", FUZZ_SEALED, VN_SPAN(fuzz_scratch(), v2.sealed.n - 16));

    const struct vn_hs_retry all[] = {{VN_RETRY_COOKIE, VN_SPAN_LIT("cookie of 16 byt")},
                                      {VN_RETRY_STALE_KID, VN_SPAN_LIT("a descriptor")},
                                      {VN_RETRY_NEED_CERT, VN_SPAN_NONE}};
    static const char *const names[] = {"cookie", "stale-kid", "need-cert"};
    const uint8_t nonce[12] = {0};
    for (size_t k = 0; k < VN_ARRAY_LEN(all); k++) {
        b.len = 0;
        TEST_OK(
            vn_hs_retry_make(&v1, r->suite, &r->hours, &r->b.id, TEST_NOW_MS, nonce, &all[k], &b));
        save_mode("hs_retry", names[k], FUZZ_RECEIVED, vn_buf_span(&b));
    }
    save_mode("hs_retry", "plaintext", FUZZ_SEALED,
              VN_SPAN_LIT("\x01\x00\x10"
                          "cookie of 16 byt"));
    vn_buf_done(&b);
    vn_hs_state_wipe(&j);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_corpus DIRECTORY\n");
        return 2;
    }
    root = argv[1];
    const struct fuzz_wire *f = fuzz_wire();
    subjects(f);
    circuits();
    inbands(f);
    paths(f);
    setups(f);
    frames();
    controls(f);
    statements(f);
    revocations(f);
    bundles(f);
    descriptors(f);
    envelopes(f);
    handshakes(f);
    return 0;
}
