#include "core/inbox.h"

#include "anchor.pb-c.h"
#include "core/node_i.h"

/* ---- bodies, by type ---- */

static const ProtobufCMessageDescriptor *body_of(uint8_t type)
{
    switch (type) {
    case VN_T_QUERY:
        return &vn__query__descriptor;
    case VN_T_ANSWER:
        return &vn__answer__descriptor;
    case VN_T_NEED_CERT:
        return &vn__need_cert__descriptor;
    case VN_T_CERT:
        return &vn__cert__descriptor;
    case VN_T_OFFER:
        return &vn__tether_offer__descriptor;
    case VN_T_OFFER_ANSWER:
        return &vn__tether_answer__descriptor;
    case VN_T_CANDIDATES:
        return &vn__tether_candidates__descriptor;
    case VN_T_RESTART:
        return &vn__tether_restart__descriptor;
    case VN_T_UPDATE:
        return &vn__identity_update__descriptor;
    case VN_T_COMMAND:
        return &vn__command__descriptor;
    default:
        return NULL;
    }
}

/* The descriptor that some bodies carry; it holds the sender's certificate, so those envelopes need
 * no other copy. */
static struct vn_span body_descriptor(uint8_t type, const ProtobufCMessage *m)
{
    const ProtobufCBinaryData *d = NULL;
    if (type == VN_T_QUERY)
        d = &((const Vn__Query *)m)->descriptor;
    else if (type == VN_T_ANSWER)
        d = &((const Vn__Answer *)m)->descriptor;
    else if (type == VN_T_OFFER)
        d = &((const Vn__TetherOffer *)m)->descriptor;
    return d ? VN_SPAN(d->data, d->len) : VN_SPAN_NONE;
}

static void body_free(ProtobufCMessage **m)
{
    if (*m)
        protobuf_c_message_free_unpacked(*m, NULL);
}

/* ---- certificates asked for and given ---- */

static void send_need_cert(struct vn_node *n, const struct vn_subject *subj,
                           const struct vn_hash *hash)
{
    struct vn_source *s = vn_source_get(n, vn_subject_payer(subj));
    if (!s || !vn_bucket_take(&s->need_certs, 1000 / VN_NEED_CERT_MS, 1, n->now_ms))
        return;
    Vn__NeedCert m = VN__NEED_CERT__INIT;
    m.cert_hash = (ProtobufCBinaryData){hash->n, (uint8_t *)hash->b};
    (void)!vn_outbox_send(
        n, &(struct vn_outgoing){
               .type = VN_T_NEED_CERT, .dst = subj->src, .include_cert = true, .body = &m.base});
}

static void on_need_cert(struct vn_node *n, const struct vn_inbound *in)
{
    const Vn__NeedCert *m = in->body;
    if (!vn_span_equal(VN_SPAN(m->cert_hash.data, m->cert_hash.len),
                       vn_hash_span(&n->session.cert_hash))) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    struct vn_source *s = vn_source_get(n, vn_subject_payer(in->subject));
    if (!s || !vn_bucket_take(&s->retries, VN_HS_RETRY_RATE, VN_HS_RETRY_RATE, n->now_ms)) {
        vn_drop(n, VN_NDROP_RATE);
        return;
    }
    struct vn_peer *p = vn_peer_get(n, &in->src);
    Vn__Cert reply = VN__CERT__INIT;
    struct vn_outgoing o = {
        .type = VN_T_CERT, .dst = in->src, .include_cert = true, .body = &reply.base};
    if (p && vn_peer_fresh(n, p))
        o.ek = VN_SPAN(p->eks, p->eks_len);
    (void)!vn_outbox_send(n, &o);
}

/* ---- dispatch ---- */

static void dispatch(struct vn_node *n, uint8_t type, struct vn_inbound *in)
{
    switch (type) {
    case VN_T_QUERY:
        vn_query_on_query(n, in);
        break;
    case VN_T_ANSWER:
        vn_query_on_answer(n, in);
        break;
    case VN_T_NEED_CERT:
        on_need_cert(n, in);
        break;
    case VN_T_CERT:
        /* Strangers' certificates come with their queries and handshakes, which say why to keep
         * them. */
        if (vn_peer_get(n, &in->src))
            (void)vn_peer_learn_cert(n, &in->cert);
        break;
    case VN_T_OFFER:
        vn_hop_on_offer(n, in);
        break;
    case VN_T_OFFER_ANSWER:
        vn_hop_on_answer(n, in);
        break;
    case VN_T_CANDIDATES:
        vn_hop_on_candidates(n, in);
        break;
    case VN_T_RESTART:
        vn_hop_on_restart(n, in);
        break;
    case VN_T_UPDATE:
        vn_affinity_on_update(n, in->body);
        break;
    case VN_T_COMMAND:
        vn_admin_on_command(n, in->body);
        break;
    default:
        vn_drop(n, VN_NDROP_MALFORMED);
    }
}

