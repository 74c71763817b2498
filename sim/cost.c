#include "base/attr.h"
#include "net_i.h"

#define PACKET_BYTES 1200
#define FORWARD_US 50
#define QUEUE_MAX_US 100000
#define LIAR_US 30000

/* What waits at a relay that is loaded so: as in an M/M/1 queue of packets that take 1 ms at most;
 * over its capacity a full queue, and the rest is lost. */
static void congest(const struct sim_net *n, const struct sim_node *r, uint32_t more_kbps,
                    struct vn_ccx_sample *s)
{
    if (!n->c.finite)
        return;
    uint64_t load = (uint64_t)r->load_kbps + more_kbps;
    if (load >= r->capacity_kbps) {
        s->delay_us += QUEUE_MAX_US;
        s->loss_q16 = (uint32_t)((load - r->capacity_kbps) * VN_Q16 / load);
        return;
    }
    uint64_t us = 1000 * load / (r->capacity_kbps - load);
    s->delay_us += (uint32_t)VN_MIN(us, (uint64_t)QUEUE_MAX_US);
}

uint32_t sim_cost(struct sim_net *n, const struct sim_flow *f, uint64_t key, bool probe,
                  uint32_t *ret_first_rtt_us)
{
    struct vn_ccx_sample s = {0};
    if (key == SIM_DIRECT_KEY) {
        uint32_t rtt = sim_geo_rtt_us(n->geo, f->from, f->to, n->now_ms);
        *ret_first_rtt_us = rtt;
        s.delay_us = rtt / 2;
        return rtt ? vn_ccx_cost(&s, PACKET_BYTES) : SIM_DEAD;
    }
    uint32_t relay = sim_node_of(key);
    struct sim_node *r = &n->nodes[relay];
    *ret_first_rtt_us = 0;
    if (!sim_is_there(n, key) || (r->hole && !probe))
        return SIM_DEAD;
    uint32_t first = sim_geo_rtt_us(n->geo, f->from, relay, n->now_ms);
    *ret_first_rtt_us = first;
    uint32_t second = first ? sim_geo_rtt_us(n->geo, relay, f->to, n->now_ms) : 0;
    if (!first || !second)
        return SIM_DEAD;
    s.delay_us = (first + second) / 2 + FORWARD_US + (r->liar ? LIAR_US : 0);
    congest(n, r, f->carried_by == key || probe ? 0 : f->kbps, &s);
    return vn_ccx_cost(&s, PACKET_BYTES);
}

void sim_account(struct sim_net *n, struct sim_node *r)
{
    double ms = n->now_ms - r->load_ms;
    r->load_bytes += (uint64_t)(ms * r->load_kbps / 8);
    r->load_ms = n->now_ms;
    double before = r->over_ms;
    r->over_ms = r->load_kbps > r->capacity_kbps ? before + ms : 0;
    if (!n->counts || !n->c.finite || r->load_kbps == 0)
        return;
    n->relay_ms += ms;
    if (r->over_ms > 0) {
        n->crowded_ms += ms;
        n->overloaded_ms += fmax(0, r->over_ms - fmax(before, SIM_CROWD_MS));
    }
}

void sim_carry(struct sim_net *n, struct sim_flow *f, uint64_t key)
{
    if (key == f->carried_by)
        return;
    if (f->carried_by) {
        struct sim_node *old = &n->nodes[sim_node_of(f->carried_by)];
        sim_account(n, old);
        old->load_kbps -= VN_MIN(old->load_kbps, f->kbps);
    }
    f->carried_by = key;
    if (key) {
        struct sim_node *r = &n->nodes[sim_node_of(key)];
        sim_account(n, r);
        r->load_kbps += f->kbps;
        r->serves = true;
    }
}

uint32_t sim_headroom(struct sim_net *n, uint64_t key)
{
    struct sim_node *r = &n->nodes[sim_node_of(key)];
    if (!n->c.finite || r->liar)
        return VN_Q16;
    sim_account(n, r);
    uint64_t now_us = (uint64_t)(n->now_ms * 1000);
    if (now_us >= r->headroom.at_us + 1000000)
        vn_headroom_look(&r->headroom, r->load_bytes, r->capacity_kbps, now_us);
    return r->headroom.headroom_q16;
}
