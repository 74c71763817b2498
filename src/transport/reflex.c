#include "transport/reflex.h"

#include "transport/netif.h"
#include "transport/udp.h"

void vn_reflex_ask(struct vn_reflex *r, const struct vn_random *random, size_t local,
                   const struct vn_addr *local_addr, const struct vn_addr *server,
                   const struct vn_stun_key *key, uint64_t now_us)
{
    struct vn_reflex_query q = {.local = local, .server = *server, .next_us = now_us};
    if (r->count == VN_ARRAY_LEN(r->queries) ||
        vn_ip_is_v4(&local_addr->ip) != vn_ip_is_v4(&server->ip) ||
        vn_addr_is_link_local(local_addr) ||
        random->fill(random->self, q.txid.b, sizeof(q.txid.b)) != VN_OK)
        return;
    if (key) {
        q.member = true;
        q.key = *key;
    }
    r->queries[r->count++] = q;
    vn_wipe(&q.key, sizeof(q.key));
}

void vn_reflex_wipe(struct vn_reflex *r)
{
    vn_wipe(r, sizeof(*r));
}

static vn_status encode(const struct vn_reflex_query *q, struct vn_writer *w, struct vn_span *ret)
{
    uint8_t name[VN_STUN_USERNAME_LEN];
    vn_stun_begin(w, VN_STUN_REQUEST, VN_STUN_BINDING, &q->txid);
    if (!q->member)
        return vn_stun_end(w, VN_SPAN_NONE, ret);
    vn_stun_key_username(&q->key, name);
    vn_stun_put_username(w, VN_SPAN_ARRAY(name));
    vn_stun_put_filler(w, 8); /* so that the answer is not longer */
    return vn_stun_end(w, VN_SPAN_ARRAY(q->key.key.b), ret);
}

void vn_reflex_tick(struct vn_reflex *r, uint64_t now_us, void *arg,
                    void (*send)(void *arg, size_t local, const struct vn_addr *to,
                                 struct vn_span datagram))
{
    for (size_t i = 0; i < r->count; i++) {
        struct vn_reflex_query *q = &r->queries[i];
        if (q->over || now_us < q->next_us)
            continue;
        if (q->sent == VN_REFLEX_TRANSMISSIONS) {
            q->over = true;
            continue;
        }
        uint8_t buf[128];
        struct vn_writer w = vn_writer_of(buf, sizeof(buf));
        struct vn_span out;
        q->next_us = now_us + ((uint64_t)VN_ICE_RTO_US << q->sent);
        q->sent++;
        if (encode(q, &w, &out) == VN_OK)
            send(arg, q->local, &q->server, out);
    }
}

uint64_t vn_reflex_deadline(const struct vn_reflex *r)
{
    uint64_t at = UINT64_MAX;
    for (size_t i = 0; i < r->count; i++)
        if (!r->queries[i].over)
            at = VN_MIN(at, r->queries[i].next_us);
    return at;
}

bool vn_reflex_input(struct vn_reflex *r, size_t local, const struct vn_addr *from,
                     struct vn_span datagram, struct vn_addr *ret_mapped)
{
    struct vn_stun_msg m;
    if (r->count == 0 || vn_stun_decode(datagram, &m) != VN_OK || m.method != VN_STUN_BINDING ||
        (m.cls != VN_STUN_SUCCESS && m.cls != VN_STUN_ERROR))
        return false;
    for (size_t i = 0; i < r->count; i++) {
        struct vn_reflex_query *q = &r->queries[i];
        if (q->over || q->local != local || !vn_addr_equal(&q->server, from) ||
            memcmp(&q->txid, &m.txid, sizeof(m.txid)) != 0)
            continue;
        if (q->member && vn_stun_verify(&m, VN_SPAN_ARRAY(q->key.key.b)) != VN_OK)
            return false;
        q->over = true;
        *ret_mapped =
            m.cls == VN_STUN_SUCCESS && m.has_mapped ? m.mapped : (struct vn_addr){.port = 0};
        return true;
    }
    return false;
}