/* ---- checks 1 to 9 ---- */

/* Who may send what where; the broker refuses a forged sender too. */
static bool subject_fits(const struct vn_node *n, const struct vn_subject *subj,
                         const struct vn_envelope_view *v)
{
    bool guardian = v->h.type >= VN_T_UPDATE;
    switch (subj->kind) {
    case VN_SUBJ_IN:
        return !guardian && vn_id_equal(&subj->name, &n->session.self) &&
               vn_id_equal(&subj->src, &v->h.src) && vn_id_equal(&v->h.dst, &n->session.self) &&
               v->h.type != VN_T_QUERY;
    case VN_SUBJ_HUB:
        return v->h.type == VN_T_PATH && vn_id_equal(&subj->src, &v->h.src) &&
               vn_id_is_zero(&v->h.dst) && n->session.hub;
    case VN_SUBJ_OWN:
        return v->h.type == VN_T_QUERY && vn_id_equal(&subj->src, &v->h.src) &&
               vn_id_is_zero(&v->h.dst) && vn_own_has_name(n, VN_SUBJ_OWN, &subj->name);
    case VN_SUBJ_ADM:
        return guardian && vn_id_equal(&subj->name, &n->session.self) &&
               vn_id_equal(&v->h.src, &n->session.cred->realm.gid) &&
               vn_id_equal(&v->h.dst, &n->session.self);
    default:
        return false;
    }
}

/* Guardian's messages must reach nodes with outdated keys, so theirs is zero. */
static bool mac_right(struct vn_node *n, const struct vn_envelope_view *v, bool guardian)
{
    static const uint8_t zero[VN_MAC_LEN];
    if (guardian)
        return vn_span_equal(v->mac, VN_SPAN_ARRAY(zero));
    return vn_envelope_check_mac(v, n->suite, &n->session.macs, vn_protocol_now(n)) == VN_OK;
}

static bool fresh(struct vn_node *n, const struct vn_envelope_view *v, uint64_t *ret_ms)
{
    uint64_t now = vn_protocol_now(n);
    if (vn_tai64n_ms(v->h.tai64n, ret_ms) != VN_OK)
        return false;
    return *ret_ms <= now + VN_ENVELOPE_FRESH_MS && now <= *ret_ms + VN_ENVELOPE_FRESH_MS;
}

/* The key that opens it: session key for Guardian's, semi-static ones for others. False: unknown
 * kid. */
static bool key_for(const struct vn_node *n, const struct vn_envelope_view *v, bool guardian,
                    const struct vn_kem_dk **ret)
{
    *ret = NULL;
    if (v->h.seal != VN_SEAL_NODE)
        return !guardian;
    if (guardian) {
        *ret = n->session.session_dk;
        return memcmp(v->h.kid, n->session.session_kid, VN_KID_LEN) == 0;
    }
    const struct vn_eks *e = vn_own_eks(n, v->h.kid);
    *ret = e ? e->dk : NULL;
    return e != NULL;
}

/* Step 6. Leaves in->cert; false after counting. */
static bool find_cert(struct vn_node *n, const struct vn_envelope_plain *p, uint8_t type,
                      const ProtobufCMessage *m, struct vn_inbound *in)
{
    struct vn_span desc = body_descriptor(type, m);
    if (desc.n) {
        if (vn_desc_check(n, &in->src, desc, &in->desc) != VN_OK) {
            vn_drop(n, VN_NDROP_CERT);
            return false;
        }
        in->desc.generation = in->generation;
        in->cert = in->desc.cert;
        in->cert.cached = true; /* in->desc owns it */
        if (vn_hash_equal(&in->cert.hash, &p->cert_hash))
            return true;
        vn_drop(n, VN_NDROP_CERT);
        return false;
    }
    if (p->cert.n) {
        if (vn_cert_check(n, &in->src, p->cert, &in->cert) == VN_OK)
            return true;
        vn_drop(n, VN_NDROP_CERT);
        return false;
    }
    if (vn_cert_cached(n, &in->src, &p->cert_hash, &in->cert))
        return true;
    vn_drop(n, VN_NDROP_CERT);
    if (vn_peer_get(n, &in->src))
        send_need_cert(n, in->subject, &p->cert_hash);
    return false;
}

