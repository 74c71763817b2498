#include "core/to_worker.h"

#include "core/node_i.h"

/* A message of that type, or NULL after a line in the log: the machine is out of memory. */
static void *message(enum vn_cmd_type type, size_t size)
{
    void *m = NULL;
    if (vn_post_msg_new(type, size, &m) == VN_OK)
        return m;
    vn_log(VN_LOG_ERROR, "command_lost", VN_KV_STATUS(VN_ERR_NOMEM));
    return NULL;
}

static void tell(struct vn_node *n, struct vn_post_msg *m)
{
    if (n->cfg.to_worker->send(n->cfg.to_worker->self, m) != VN_OK)
        vn_log(VN_LOG_ERROR, "command_lost", VN_KV_STATUS(VN_ERR_LIMIT));
}

void vn_tell_handle(struct vn_node *n, enum vn_cmd_type type, uint32_t handle)
{
    struct vn_cmd_handle *m = message(type, sizeof(*m));
    if (!m)
        return;
    m->handle = handle;
    tell(n, &m->msg);
}

void vn_tell_dest(struct vn_node *n, const struct vn_ip *ip, enum vn_dest_verdict verdict,
                  uint32_t tx, uint32_t for_ms)
{
    struct vn_cmd_dest *m = message(VN_CMD_DEST, sizeof(*m));
    if (!m)
        return;
    m->ip = *ip;
    m->verdict = verdict;
    m->tx = tx;
    m->for_ms = for_ms;
    tell(n, &m->msg);
}

void vn_tell_local(struct vn_node *n)
{
    struct vn_cmd_local *m = message(VN_CMD_LOCAL, sizeof(*m));
    if (!m)
        return;
    const struct vn_identity *own = n->session.own;
    memcpy(m->addrs, own->addrs, sizeof(m->addrs));
    m->addr_count = own->addr_count;
    m->ranges[0] = n->session.cred->realm.range4;
    m->ranges[1] = n->session.cred->realm.range6;
    m->range_count = 2;
    m->mtu_bytes = n->cfg.mtu_bytes;
    m->idle_ms = n->cfg.idle_ms;
    memcpy(m->ice, n->session.cred->realm.ice, sizeof(m->ice));
    m->ice_count = n->session.cred->realm.ice_count;
    tell(n, &m->msg);
}

void vn_tell_member_stun(struct vn_node *n, const struct vn_stun_keys *keys)
{
    struct vn_cmd_member_stun *m = message(VN_CMD_MEMBER_STUN, sizeof(*m));
    if (!m)
        return;
    const struct vn_realm_info *realm = &n->session.cred->realm;
    memcpy(m->servers, realm->member_stun, sizeof(m->servers));
    m->count = realm->member_stun_count;
    m->keys = *keys;
    tell(n, &m->msg);
}

void vn_tell_tether_open(struct vn_node *n, uint32_t tether, const struct vn_tether_config *cfg)
{
    struct vn_cmd_tether_open *m = message(VN_CMD_TETHER_OPEN, sizeof(*m));
    if (!m)
        return;
    m->tether = tether;
    m->config = *cfg;
    tell(n, &m->msg);
}

void vn_tell_tether_start(struct vn_node *n, uint32_t tether, const struct vn_tether_start *start)
{
    struct vn_cmd_tether_start *m = message(VN_CMD_TETHER_START, sizeof(*m));
    if (!m)
        return;
    m->tether = tether;
    m->start = *start;
    tell(n, &m->msg);
}

static void tell_restart(struct vn_node *n, uint32_t tether, bool remote, bool better,
                         const struct vn_ice_params ice[VN_HOP_PCS])
{
    struct vn_cmd_tether_restart *m = message(VN_CMD_TETHER_RESTART, sizeof(*m));
    if (!m)
        return;
    m->tether = tether;
    m->remote = remote;
    m->better = better;
    memcpy(m->ice, ice, sizeof(m->ice));
    tell(n, &m->msg);
}

void vn_tell_tether_restart(struct vn_node *n, uint32_t tether, bool better,
                            const struct vn_ice_params local[VN_HOP_PCS])
{
    tell_restart(n, tether, false, better, local);
}

void vn_tell_tether_restart_start(struct vn_node *n, uint32_t tether,
                                  const struct vn_ice_params remote[VN_HOP_PCS])
{
    tell_restart(n, tether, true, false, remote);
}

void vn_tell_tether_candidate(struct vn_node *n, uint32_t tether, const struct vn_candidate *c)
{
    struct vn_cmd_tether_candidate *m = message(VN_CMD_TETHER_CANDIDATE, sizeof(*m));
    if (!m)
        return;
    m->tether = tether;
    m->candidate = *c;
    tell(n, &m->msg);
}

void vn_tell_tether_send(struct vn_node *n, uint32_t tether, enum vn_hop_type type, uint32_t label,
                         struct vn_span body)
{
    VN_CLEANUP(vn_pktbuf_freep) struct vn_pktbuf *b = NULL;
    if (vn_pktbuf_new(VN_HOP_HEADER_LEN + body.n, &b) != VN_OK)
        return;
    uint8_t *p = vn_pktbuf_put(b, VN_HOP_HEADER_LEN + body.n);
    struct vn_writer w = vn_writer_of(p, VN_HOP_HEADER_LEN + body.n);
    vn_hop_encode(&w, &(struct vn_hop_header){.type = type, .label = label});
    vn_write_span(&w, body);
    struct vn_cmd_tether_send *m = message(VN_CMD_TETHER_SEND, sizeof(*m));
    if (!m)
        return;
    m->tether = tether;
    m->buf = VN_TAKE(b);
    tell(n, &m->msg);
}

