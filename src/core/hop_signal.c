/* Offers, answers and candidates of tethers, and the hop secret that comes of them. */
#include "anchor.pb-c.h"
#include "core/node_i.h"

#define HOP_GENERATION 1 /* counts ICE restarts */
#define HOP_ROLES 1      /* the offerer controls ICE and is DTLS server */

/* ---- candidates ---- */

struct candidate_list {
    Vn__Candidate m[VN_TETHER_CANDIDATES_MAX];
    Vn__Candidate *p[VN_TETHER_CANDIDATES_MAX];
    size_t count;
};

static void candidates_encode(struct candidate_list *l, const struct vn_candidate *c, size_t count)
{
    l->count = count;
    for (size_t i = 0; i < count; i++) {
        vn__candidate__init(&l->m[i]);
        l->m[i].type = c[i].type;
        l->m[i].priority = c[i].priority;
        l->m[i].foundation = c[i].foundation;
        l->m[i].port = c[i].addr.port;
        l->m[i].pc = c[i].pc;
        bool v4 = vn_ip_is_v4(&c[i].addr.ip);
        const uint8_t *b = v4 ? c[i].addr.ip.b + 12 : c[i].addr.ip.b;
        l->m[i].ip = (ProtobufCBinaryData){v4 ? 4 : 16, (uint8_t *)b};
        l->p[i] = &l->m[i];
    }
}

static bool candidate_decode(const Vn__Candidate *m, struct vn_candidate *ret)
{
    if (m->type < VN_CAND_HOST || m->type > VN_CAND_RELAY || m->port == 0 || m->port > UINT16_MAX ||
        m->pc >= VN_HOP_PCS)
        return false;
    *ret = (struct vn_candidate){.type = (enum vn_candidate_type)m->type,
                                 .priority = m->priority,
                                 .foundation = m->foundation,
                                 .addr.port = (uint16_t)m->port,
                                 .pc = (uint8_t)m->pc};
    if (m->ip.len == 4)
        ret->addr.ip = vn_ip_from_v4(m->ip.data);
    else if (m->ip.len == 16)
        memcpy(ret->addr.ip.b, m->ip.data, 16);
    else
        return false;
    return true;
}

static void candidates_take(struct vn_node *n, const struct vn_hop *h, Vn__Candidate *const *list,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct vn_candidate c;
        if (candidate_decode(list[i], &c))
            vn_tell_tether_candidate(n, h->handle, &c);
        else
            vn_drop(n, VN_NDROP_BODY);
    }
}

/* ---- ICE parameters, one for each peer connection ---- */

struct ice_list {
    Vn__IceParams m[VN_HOP_PCS];
    Vn__IceParams *p[VN_HOP_PCS];
};

static void ice_encode(struct ice_list *l, struct vn_ice_params local[VN_HOP_PCS])
{
    for (size_t i = 0; i < VN_HOP_PCS; i++) {
        vn__ice_params__init(&l->m[i]);
        l->m[i].ufrag = local[i].ufrag;
        l->m[i].pwd = local[i].pwd;
        l->p[i] = &l->m[i];
    }
}

static bool ice_decode(Vn__IceParams *const *m, size_t count, struct vn_ice_params ret[VN_HOP_PCS])
{
    if (count != VN_HOP_PCS)
        return false;
    for (size_t i = 0; i < VN_HOP_PCS; i++) {
        if (strlen(m[i]->ufrag) != VN_ICE_UFRAG_LEN || strlen(m[i]->pwd) != VN_ICE_PWD_LEN)
            return false;
        ret[i] = (struct vn_ice_params){0};
        memcpy(ret[i].ufrag, m[i]->ufrag, VN_ICE_UFRAG_LEN + 1);
        memcpy(ret[i].pwd, m[i]->pwd, VN_ICE_PWD_LEN + 1);
    }
    return true;
}

/* ---- sending ---- */

static void send_to_peer(struct vn_node *n, const struct vn_peer *p, enum vn_wire_type type,
                         const ProtobufCMessage *m)
{
    vn_status st = VN_ERR_NOTFOUND;
    if (p->eks_len)
        st = vn_outbox_send(
            n, &(struct vn_outgoing){
                   .type = type, .dst = p->id, .ek = VN_SPAN(p->eks, p->eks_len), .body = m});
    if (st != VN_OK)
        vn_log(VN_LOG_DEBUG, "signal_failed", VN_KV_ID("peer", &p->id), VN_KV_STATUS(st));
}

