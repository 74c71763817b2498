#include "core/commands.h"

#include <stdlib.h>

static void free_plain(struct vn_post_msg *m)
{
    free(m);
}

static void free_local(struct vn_post_msg *m)
{
    struct vn_cmd_local *c = (struct vn_cmd_local *)m;
    vn_wipe(c->ice, sizeof(c->ice));
    free(c);
}

static void free_tether_start(struct vn_post_msg *m)
{
    struct vn_cmd_tether_start *c = (struct vn_cmd_tether_start *)m;
    vn_wipe(&c->start, sizeof(c->start));
    free(c);
}

static void free_tether_restart(struct vn_post_msg *m)
{
    struct vn_cmd_tether_restart *c = (struct vn_cmd_tether_restart *)m;
    vn_wipe(c->ice, sizeof(c->ice));
    free(c);
}

static void free_member_stun(struct vn_post_msg *m)
{
    struct vn_cmd_member_stun *c = (struct vn_cmd_member_stun *)m;
    vn_stun_keys_wipe(&c->keys);
    free(c);
}

static void free_tether_send(struct vn_post_msg *m)
{
    struct vn_cmd_tether_send *c = (struct vn_cmd_tether_send *)m;
    vn_pktbuf_free(c->buf);
    free(c);
}

static void free_tx_open(struct vn_post_msg *m)
{
    struct vn_cmd_tx_open *c = (struct vn_cmd_tx_open *)m;
    vn_secret32_wipe(&c->ck);
    free(c);
}

static void free_rx_open(struct vn_post_msg *m)
{
    struct vn_cmd_rx_open *c = (struct vn_cmd_rx_open *)m;
    vn_secret32_wipe(&c->ck);
    free(c);
}

static void free_cmd_kem(struct vn_post_msg *m)
{
    struct vn_cmd_kem *c = (struct vn_cmd_kem *)m;
    vn_kem_step_wipe(&c->step);
    free(c);
}

static void free_ev_kem(struct vn_post_msg *m)
{
    struct vn_ev_kem *e = (struct vn_ev_kem *)m;
    vn_ctl_keys_wipe(&e->ctl);
    free(e);
}

static void free_tether_message(struct vn_post_msg *m)
{
    struct vn_ev_tether_message *e = (struct vn_ev_tether_message *)m;
    vn_pktbuf_free(e->buf);
    free(e);
}

static void free_lane(struct vn_post_msg *m)
{
    struct vn_crew_lane *c = (struct vn_crew_lane *)m;
    vn_wipe(&c->keys, sizeof(c->keys));
    free(c);
}

static void free_crew_frame(struct vn_post_msg *m)
{
    struct vn_crew_frame *c = (struct vn_crew_frame *)m;
    vn_pktbuf_free(c->buf);
    free(c);
}

static void free_stats(struct vn_post_msg *m)
{
    struct vn_ev_stats *e = (struct vn_ev_stats *)m;
    free(e->tx);
    free(e->rx);
    free(e->tethers);
    free(e);
}

vn_status vn_post_msg_new(unsigned type, size_t size, void *ret_msg)
{
    struct vn_post_msg *m = calloc(1, size);
    if (!m)
        return VN_ERR_NOMEM;
    m->type = type;
    switch (type) {
    case VN_CMD_LOCAL:
        m->free_fn = free_local;
        break;
    case VN_CMD_TETHER_START:
        m->free_fn = free_tether_start;
        break;
    case VN_CMD_TETHER_RESTART:
        m->free_fn = free_tether_restart;
        break;
    case VN_CMD_MEMBER_STUN:
        m->free_fn = free_member_stun;
        break;
    case VN_CMD_TETHER_SEND:
        m->free_fn = free_tether_send;
        break;
    case VN_CMD_TX_OPEN:
        m->free_fn = free_tx_open;
        break;
    case VN_CMD_RX_OPEN:
        m->free_fn = free_rx_open;
        break;
    case VN_CMD_TX_KEM:
    case VN_CMD_RX_KEM:
        m->free_fn = free_cmd_kem;
        break;
    case VN_EV_TX_KEM:
    case VN_EV_RX_KEM:
        m->free_fn = free_ev_kem;
        break;
    case VN_EV_TETHER_MESSAGE:
        m->free_fn = free_tether_message;
        break;
    case VN_EV_STATS:
        m->free_fn = free_stats;
        break;
    case VN_CREW_LANE:
        m->free_fn = free_lane;
        break;
    case VN_CREW_TO_OPEN:
    case VN_CREW_SEALED:
        m->free_fn = free_crew_frame;
        break;
    default:
        m->free_fn = free_plain;
        break;
    }
    *(struct vn_post_msg **)ret_msg = m;
    return VN_OK;
}