/* From here on the worker alone has it, and steps on from it. */
static void chain_key_gone(struct vn_stream *s)
{
    vn_secret32_wipe(&s->keys.ck0);
    s->ck_gone = true;
}

void vn_tell_tx_open(struct vn_node *n, struct vn_stream *s)
{
    struct vn_cmd_tx_open *m = message(VN_CMD_TX_OPEN, sizeof(*m));
    if (!m)
        return;
    m->tx = s->handle;
    m->tether = s->circuit->hop->handle;
    m->label = s->circuit->fwd;
    m->rev = s->circuit->sealed ? s->circuit->rev : 0;
    m->keyed = !s->ck_gone;
    m->hash_alg = (uint8_t)n->suite->hash;
    m->ck = s->keys.ck0;
    s->circuit->at_worker = true;
    tell(n, &m->msg);
    chain_key_gone(s);
}

void vn_tell_rx_open(struct vn_node *n, struct vn_stream *s, struct vn_circuit *c)
{
    struct vn_cmd_rx_open *m = message(VN_CMD_RX_OPEN, sizeof(*m));
    if (!m)
        return;
    const struct vn_identity *id = s->peer->cert;
    m->rx = s->handle;
    m->tether = c->hop->handle;
    m->label = c->fwd;
    m->rev = c->sealed ? c->rev : 0;
    m->bind = c->bind;
    c->at_worker = true;
    m->keyed = !s->ck_gone;
    m->hash_alg = (uint8_t)n->suite->hash;
    m->ck = s->keys.ck0;
    memcpy(m->addrs, id->addrs, sizeof(m->addrs));
    m->addr_count = id->addr_count;
    memcpy(m->prefixes, id->prefixes, sizeof(m->prefixes));
    m->prefix_count = id->prefix_count;
    tell(n, &m->msg);
    chain_key_gone(s);
}

void vn_tell_tx_watch(struct vn_node *n, uint32_t tx, uint32_t after_ms)
{
    struct vn_cmd_watch *m = message(VN_CMD_TX_WATCH, sizeof(*m));
    if (!m)
        return;
    m->tx = tx;
    m->after_ms = after_ms;
    tell(n, &m->msg);
}

void vn_tell_tx_aside(struct vn_node *n, uint32_t tx, const struct vn_circuit *c)
{
    struct vn_cmd_tx_aside *m = message(VN_CMD_TX_ASIDE, sizeof(*m));
    if (!m)
        return;
    m->tx = tx;
    m->tether = c ? c->hop->handle : 0;
    m->label = c ? c->fwd : 0;
    tell(n, &m->msg);
}

void vn_tell_tx_spread(struct vn_node *n, uint32_t tx, const struct vn_tell_ways *ways, bool again)
{
    struct vn_cmd_tx_spread *m = message(VN_CMD_TX_SPREAD, sizeof(*m));
    if (!m)
        return;
    m->tx = tx;
    m->gap_us = ways->gap_us;
    m->again = again;
    m->ways[0].share = ways->share[0];
    for (size_t i = 1; i < VN_WAYS_MAX; i++) {
        struct vn_circuit *c = ways->circuit[i];
        if (!c)
            continue;
        m->ways[i].tether = c->hop->handle;
        m->ways[i].label = c->fwd;
        m->ways[i].rev = c->sealed ? c->rev : 0;
        m->ways[i].share = ways->share[i];
        c->at_worker = true;
    }
    tell(n, &m->msg);
}

void vn_tell_label_close(struct vn_node *n, uint32_t tether, uint32_t label)
{
    struct vn_cmd_label *m = message(VN_CMD_LABEL_CLOSE, sizeof(*m));
    if (!m)
        return;
    m->tether = tether;
    m->label = label;
    tell(n, &m->msg);
}

void vn_tell_relay_open(struct vn_node *n, const struct vn_circuit *in)
{
    struct vn_cmd_relay_open *m = message(VN_CMD_RELAY_OPEN, sizeof(*m));
    if (!m)
        return;
    const struct vn_circuit *out = in->link;
    m->relay = in->relay;
    m->in.tether = in->hop->handle;
    m->in.fwd = in->fwd;
    m->in.rev = in->rev;
    m->out.tether = out->hop->handle;
    m->out.fwd = out->fwd;
    m->out.rev = out->rev;
    tell(n, &m->msg);
}

void vn_tell_report(struct vn_node *n, const struct vn_stream *s, const struct vn_delivery *d)
{
    struct vn_delivery_msg *m = message(VN_CMD_TX_REPORT, sizeof(*m));
    if (!m)
        return;
    m->handle = s->handle;
    m->delivery = *d;
    tell(n, &m->msg);
}

void vn_tell_tally(struct vn_node *n, const struct vn_tally_msg *tally)
{
    struct vn_tally_msg *m = message(VN_CMD_TX_TALLY, sizeof(*m));
    if (!m)
        return;
    const struct vn_post_msg head = m->msg;
    *m = *tally;
    m->msg = head;
    tell(n, &m->msg);
}

void vn_tell_kem(struct vn_node *n, const struct vn_stream *s, uint32_t request,
                 const struct vn_kem_step *step)
{
    struct vn_cmd_kem *m = message(s->is_tx ? VN_CMD_TX_KEM : VN_CMD_RX_KEM, sizeof(*m));
    if (!m)
        return;
    m->handle = s->handle;
    m->epoch = s->rekey.epoch;
    m->taken = s->rekey.taken;
    m->request = request;
    m->answered = step != NULL;
    if (step)
        m->step = *step;
    tell(n, &m->msg);
}
