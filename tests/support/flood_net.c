#include "support/flood_net.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/node_i.h"
#include "support/test.h"
#include "wire/types.h"

static void keep_first(void *arg, struct vn_mem_message *m)
{
    struct flood_net *t = arg;
    struct vn_buf *b = m->p[2] == VN_T_HS_M1 ? &t->m1 : m->p[2] == VN_T_QUERY ? &t->query : NULL;
    if (!b || b->len)
        return;
    assert_ok(vn_buf_append(b, m->p, m->n));
    snprintf(b == &t->m1 ? t->m1_subject : t->query_subject, sizeof(t->m1_subject), "%s",
             m->subject);
}

struct flood_net *flood_net_new(void)
{
    struct flood_net *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    vn_buf_init(&t->m1, VN_CONTROL_PAYLOAD_MAX);
    vn_buf_init(&t->query, VN_CONTROL_PAYLOAD_MAX);
    vn_world_pair(&t->w, VN_SUITE_DEFAULT, "home", &t->alice, &t->bob);
    t->carol = vn_world_add(&t->w, "carol", "home");
    vn_mem_broker_hook(t->w.broker, keep_first, t);
    assert_true(vn_world_ping(t->alice, t->bob, false, 1000) < 100);
    vn_mem_broker_hook(t->w.broker, NULL, NULL);
    assert_true(t->m1.len > 0 && t->query.len > 0);
    return t;
}

void flood_net_free(struct flood_net *t)
{
    vn_world_done(&t->w);
    vn_buf_done(&t->m1);
    vn_buf_done(&t->query);
    free(t);
}

struct vn_id flood_source(uint32_t number)
{
    struct vn_id id = {.b = "flooder"};
    memcpy(id.b + 8, &number, sizeof(number));
    return id;
}

void flood_inject(struct flood_net *t, const struct vn_id *src, const struct vn_buf *b)
{
    char subject[VN_SUBJECT_MAX];
    struct vn_subject s = {.kind = VN_SUBJ_IN, .name = vn_world_status(t->bob).node, .src = *src};
    vn_subject_format(&s, subject);
    vn_mem_broker_inject(t->w.broker, subject, b->p, b->len);
}

void flood_remac(struct flood_net *t, uint32_t number)
{
    const struct test_realm *r = vn_mem_authority_realm(t->w.authority);
    struct vn_node_status s = vn_world_status(t->bob);
    struct vn_secret32 key;
    uint32_t hour;
    const struct vn_secret32 *k = vn_hour_keys_now(&s.cred->hour_keys, s.protocol_time_ms, &hour);
    struct vn_span head_ct = VN_SPAN(t->m1.p, VN_HS_HEAD_LEN + r->suite->ct_len);
    assert_non_null(k);
    memcpy(t->m1.p + 3, &number, sizeof(number));
    assert_ok(vn_hour_mac1_key(r->suite->hash, k, &s.node, &key));
    assert_ok(vn_mac16(r->suite->hash, VN_SPAN_ARRAY(key.b), VN_PARTS(head_ct),
                       t->m1.p + t->m1.len - 2 * VN_MAC_LEN));
}

void flood_costly(struct flood_net *t, uint32_t number, char subject[VN_SUBJECT_MAX],
                  struct vn_buf *ret)
{
    const struct test_realm *r = vn_mem_authority_realm(t->w.authority);
    const struct vn_node_status s = vn_world_status(t->bob);
    struct vn_envelope_view v;
    struct vn_envelope_plain p;
    struct vn_subject subj;
    uint8_t *plain = malloc(t->query.len), nonce[16] = {(uint8_t)number};
    assert_non_null(plain);
    assert_ok(
        vn_envelope_parse(vn_buf_span(&t->query), r->suite, &t->bob->node->cfg.realm, &s.node, &v));
    assert_ok(
        vn_envelope_open(&v, r->suite, &s.cred->hour_keys, NULL, s.protocol_time_ms, plain, &p));
    assert_ok(vn_subject_parse(t->query_subject, &subj));
    subj.src = flood_source(number);
    vn_subject_format(&subj, subject);
    vn_buf_init(ret, VN_CONTROL_PAYLOAD_MAX);
    assert_ok(vn_envelope_seal(&(struct vn_envelope_send){.suite = r->suite,
                                                          .type = VN_T_QUERY,
                                                          .realm = t->bob->node->cfg.realm,
                                                          .src = subj.src,
                                                          .hour_keys = &s.cred->hour_keys,
                                                          .now_ms = s.protocol_time_ms,
                                                          .cert = test_node_cert(&r->a),
                                                          .key = r->a.key,
                                                          .context = "anchor-env-v1",
                                                          .body = p.body},
                               nonce, ret));
    free(plain);
}