static void send_offer(struct vn_node *n, struct vn_hop *h)
{
    const struct vn_session *s = &n->session;
    if (!s->descriptor.len)
        return;
    struct candidate_list l;
    Vn__TetherOffer m = VN__TETHER_OFFER__INIT;
    struct ice_list ice;
    struct vn_span ek = vn_kem_ek(h->eke);
    candidates_encode(&l, h->candidates, h->candidate_count);
    ice_encode(&ice, h->local);
    m.tether = (ProtobufCBinaryData){VN_ID_LEN, h->tether.b};
    m.generation = HOP_GENERATION;
    m.roles = HOP_ROLES;
    m.ek = (ProtobufCBinaryData){ek.n, (uint8_t *)ek.p};
    m.n_ice = VN_HOP_PCS;
    m.ice = ice.p;
    m.n_candidates = l.count;
    m.candidates = l.p;
    m.descriptor = (ProtobufCBinaryData){s->descriptor.len, s->descriptor.p};
    m.beside = h->beside;
    send_to_peer(n, h->peer, VN_T_OFFER, &m.base);
}

static void send_answer(struct vn_node *n, struct vn_hop *h)
{
    struct candidate_list l;
    Vn__TetherAnswer m = VN__TETHER_ANSWER__INIT;
    struct ice_list ice;
    candidates_encode(&l, h->candidates, h->candidate_count);
    ice_encode(&ice, h->local);
    m.tether = (ProtobufCBinaryData){VN_ID_LEN, h->tether.b};
    m.ct = (ProtobufCBinaryData){h->ct.len, h->ct.p};
    m.n_ice = VN_HOP_PCS;
    m.ice = ice.p;
    m.n_candidates = l.count;
    m.candidates = l.p;
    send_to_peer(n, h->peer, VN_T_OFFER_ANSWER, &m.base);
}

void vn_hop_signal(struct vn_node *n, struct vn_hop *h)
{
    if (h->sends++ == 0)
        h->signalled = h->candidate_count; /* a repeated one may be ignored as such */
    if (h->offerer)
        send_offer(n, h);
    else
        send_answer(n, h);
}

void vn_hop_signal_restart(struct vn_node *n, struct vn_hop *h)
{
    struct candidate_list l;
    struct ice_list ice;
    Vn__TetherRestart m = VN__TETHER_RESTART__INIT;
    if (h->sends++ == 0)
        h->signalled = h->candidate_count;
    candidates_encode(&l, h->candidates, h->candidate_count);
    ice_encode(&ice, h->local);
    m.tether = (ProtobufCBinaryData){VN_ID_LEN, h->tether.b};
    m.generation = h->generation;
    m.better = h->better;
    m.n_ice = VN_HOP_PCS;
    m.ice = ice.p;
    m.n_candidates = l.count;
    m.candidates = l.p;
    send_to_peer(n, h->peer, VN_T_RESTART, &m.base);
}

void vn_hop_signal_candidates(struct vn_node *n, struct vn_hop *h)
{
    struct candidate_list l;
    Vn__TetherCandidates m = VN__TETHER_CANDIDATES__INIT;
    candidates_encode(&l, h->candidates + h->signalled, h->candidate_count - h->signalled);
    h->signalled = h->candidate_count;
    m.tether = (ProtobufCBinaryData){VN_ID_LEN, h->tether.b};
    m.n_candidates = l.count;
    m.candidates = l.p;
    m.end = h->gathered;
    m.generation = h->generation;
    send_to_peer(n, h->peer, VN_T_CANDIDATES, &m.base);
}

/* ---- the hop secret ---- */

/* Both ends know all of the transcript now: the tether starts. */
static vn_status start(struct vn_node *n, struct vn_hop *h,
                       const struct vn_ice_params remote[VN_HOP_PCS], struct vn_span ek,
                       struct vn_span ct, const struct vn_secret *ss)
{
    struct vn_hop_transcript t = {
        .tether = h->tether,
        .realm = n->cfg.realm,
        .offerer = h->offerer ? n->session.self : h->peer->id,
        .answerer = h->offerer ? h->peer->id : n->session.self,
        .generation = HOP_GENERATION,
        .roles = HOP_ROLES,
        .ek = ek,
        .ct = ct,
    };
    struct vn_tether_start s;
    vn_status st = VN_OK;
    memcpy(t.ice_offerer, h->offerer ? h->local : remote, sizeof(t.ice_offerer));
    memcpy(t.ice_answerer, h->offerer ? remote : h->local, sizeof(t.ice_answerer));
    memcpy(s.remote, remote, sizeof(s.remote));
    for (uint8_t i = 0; st == VN_OK && i < VN_HOP_PCS; i++)
        st = vn_hop_psk(n->suite, &t, ss, i, &s.psk[i]);
    if (st == VN_OK)
        vn_tell_tether_start(n, h->handle, &s);
    vn_wipe(&s, sizeof(s));
    return st;
}

/* ---- receiving ---- */

