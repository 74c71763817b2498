/*
 * timer        armed by                                   disarmed by     fires
 * hop.timer    EXPECT_GATHERED (50 ms)                    gathered        signals with the
 *                                                                         candidates there are
 *              EXPECT_ANSWER: offer sent (500 ms)         answer          offer again; after 4 the
 *                                                                         tether failed
 *              EXPECT_UP (10 s)                           up              the tether failed
 *              UP, restarting (50 ms, then 500 ms)        the peer's      signals again; after 10 s
 *                                                         parameters      the tether is given up
 * hop.idle     see hop_end.c
 * hop.report   a circuit failed (at once, or 10 ms after  the tether's    one message with all
 *              the last report)                           end             their labels
 * hop.renew    see hop_renew.c
 * hop.setups   see setup_queue.c
 */
#include "core/hop.h"

#include "core/node_i.h"

#define GATHER_WAIT_MS 50u

static void on_timer(void *arg);

vn_status vn_hops_init(struct vn_node *n)
{
    vn_list_init(&n->hops.list);
    vn_list_init(&n->hops.retired);
    vn_status st = vn_map_new(sizeof(uint32_t), VN_TETHERS_MAX, &n->hops.by_handle);
    if (st != VN_OK)
        return st;
    const size_t most = (size_t)VN_TETHERS_MAX * VN_LABELS_PER_NEIGHBOUR_MAX;
    st = vn_map_new(2 * sizeof(uint32_t), most, &n->hops.labels);
    if (st != VN_OK)
        return st;
    return vn_map_new(VN_CIRCUIT_KEY_LEN, most, &n->hops.requests);
}

struct vn_hop *vn_hop_get(struct vn_node *n, uint32_t handle)
{
    return vn_map_get(n->hops.by_handle, &handle);
}

void vn_hop_set_state(struct vn_hop *h, enum vn_hop_state state)
{
    static const char *const names[] = {"expect_gathered", "expect_answer", "expect_up", "up"};
    assert(state > h->state);
    assert(state != VN_HOP_EXPECT_ANSWER || h->offerer);
    vn_log(VN_LOG_DEBUG, "tether_state", VN_KV_ID("peer", &h->peer->id),
           VN_KV_U64("handle", h->handle), VN_KV_STR("from", names[h->state]),
           VN_KV_STR("to", names[state]));
    h->state = state;
}

/* ice-char of RFC 8839 section 5.4 */
static vn_status ice_text(struct vn_node *n, char *ret, size_t len)
{
    static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t bytes[VN_ICE_PWD_LEN];
    vn_status st = vn_random_fill(n, bytes, len);
    if (st != VN_OK)
        return st;
    for (size_t i = 0; i < len; i++)
        ret[i] = chars[bytes[i] % 64];
    ret[len] = '\0';
    return VN_OK;
}

vn_status vn_hop_make_ice(struct vn_node *n, struct vn_ice_params ret[VN_HOP_PCS])
{
    vn_status st = VN_OK;
    for (size_t i = 0; st == VN_OK && i < VN_HOP_PCS; i++) {
        st = ice_text(n, ret[i].ufrag, VN_ICE_UFRAG_LEN);
        if (st == VN_OK)
            st = ice_text(n, ret[i].pwd, VN_ICE_PWD_LEN);
    }
    return st;
}

/* The other one, if there is one, stands in its place. */
static void leave_peer(struct vn_hop *h)
{
    struct vn_peer *p = h->peer;
    if (p->hop == h)
        p->hop = p->beside;
    p->beside = NULL;
}

void vn_hop_free(struct vn_node *n, struct vn_hop *h)
{
    vn_timer_disarm(&n->timers, &h->timer);
    vn_timer_disarm(&n->timers, &h->idle);
    vn_timer_disarm(&n->timers, &h->report);
    vn_timer_disarm(&n->timers, &h->renew);
    vn_setup_queue_done(h);
    (void)vn_map_take(n->hops.by_handle, &h->handle);
    vn_list_remove(&h->all);
    leave_peer(h);
    vn_kem_free(h->eke);
    vn_buf_done(&h->ct);
    vn_buf_done(&h->failed);
    vn_wipe(h, sizeof(*h));
    free(h);
}