static void opened(struct vn_node *n, const struct vn_envelope_view *v,
                   const struct vn_envelope_plain *p, struct vn_inbound *in, bool guardian)
{
    VN_CLEANUP(body_free) ProtobufCMessage *m = NULL;
    const ProtobufCMessageDescriptor *d = body_of(v->h.type);
    /* The tag was verified; some bodies carry the certificate that their signature is checked with.
     */
    m = d ? protobuf_c_message_unpack(d, NULL, p->body.n, p->body.p) : NULL;
    if (!m) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    if (!guardian && !find_cert(n, p, v->h.type, m, in))
        return;
    const struct vn_sig_pub *pub = guardian ? n->session.command : in->cert.pub;
    vn_turns_spend(n, VN_TURN_SIGNATURE);
    if (vn_envelope_verify(v, p, pub, guardian ? "anchor-cmd-v1" : "anchor-env-v1") != VN_OK) {
        vn_drop(n, VN_NDROP_SIGNATURE);
        return;
    }
    vn_seen_put(n, &in->src, v->h.nonce);
    vn_source_prove(n, guardian ? &in->src : vn_subject_payer(in->subject));
    in->body = m;
    struct vn_peer *known = guardian ? NULL : vn_peer_get(n, &in->src);
    if (known)
        known->generation = in->generation;
    dispatch(n, v->h.type, in);
    if (!guardian)
        vn_inband_heard(n, in->subject);
}

/* Within its source's rate, and its turn has come. False: counted, or it waits. */
static bool admit(struct vn_node *n, const struct vn_subject *subj, struct vn_span payload,
                  bool guardian)
{
    struct vn_source *source =
        vn_source_get(n, guardian ? &n->session.cred->realm.gid : vn_subject_payer(subj));
    if (!source || !vn_bucket_take(&source->envelopes, VN_ENVELOPE_SRC_RATE, VN_ENVELOPE_SRC_BURST,
                                   n->now_ms)) {
        vn_drop(n, VN_NDROP_RATE);
        return false;
    }
    return guardian || vn_turns_now(n, subj, payload); /* of Guardian there is one */
}

/* Nobody signed it: that it opened shows a member, and the broker says which. */
static void from_member(struct vn_node *n, const struct vn_subject *subj,
                        const struct vn_envelope_view *v, struct vn_span body)
{
    vn_seen_put(n, &subj->src, v->h.nonce);
    vn_path_on_control(n, &subj->src, subj->kind == VN_SUBJ_HUB, body);
}

/* What is not signed costs as little as it is worth. A neighbour that brings it could name any
 * source, and has messages of its own for this. */
static bool admit_member(struct vn_node *n, const struct vn_subject *subj)
{
    if (!vn_id_is_zero(&subj->via)) {
        vn_drop(n, VN_NDROP_PATH);
        return false;
    }
    struct vn_source *source = vn_source_get(n, &subj->src);
    if (source && vn_bucket_take(&source->paths, VN_PATH_RATE, VN_PATH_BURST, n->now_ms))
        return true;
    vn_drop(n, VN_NDROP_RATE);
    return false;
}