/* Of two crossing offers the one of the smaller node id stands. */
static bool ours_stands(const struct vn_node *n, const struct vn_hop *h)
{
    if (!h)
        return false;
    bool waiting = h->state == VN_HOP_EXPECT_GATHERED || h->state == VN_HOP_EXPECT_ANSWER;
    return h->offerer && waiting && memcmp(n->session.self.b, h->peer->id.b, VN_ID_LEN) < 0;
}

static vn_status answer_offer(struct vn_node *n, struct vn_peer *p, const Vn__TetherOffer *m,
                              const struct vn_ice_params remote[VN_HOP_PCS])
{
    struct vn_id tether;
    struct vn_hop *h;
    memcpy(tether.b, m->tether.data, sizeof(tether.b));
    uint8_t ct[VN_CT_MAX];
    VN_CLEANUP(vn_secret_wipe) struct vn_secret ss = {0};
    struct vn_span ek = VN_SPAN(m->ek.data, m->ek.len);
    vn_status st = vn_kem_encapsulate(n->suite->kem, ek, ct, &ss);
    if (st == VN_OK)
        st = vn_hop_new(n, p, false, &tether, &h);
    if (st != VN_OK)
        return st;
    st = vn_buf_append(&h->ct, ct, n->suite->ct_len);
    if (st == VN_OK)
        st = start(n, h, remote, ek, vn_buf_span(&h->ct), &ss);
    if (st != VN_OK) {
        vn_hop_close(n, h);
        return st;
    }
    candidates_take(n, h, m->candidates, m->n_candidates);
    vn_hop_check_use(n, h);
    return VN_OK;
}

static struct vn_hop *by_id(const struct vn_peer *p, const ProtobufCBinaryData *tether)
{
    struct vn_hop *const both[] = {p->hop, p->beside};
    for (size_t i = 0; i < VN_ARRAY_LEN(both); i++) {
        if (both[i] && memcmp(both[i]->tether.b, tether->data, VN_ID_LEN) == 0)
            return both[i];
    }
    return NULL;
}

/* The peer's new tether takes the place of those that it has lost; or stands beside the one that
 * both have, so that there are never more than two. */
static void make_room(struct vn_node *n, struct vn_peer *p, bool beside)
{
    if (p->beside)
        vn_hop_replace(n, p->beside);
    if (p->hop && !beside)
        vn_hop_replace(n, p->hop);
    else if (p->tx && !p->tx->circuit)
        vn_tx_advance(n, p->tx); /* by the one that stays */
}

void vn_hop_on_offer(struct vn_node *n, struct vn_inbound *in)
{
    const Vn__TetherOffer *m = in->body;
    struct vn_ice_params remote[VN_HOP_PCS];
    if (m->tether.len != VN_ID_LEN || m->ek.len != n->suite->ek_len || m->roles != HOP_ROLES ||
        m->generation != HOP_GENERATION || m->n_candidates > VN_TETHER_CANDIDATES_MAX ||
        !ice_decode(m->ice, m->n_ice, remote)) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    /* Verified membership, not in quarantine, is enough: relays carry members they may not talk to.
     */
    if (vn_quarantine_refuses(n, in->cert.id)) {
        vn_drop(n, VN_NDROP_QUARANTINE);
        return;
    }
    struct vn_peer *p = vn_peer_learn_desc(n, &in->desc);
    if (!p || !p->eks_len)
        return;
    struct vn_hop *h = by_id(p, &m->tether);
    if (h && !h->offerer) {
        if (h->state == VN_HOP_EXPECT_UP)
            vn_hop_signal(n, h); /* our answer was lost */
        return;
    }
    if (in->time_ms <= p->signalled_ms || ours_stands(n, p->hop) || ours_stands(n, p->beside))
        return;
    p->signalled_ms = in->time_ms;
    bool beside = m->beside && p->hop && p->hop->state == VN_HOP_UP;
    make_room(n, p, beside);
    if (p->beside || (p->hop && !beside) || answer_offer(n, p, m, remote) != VN_OK)
        vn_drop(n, VN_NDROP_LIMIT);
}

/* The tether of ours that a message of its peer names; NULL after counting. */
static struct vn_hop *named(struct vn_node *n, const struct vn_inbound *in,
                            const ProtobufCBinaryData *tether)
{
    struct vn_peer *p = vn_peer_get(n, &in->src);
    if (tether->len != VN_ID_LEN) {
        vn_drop(n, VN_NDROP_BODY);
        return NULL;
    }
    return p ? by_id(p, tether) : NULL; /* none: late */
}

/* The peer answers an offer of ours that we gave up: it came late, as after the peer's sleep. Told
 * so, the peer does not wait for that tether in place of one that both have. */