vn_status vn_hop_new(struct vn_node *n, struct vn_peer *p, bool offerer, const struct vn_id *tether,
                     struct vn_hop **ret)
{
    assert(!p->hop || !p->beside);
    struct vn_hop *h = calloc(1, sizeof(*h));
    if (!h)
        return VN_ERR_NOMEM;
    h->node = n;
    h->peer = p;
    h->offerer = offerer;
    h->tether = *tether;
    h->handle = vn_next_handle(n);
    h->generation = 1;
    h->since_ms = n->now_ms;
    vn_list_init(&h->all);
    vn_list_init(&h->circuits);
    vn_timer_init(&h->timer, on_timer, h);
    vn_timer_init(&h->idle, vn_hop_on_idle, h);
    vn_timer_init(&h->report, vn_hop_on_report, h);
    vn_timer_init(&h->renew, vn_hop_on_renew, h);
    vn_setup_queue_init(h);
    vn_buf_init(&h->ct, VN_CT_MAX);
    vn_buf_init(&h->failed, VN_LABELS_PER_NEIGHBOUR_MAX * sizeof(uint32_t));
    vn_bucket_init(&h->setups, VN_SETUP_BURST, n->now_ms);
    vn_bucket_init(&h->signals, VN_INBAND_BURST, n->now_ms);
    vn_bucket_init(&h->passes, VN_INBAND_PASS_BURST, n->now_ms);
    vn_bucket_init(&h->paths, VN_PATH_BURST, n->now_ms);
    struct vn_tether_config cfg = {
        .tether = *tether, .controlling = offerer, .dtls_client = !offerer};
    vn_status st = vn_hop_make_ice(n, h->local);
    if (st == VN_OK)
        st = vn_random_fill(n, &cfg.tie_breaker, sizeof(cfg.tie_breaker));
    if (st == VN_OK)
        st = vn_map_put(n->hops.by_handle, &h->handle, h);
    if (st != VN_OK) {
        free(h);
        return st;
    }
    memcpy(cfg.local, h->local, sizeof(cfg.local));
    vn_list_append(&n->hops.list, &h->all);
    h->beside = p->hop != NULL;
    *(h->beside ? &p->beside : &p->hop) = h;
    vn_log(VN_LOG_DEBUG, "tether_created", VN_KV_ID("peer", &p->id), VN_KV_U64("handle", h->handle),
           VN_KV_STR("role", offerer ? "offerer" : "answerer"));
    vn_tell_tether_open(n, h->handle, &cfg);
    vn_timer_arm(&n->timers, &h->timer, n->now_ms + GATHER_WAIT_MS);
    *ret = h;
    return VN_OK;
}

vn_status vn_hop_offer(struct vn_node *n, struct vn_peer *p)
{
    struct vn_id tether;
    struct vn_hop *h;
    if (!vn_peer_fresh(n, p))
        return VN_ERR_NOTFOUND;
    vn_status st = vn_random_fill(n, &tether, sizeof(tether));
    VN_CLEANUP(vn_kem_freep) struct vn_kem_dk *eke = NULL;
    if (st == VN_OK)
        st = vn_kem_generate(n->suite->kem, &eke);
    if (st == VN_OK)
        st = vn_hop_new(n, p, true, &tether, &h);
    if (st != VN_OK)
        return st;
    h->eke = VN_TAKE(eke);
    return VN_OK;
}

/* ---- the end ---- */

void vn_hops_done(struct vn_node *n)
{
    if (n->hops.by_handle) {
        VN_LIST_EACH(it, &n->hops.list)
        {
            struct vn_hop *h = VN_LIST_ENTRY(it, struct vn_hop, all);
            VN_LIST_EACH(ct, &h->circuits)
            {
                struct vn_circuit *c = VN_LIST_ENTRY(ct, struct vn_circuit, of_hop);
                vn_relay_forget(c);
                c->at_worker = false;
                vn_circuit_close(n, c, false);
            }
            vn_hop_free(n, h);
        }
    }
    vn_labels_done(n);
    n->hops.by_handle = vn_map_free(n->hops.by_handle);
    n->hops.labels = vn_map_free(n->hops.labels);
    n->hops.requests = vn_map_free(n->hops.requests);
}

/* ---- on the way up ---- */

static void signal_now(struct vn_node *n, struct vn_hop *h)
{
    if (h->offerer) {
        vn_hop_set_state(h, VN_HOP_EXPECT_ANSWER);
        vn_timer_arm(&n->timers, &h->timer, n->now_ms + VN_OFFER_RESEND_MS);
    } else {
        vn_hop_set_state(h, VN_HOP_EXPECT_UP);
        vn_timer_arm(&n->timers, &h->timer, n->now_ms + VN_TETHER_CONNECT_MS);
    }
    vn_hop_signal(n, h);
}

static void on_timer(void *arg)
{
    struct vn_hop *h = arg;
    struct vn_node *n = h->node;
    switch (h->state) {
    case VN_HOP_EXPECT_GATHERED:
        signal_now(n, h);
        break;
    case VN_HOP_EXPECT_ANSWER:
        if (h->sends > VN_OFFER_RESEND_MAX) {
            vn_hop_close(n, h);
            break;
        }
        vn_timer_arm(&n->timers, &h->timer, n->now_ms + VN_OFFER_RESEND_MS);
        vn_dests_refresh(n, h->peer);
        vn_hop_signal(n, h);
        break;
    case VN_HOP_EXPECT_UP:
        vn_hop_close(n, h);
        break;
    case VN_HOP_UP:
        vn_hop_restart_timer(n, h);
        break;
    }
}