static void envelope(struct vn_node *n, const struct vn_subject *subj, struct vn_span payload,
                     bool waited)
{
    struct vn_envelope_view v;
    if (vn_envelope_parse(payload, n->suite, &n->cfg.realm, &n->session.self, &v) != VN_OK) {
        vn_drop(n, VN_NDROP_MALFORMED);
        return;
    }
    if (!subject_fits(n, subj, &v) || vn_id_equal(&v.h.src, &n->session.self)) {
        vn_drop(n, VN_NDROP_SUBJECT);
        return;
    }
    const struct vn_hour_keys *hours = &n->session.cred->hour_keys;
    bool guardian = subj->kind == VN_SUBJ_ADM;
    bool member = mac_right(n, &v, guardian);
    if (!guardian)
        vn_generations_seen(n, v.h.generation, member);
    if (!member) {
        vn_drop(n, VN_NDROP_HOUR_MAC);
        return;
    }
    struct vn_inbound in = {.subject = subj, .src = v.h.src, .generation = v.h.generation};
    if (!fresh(n, &v, &in.time_ms)) {
        vn_drop(n, VN_NDROP_STALE);
        return;
    }
    if (vn_seen_has(n, &in.src, v.h.nonce)) {
        vn_drop(n, VN_NDROP_REPLAY);
        return;
    }
    bool unsigned_ = v.h.seal == VN_SEAL_MEMBER;
    if (unsigned_ ? !admit_member(n, subj) : !waited && !admit(n, subj, payload, guardian))
        return;
    if (v.h.seal == VN_SEAL_NODE)
        vn_turns_spend(n, VN_TURN_KEM);
    const struct vn_kem_dk *dk;
    uint8_t *plain = malloc(v.sealed.n);
    struct vn_envelope_plain p;
    if (!plain || !key_for(n, &v, guardian, &dk) ||
        vn_envelope_open(&v, n->suite, hours, dk, vn_protocol_now(n), plain, &p) != VN_OK)
        vn_drop(n, VN_NDROP_SEAL);
    else if (unsigned_)
        from_member(n, subj, &v, p.body);
    else
        opened(n, &v, &p, &in, guardian);
    free(plain);
    vn_checked_cert_done(&in.cert);
    vn_checked_cert_done(&in.desc.cert);
}

static void message(struct vn_node *n, const struct vn_subject *subj, struct vn_span payload,
                    bool waited)
{
    if (vn_revocation_refuses_node(n, &subj->src)) { /* the broker vouches for src; this is cheap */
        vn_drop(n, VN_NDROP_REVOKED);
        return;
    }
    uint8_t type = payload.p[2];
    if (subj->kind == VN_SUBJ_HUB && vn_id_equal(&subj->src, &n->session.self))
        return; /* our own question, drawn by lot */
    if (type < VN_T_HS_M1) {
        envelope(n, subj, payload, waited);
        return;
    }
    if (subj->kind != VN_SUBJ_IN || !vn_id_equal(&subj->name, &n->session.self) ||
        vn_id_equal(&subj->src, &n->session.self)) {
        vn_drop(n, VN_NDROP_SUBJECT);
        return;
    }
    switch (type) {
    case VN_T_HS_M1:
        vn_responder_on_m1(n, subj, payload, waited);
        break;
    case VN_T_HS_M2:
        vn_initiator_on_m2(n, subj, payload);
        break;
    case VN_T_HS_RETRY:
        vn_initiator_on_retry(n, subj, payload);
        break;
    case VN_T_CONTROL:
        vn_ctl_input(n, payload, &(struct vn_ctl_from){.node = subj->src});
        break;
    default:
        vn_drop(n, VN_NDROP_MALFORMED);
    }
}

void vn_inbox_message(struct vn_node *n, const char *subject, struct vn_span payload)
{
    struct vn_subject subj;
    if (!n->session.cred || n->state != VN_NODE_ONLINE)
        return;
    if (vn_subject_parse(subject, &subj) != VN_OK)
        vn_drop(n, VN_NDROP_SUBJECT);
    else if (payload.n < 3 || payload.n > VN_CONTROL_PAYLOAD_MAX)
        vn_drop(n, VN_NDROP_MALFORMED);
    else if (subj.kind == VN_SUBJ_REV && payload.p[2] == VN_T_KEYS_NOW)
        vn_generations_on_now(n, payload);
    else if (subj.kind == VN_SUBJ_REV && payload.p[2] == VN_T_REALM_RULE)
        vn_realm_rule_on_message(n, payload);
    else if (subj.kind == VN_SUBJ_REV)
        vn_revocations_on_message(n, payload);
    else if (subj.kind == VN_SUBJ_ADM && payload.p[2] == VN_T_KEYS)
        vn_generations_on_bundle(n, payload);
    else
        message(n, &subj, payload, false);
}

void vn_inbox_inband(struct vn_node *n, const struct vn_subject *subj, struct vn_span payload)
{
    if (!n->session.cred || n->state != VN_NODE_ONLINE)
        return;
    if (payload.n < 3 || payload.n > VN_CONTROL_PAYLOAD_MAX)
        vn_drop(n, VN_NDROP_MALFORMED);
    else
        message(n, subj, payload, false);
}

void vn_inbox_turn(struct vn_node *n, const struct vn_subject *subj, struct vn_span payload)
{
    if (n->session.cred && n->state == VN_NODE_ONLINE)
        message(n, subj, payload, true);
}
