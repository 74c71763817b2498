/*
 * timer        armed by                                disarmed by   fires
 * member_stun  servers or keys came, for the moment    end           tells the worker the keys that
 *              at which other hours count                            count then
 */
#include "core/member_stun.h"

#include "core/node_i.h"

static void on_timer(void *arg)
{
    vn_member_stun_tell(arg);
}

void vn_member_stun_init(struct vn_node *n)
{
    vn_timer_init(&n->member_stun, on_timer, n);
}

void vn_member_stun_done(struct vn_node *n)
{
    vn_timer_disarm(&n->timers, &n->member_stun);
}

vn_status vn_node_stun_keys(const struct vn_node *n, struct vn_stun_keys *ret)
{
    const struct vn_credentials *c = n->session.cred;
    uint64_t until_ms;
    if (!c)
        return VN_ERR_STATE;
    return vn_stun_keys_make(n->suite->hash, &c->hour_keys, vn_protocol_now(n), ret, &until_ms);
}

void vn_member_stun_tell(struct vn_node *n)
{
    const struct vn_credentials *c = n->session.cred;
    vn_timer_disarm(&n->timers, &n->member_stun);
    if (!c || n->state != VN_NODE_ONLINE || (!n->cfg.public && c->realm.member_stun_count == 0))
        return;
    VN_CLEANUP(vn_stun_keys_wipe) struct vn_stun_keys keys;
    uint64_t until_ms;
    if (vn_stun_keys_make(n->suite->hash, &c->hour_keys, vn_protocol_now(n), &keys, &until_ms) !=
        VN_OK) {
        vn_log(VN_LOG_ERROR, "stun_keys_failed", VN_KV_STATUS(VN_ERR_CRYPTO));
        return;
    }
    vn_tell_member_stun(n, &keys);
    vn_timer_arm(&n->timers, &n->member_stun, vn_local_time(n, until_ms));
}
