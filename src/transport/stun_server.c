#include "transport/stun_server.h"

#include "transport/stun.h"

vn_status vn_stun_server_init(struct vn_stun_server *s, const struct vn_random *random,
                              uint64_t now_us)
{
    memset(s, 0, sizeof(*s));
    for (size_t i = 0; i < VN_ARRAY_LEN(s->sources); i++)
        s->sources[i] =
            (struct vn_stun_bucket){.at_us = now_us, .milli = VN_STUN_SOURCE_BURST * 1000};
    s->all = (struct vn_stun_bucket){.at_us = now_us, .milli = VN_STUN_ALL_RATE * 1000};
    return random->fill(random->self, &s->salt, sizeof(s->salt));
}

void vn_stun_server_wipe(struct vn_stun_server *s)
{
    vn_wipe(s, sizeof(*s));
}

/* ---- how much ---- */

static bool take(struct vn_stun_bucket *b, uint64_t rate, uint64_t burst, uint64_t now_us)
{
    const uint64_t passed_us = VN_MIN(now_us - b->at_us, UINT64_C(1000000));
    const uint64_t gained = passed_us * rate / 1000;
    if (gained > 0) { /* shorter times add up first */
        b->milli = (uint32_t)VN_MIN(b->milli + gained, burst * 1000);
        b->at_us = now_us;
    }
    if (b->milli < 1000)
        return false;
    b->milli -= 1000;
    return true;
}

/* Mixes with the odd constant of SplitMix64; the salt is what makes it unknown. */
static size_t slot_of(const struct vn_stun_server *s, const struct vn_ip *ip)
{
    const size_t first = vn_ip_is_v4(ip) ? 8 : 0; /* IPv4, or the /64 */
    uint64_t v;
    memcpy(&v, ip->b + first, sizeof(v));
    for (unsigned i = 0; i < 3; i++) {
        v = (v ^ s->salt) * UINT64_C(0xbf58476d1ce4e5b9);
        v ^= v >> 29;
    }
    return v % VN_ARRAY_LEN(s->sources);
}

/* ---- what ---- */

static vn_status answer(const struct vn_stun_key *key, const struct vn_addr *from,
                        const struct vn_stun_txid *txid, uint8_t *room, struct vn_span *ret)
{
    struct vn_writer w = vn_writer_of(room, VN_STUN_ANSWER_MAX);
    vn_stun_begin(&w, VN_STUN_SUCCESS, VN_STUN_BINDING, txid);
    vn_stun_put_mapped(&w, from, txid);
    return vn_stun_end(&w, VN_SPAN_ARRAY(key->key.b), ret);
}

enum vn_stun_verdict vn_stun_server_input(struct vn_stun_server *s, const struct vn_addr *from,
                                          struct vn_span datagram, uint64_t now_us, uint8_t *room,
                                          struct vn_span *ret, bool *ret_other_port)
{
    struct vn_stun_msg m;
    const struct vn_stun_key *key;
    if (datagram.n > VN_STUN_QUESTION_MAX || vn_stun_decode(datagram, &m) != VN_OK ||
        m.cls != VN_STUN_REQUEST || m.method != VN_STUN_BINDING || m.unknown_count ||
        !m.has_fingerprint || !m.has_integrity || (m.change & ~(uint32_t)VN_STUN_CHANGE_PORT) ||
        from->port == 0 || !(key = vn_stun_keys_find(&s->keys, m.username)))
        return VN_STUN_STRANGER;
    if (!take(&s->sources[slot_of(s, &from->ip)], VN_STUN_SOURCE_RATE, VN_STUN_SOURCE_BURST,
              now_us) ||
        !take(&s->all, VN_STUN_ALL_RATE, VN_STUN_ALL_RATE, now_us))
        return VN_STUN_RATE;
    if (vn_stun_verify(&m, VN_SPAN_ARRAY(key->key.b)) != VN_OK ||
        answer(key, from, &m.txid, room, ret) != VN_OK || ret->n > datagram.n)
        return VN_STUN_STRANGER;
    *ret_other_port = m.change & VN_STUN_CHANGE_PORT;
    return VN_STUN_ANSWER;
}