vn_status vn_post_msg_copy(const struct vn_post_msg *m, size_t size, void *ret_msg)
{
    struct vn_post_msg *copy;
    const vn_status st = vn_post_msg_new(m->type, size, &copy);
    if (st != VN_OK)
        return st;
    memcpy(copy + 1, m + 1, size - sizeof(*m));
    *(struct vn_post_msg **)ret_msg = copy;
    return VN_OK;
}

void vn_post_msg_free(struct vn_post_msg *m)
{
    if (m)
        m->free_fn(m);
}

const char *vn_worker_drop_name(enum vn_worker_drop d)
{
    static const char *const names[VN_DROP_COUNT] = {
        [VN_DROP_TUN_MALFORMED] = "tun_malformed",
        [VN_DROP_NO_ROUTE] = "no_route",
        [VN_DROP_QUEUE_FULL] = "queue_full",
        [VN_DROP_CODEL] = "codel",
        [VN_DROP_REJECTED] = "rejected",
        [VN_DROP_EGRESS_GONE] = "egress_gone",
        [VN_DROP_HOP_MALFORMED] = "hop_malformed",
        [VN_DROP_LABEL_UNKNOWN] = "label_unknown",
        [VN_DROP_EARLY_FULL] = "early_full",
        [VN_DROP_FRAME_MALFORMED] = "frame_malformed",
        [VN_DROP_EPOCH_UNKNOWN] = "epoch_unknown",
        [VN_DROP_REPLAY] = "replay",
        [VN_DROP_TAG] = "tag",
        [VN_DROP_INNER_SOURCE] = "inner_source",
        [VN_DROP_INNER_DEST] = "inner_destination",
        [VN_DROP_INNER_MALFORMED] = "inner_malformed",
        [VN_DROP_TUN_FULL] = "tun_full",
        [VN_DROP_CREDIT] = "credit",
        [VN_DROP_RELAY_FULL] = "relay_full",
        [VN_DROP_RELAY_GONE] = "relay_gone",
        [VN_DROP_CREW_FULL] = "crew_full",
    };
    return (unsigned)d < VN_DROP_COUNT ? names[d] : "unknown";
}

const char *vn_tether_drop_name(enum vn_tether_drop d)
{
    static const char *const names[VN_TDROP_COUNT] = {
        [VN_TDROP_STUN_MALFORMED] = "stun_malformed",
        [VN_TDROP_STUN_AUTH] = "stun_auth",
        [VN_TDROP_STUN_UNKNOWN] = "stun_unknown",
        [VN_TDROP_STRANGER] = "stranger",
        [VN_TDROP_KIND] = "kind",
        [VN_TDROP_EARLY] = "early",
        [VN_TDROP_RECORD] = "record",
        [VN_TDROP_CHANNEL] = "channel",
        [VN_TDROP_LIMIT] = "limit",
        [VN_TDROP_SEND] = "send",
        [VN_TDROP_PUBLIC_STRANGER] = "public_stranger",
        [VN_TDROP_PUBLIC_RATE] = "public_rate",
    };
    return (unsigned)d < VN_TDROP_COUNT ? names[d] : "unknown";
}

static const char *const filters[] = {
    [VN_CANDIDATES_ALL] = "all",
    [VN_CANDIDATES_REFLEXIVE] = "reflexive",
    [VN_CANDIDATES_RELAY] = "relay",
};

const char *vn_candidate_filter_name(enum vn_candidate_filter f)
{
    return (unsigned)f < VN_ARRAY_LEN(filters) ? filters[f] : "unknown";
}

bool vn_candidate_filter_of(const char *text, enum vn_candidate_filter *ret)
{
    for (unsigned i = 0; i < VN_ARRAY_LEN(filters); i++)
        if (strcmp(text, filters[i]) == 0) {
            *ret = (enum vn_candidate_filter)i;
            return true;
        }
    return false;
}