static void refuse_answer(struct vn_node *n, const struct vn_inbound *in, struct vn_id tether)
{
    struct vn_peer *p = vn_peer_get(n, &in->src);
    if (!p || !vn_bucket_take(&p->refusals, VN_REFUSAL_RATE, VN_REFUSAL_BURST, n->now_ms))
        return;
    Vn__TetherAnswer m = VN__TETHER_ANSWER__INIT;
    m.tether = (ProtobufCBinaryData){VN_ID_LEN, tether.b};
    m.refused = true;
    send_to_peer(n, p, VN_T_OFFER_ANSWER, &m.base);
}

/* The peer refuses our offer, or our answer to one that it has given up. */
static void on_refused(struct vn_node *n, struct vn_hop *h)
{
    struct vn_peer *p = h->peer;
    if (h->offerer && h->state == VN_HOP_EXPECT_ANSWER) {
        vn_hop_close(n, h);
    } else if (!h->offerer && h->state == VN_HOP_EXPECT_UP) {
        vn_hop_replace(n, h);
        if (p->tx && !p->tx->circuit)
            vn_tx_advance(n, p->tx); /* by one that we offer */
    }
}

void vn_hop_on_answer(struct vn_node *n, struct vn_inbound *in)
{
    const Vn__TetherAnswer *m = in->body;
    struct vn_ice_params remote[VN_HOP_PCS];
    struct vn_hop *h = named(n, in, &m->tether);
    if (m->refused) {
        if (h)
            on_refused(n, h);
        return;
    }
    if (!h && m->tether.len == VN_ID_LEN) {
        struct vn_id tether;
        memcpy(tether.b, m->tether.data, sizeof(tether.b));
        refuse_answer(n, in, tether);
    }
    if (!h || !h->offerer || h->state != VN_HOP_EXPECT_ANSWER)
        return; /* the second answer to a repeated offer */
    if (m->ct.len != n->suite->ct_len || m->n_candidates > VN_TETHER_CANDIDATES_MAX ||
        !ice_decode(m->ice, m->n_ice, remote)) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    h->peer->signalled_ms = VN_MAX(h->peer->signalled_ms, in->time_ms);
    VN_CLEANUP(vn_secret_wipe) struct vn_secret ss = {0};
    struct vn_span ct = VN_SPAN(m->ct.data, m->ct.len);
    vn_status st = vn_kem_decapsulate(h->eke, ct, &ss);
    if (st == VN_OK)
        st = start(n, h, remote, vn_kem_ek(h->eke), ct, &ss);
    h->eke = vn_kem_free(h->eke);
    if (st != VN_OK) {
        vn_hop_close(n, h);
        return;
    }
    candidates_take(n, h, m->candidates, m->n_candidates);
    vn_hop_set_state(h, VN_HOP_EXPECT_UP);
    vn_timer_arm(&n->timers, &h->timer, n->now_ms + VN_TETHER_CONNECT_MS);
    if (h->candidate_count > h->signalled)
        vn_hop_signal_candidates(n, h);
}

void vn_hop_on_candidates(struct vn_node *n, struct vn_inbound *in)
{
    const Vn__TetherCandidates *m = in->body;
    struct vn_hop *h = named(n, in, &m->tether);
    if (!h)
        return;
    if (m->n_candidates > VN_TETHER_CANDIDATES_MAX) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    if (m->generation == h->generation) /* else of before a restart */
        candidates_take(n, h, m->candidates, m->n_candidates);
}

/*
 * Both ends send the same message, so it does not matter who began, or that both did: the
 * parameters of a generation from either end make the pair.
 */
void vn_hop_on_restart(struct vn_node *n, struct vn_inbound *in)
{
    const Vn__TetherRestart *m = in->body;
    struct vn_ice_params remote[VN_HOP_PCS];
    struct vn_hop *h = named(n, in, &m->tether);
    if (!h || h->state != VN_HOP_UP)
        return;
    if (m->n_candidates > VN_TETHER_CANDIDATES_MAX || !ice_decode(m->ice, m->n_ice, remote)) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    if (m->generation > h->generation)
        vn_hop_restart_begin(n, h, m->generation, m->better);
    else if (m->generation != h->generation)
        return; /* late */
    if (h->restarting && h->better && !m->better) {
        vn_hop_restart_begin(n, h, h->generation + 1, false); /* both began; the peer needs one */
        vn_wipe(remote, sizeof(remote));
        return;
    }
    if (h->remote_known) {
        vn_hop_signal_restart(n, h); /* ours was lost; perhaps we are done already */
    } else if (h->restarting) {
        vn_hop_restart_answered(n, h, remote);
        candidates_take(n, h, m->candidates, m->n_candidates);
    }
    vn_wipe(remote, sizeof(remote));
}