void vn_hop_descriptor_changed(struct vn_node *n, struct vn_peer *p)
{
    struct vn_hop *const both[] = {p->hop, p->beside};
    for (size_t i = 0; i < VN_ARRAY_LEN(both); i++) {
        if (both[i] && both[i]->state == VN_HOP_EXPECT_ANSWER && vn_peer_fresh(n, p))
            vn_hop_signal(n, both[i]);
    }
}

void vn_hop_event_candidate(struct vn_node *n, uint32_t handle, const struct vn_candidate *c)
{
    struct vn_hop *h = vn_hop_get(n, handle);
    if (!h || h->candidate_count >= VN_TETHER_CANDIDATES_MAX)
        return;
    h->candidates[h->candidate_count++] = *c;
    /* Not before the answer: messages are signed side by side, and one that overtakes the offer
     * would name a tether that the peer does not know. */
    if (h->state == VN_HOP_EXPECT_UP || (h->restarting && h->remote_known && h->sends > 0))
        vn_hop_signal_candidates(n, h);
}

void vn_hop_event_gathered(struct vn_node *n, uint32_t handle)
{
    struct vn_hop *h = vn_hop_get(n, handle);
    if (!h)
        return;
    h->gathered = true;
    if (h->state == VN_HOP_EXPECT_GATHERED)
        signal_now(n, h);
    else if (h->restarting && h->sends == 0)
        vn_hop_restart_timer(n, h);
}

/* Streams whose circuit went through a tether that was replaced. */
static void parked_go_on(struct vn_node *n)
{
    VN_LIST_EACH(it, &n->peers.lru)
    {
        struct vn_peer *p = VN_LIST_ENTRY(it, struct vn_peer, lru);
        if (p->tx && !p->tx->circuit && (p->tx->relayed || vn_route_pinned(n, &p->id)))
            vn_tx_advance(n, p->tx);
    }
}

void vn_hop_event_up(struct vn_node *n, uint32_t handle)
{
    struct vn_hop *h = vn_hop_get(n, handle);
    if (!h || h->state == VN_HOP_UP)
        return;
    vn_timer_disarm(&n->timers, &h->timer);
    vn_hop_set_state(h, VN_HOP_UP);
    h->up_ms = n->now_ms;
    vn_buf_done(&h->ct);
    vn_log(VN_LOG_DEBUG, "tether_up", VN_KV_ID("peer", &h->peer->id), VN_KV_U64("handle", handle),
           VN_KV_U64("took_ms", n->now_ms - h->since_ms));
    if (h == h->peer->beside)
        vn_hop_take_place(n, h);
    vn_hop_check_use(n, h);
    vn_places_on_tether(n, h);
    vn_circuits_tether_up(n, h);
    vn_inband_tether_up(n, h);
    if (h->peer->tx)
        vn_tx_advance(n, h->peer->tx);
    parked_go_on(n);
}

void vn_hop_event_down(struct vn_node *n, uint32_t handle, enum vn_tether_down why)
{
    struct vn_hop *h = vn_hop_get(n, handle);
    if (!h)
        return;
    vn_log(VN_LOG_DEBUG, "tether_down", VN_KV_ID("peer", &h->peer->id), VN_KV_U64("handle", handle),
           VN_KV_U64("why", why));
    vn_hop_gone(n, h, false);
}

void vn_hop_event_message(struct vn_node *n, uint32_t handle, struct vn_span bytes)
{
    struct vn_hop *h = vn_hop_get(n, handle);
    if (!h || h->state != VN_HOP_UP)
        return;
    struct vn_reader r = vn_reader_of(bytes);
    struct vn_hop_header head;
    if (!vn_hop_decode(&r, &head)) {
        vn_drop(n, VN_NDROP_MALFORMED);
        return;
    }
    if (head.type == VN_HOP_CIRCUIT)
        vn_circuit_input(n, h, vn_reader_rest(&r));
    else if (head.type == VN_HOP_SIGNAL)
        vn_inband_input(n, h, vn_reader_rest(&r));
    else if (head.type == VN_HOP_PATH)
        vn_path_on_tether(n, h, vn_reader_rest(&r));
    else if (head.type == VN_HOP_CONTROL)
        vn_ctl_input(n, vn_reader_rest(&r),
                     &(struct vn_ctl_from){.node = h->peer->id, .hop = h, .label = head.label});
    else
        vn_drop(n, VN_NDROP_CIRCUIT);
}
