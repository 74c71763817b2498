#include "core/peer.h"

#include "core/node_i.h"

vn_status vn_peers_init(struct vn_node *n)
{
    vn_list_init(&n->peers.lru);
    vn_status st = vn_map_new(sizeof(struct vn_id), VN_DESCRIPTORS_MAX, &n->peers.by_id);
    if (st != VN_OK)
        return st;
    return vn_map_new(sizeof(struct vn_ip), (size_t)VN_DESCRIPTORS_MAX * VN_CERT_ADDRS_MAX,
                      &n->peers.by_ip);
}

static void forget_addrs(struct vn_node *n, const struct vn_peer *p)
{
    for (size_t i = 0; p->cert && i < p->cert->addr_count; i++) {
        if (vn_map_get(n->peers.by_ip, &p->cert->addrs[i]) == p)
            (void)vn_map_take(n->peers.by_ip, &p->cert->addrs[i]);
    }
}

/* Nothing live hangs on it any more. */
static void peer_free(struct vn_node *n, struct vn_peer *p)
{
    assert(!p->tx && !p->hop && vn_list_empty(&p->rxs) && vn_list_empty(&p->dests));
    forget_addrs(n, p);
    (void)vn_map_take(n->peers.by_id, &p->id);
    vn_list_remove(&p->lru);
    free(p->cert);
    vn_sig_pub_free(p->pub);
    free(p->descriptor.p);
    free(p);
}

void vn_peers_done(struct vn_node *n)
{
    if (n->peers.by_id) {
        VN_LIST_EACH(it, &n->peers.lru)
        peer_free(n, VN_LIST_ENTRY(it, struct vn_peer, lru));
    }
    n->peers.by_id = vn_map_free(n->peers.by_id);
    n->peers.by_ip = vn_map_free(n->peers.by_ip);
}

struct vn_peer *vn_peer_get(struct vn_node *n, const struct vn_id *id)
{
    return vn_map_get(n->peers.by_id, id);
}

struct vn_peer *vn_peer_by_ip(struct vn_node *n, const struct vn_ip *ip)
{
    return vn_map_get(n->peers.by_ip, ip);
}

bool vn_peer_unused(const struct vn_peer *p)
{
    return !p->tx && !p->hop && vn_list_empty(&p->rxs) && vn_list_empty(&p->dests);
}

bool vn_peer_fresh(const struct vn_node *n, const struct vn_peer *p)
{
    return p->eks_len > 0 && p->eks_until_ms > n->now_ms &&
           vn_hash_equal(&p->eks_cert_hash, &p->cert_hash) &&
           p->cert->not_after_ms > vn_protocol_now(n);
}

void vn_peer_drop_descriptor(struct vn_peer *p)
{
    p->eks_len = 0;
    p->desc_hash.n = 0;
    free(p->descriptor.p);
    p->descriptor = (struct vn_blob){0};
}

static bool owns_address(const struct vn_node *n, const struct vn_peer *p)
{
    for (size_t i = 0; i < p->cert->addr_count; i++) {
        if (vn_map_get(n->peers.by_ip, &p->cert->addrs[i]) == p)
            return true;
    }
    return p->cert->addr_count == 0;
}

void vn_peers_sweep(struct vn_node *n)
{
    VN_LIST_EACH(it, &n->peers.lru)
    {
        struct vn_peer *p = VN_LIST_ENTRY(it, struct vn_peer, lru);
        bool owner = owns_address(n, p);
        /* Whatever it sent once is refused from then on, so no time of an M1 need be kept. */
        if (owner && p->cert->not_after_ms > vn_protocol_now(n) &&
            !vn_revocation_refuses_node(n, &p->id)) {
            p->ended_ms = 0;
            continue;
        }
        if (!p->ended_ms)
            p->ended_ms = n->now_ms;
        if (vn_peer_unused(p) &&
            (!owner || n->now_ms - p->ended_ms >= (uint64_t)VN_LOST_SHARE * VN_UNREACHABLE_MS))
            peer_free(n, p);
    }
}

static bool make_room(struct vn_node *n)
{
    if (vn_map_count(n->peers.by_id) < VN_DESCRIPTORS_MAX)
        return true;
    VN_LIST_EACH(it, &n->peers.lru)
    {
        struct vn_peer *p = VN_LIST_ENTRY(it, struct vn_peer, lru);
        /* The time of its last M1 must be remembered as long as that M1 could be replayed. */
        if (vn_peer_unused(p) &&
            (!p->tai_in_at_ms || n->now_ms - p->tai_in_at_ms > 2 * VN_ENVELOPE_FRESH_MS)) {
            peer_free(n, p);
            return true;
        }
    }
    return false;
}

static struct vn_peer *peer_make(struct vn_node *n, const struct vn_id *id)
{
    if (!make_room(n))
        return NULL;
    struct vn_peer *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->id = *id;
    p->headroom = UINT16_MAX;
    vn_bucket_init(&p->wants, VN_REVOCATION_WANT_BURST, n->now_ms);
    vn_bucket_init(&p->refusals, VN_REFUSAL_BURST, n->now_ms);
    vn_list_init(&p->lru);
    vn_list_init(&p->rxs);
    vn_list_init(&p->dests);
    if (vn_map_put(n->peers.by_id, id, p) != VN_OK) {
        free(p);
        return NULL;
    }
    vn_list_append(&n->peers.lru, &p->lru);
    return p;
}

/* ---- checking: costs 162 µs a signature, so what was verified is found by its hash ---- */

void vn_checked_cert_done(struct vn_checked_cert *c)
{
    if (!c->cached) {
        free(c->id);
        vn_sig_pub_free(c->pub);
    }
    *c = (struct vn_checked_cert){0};
}

bool vn_cert_cached(struct vn_node *n, const struct vn_id *src, const struct vn_hash *hash,
                    struct vn_checked_cert *ret)
{
    struct vn_peer *p = vn_peer_get(n, src);
    if (!p || !vn_hash_equal(&p->cert_hash, hash) || p->cert->not_after_ms <= vn_protocol_now(n))
        return false;
    *ret = (struct vn_checked_cert){
        .id = p->cert, .pub = p->pub, .hash = p->cert_hash, .cached = true};
    return true;
}

static vn_status checked_pub(struct vn_node *n, struct vn_checked_cert *c)
{
    return vn_sig_pub_new(n->suite->sig, (struct vn_span){c->id->pk, c->id->pk_len}, &c->pub);
}

vn_status vn_cert_check(struct vn_node *n, const struct vn_id *src, struct vn_span der,
                        struct vn_checked_cert *ret)
{
    struct vn_hash hash;
    vn_status st = vn_hash(n->suite->hash, VN_PARTS(der), &hash);
    if (st != VN_OK)
        return st;
    if (vn_cert_cached(n, src, &hash, ret))
        return VN_OK;
    VN_CLEANUP(vn_checked_cert_done) struct vn_checked_cert c = {.hash = hash};
    c.id = calloc(1, sizeof(*c.id));
    if (!c.id)
        return VN_ERR_NOMEM;
    vn_turns_spend(n, VN_TURN_SIGNATURE);
    st = vn_x509_check_identity_key(der, n->session.issuing, &n->cfg.realm, vn_protocol_now(n),
                                    c.id, &c.pub);
    if (st != VN_OK)
        return st;
    if (!vn_id_equal(&c.id->node, src) || c.id->alg != n->suite->sig)
        return VN_ERR_AUTH;
    *ret = c;
    c = (struct vn_checked_cert){0};
    return VN_OK;
}

vn_status vn_desc_check(struct vn_node *n, const struct vn_id *src, struct vn_span bytes,
                        struct vn_checked_desc *ret)
{
    struct vn_hash hash;
    vn_status st = vn_hash(n->suite->hash, VN_PARTS(bytes), &hash);
    if (st != VN_OK)
        return st;
    struct vn_peer *p = vn_peer_get(n, src);
    if (p && vn_peer_fresh(n, p) && vn_hash_equal(&p->desc_hash, &hash)) {
        *ret = (struct vn_checked_desc){.hash = hash, .until_ms = p->eks_until_ms, .cached = true};
        ret->cert = (struct vn_checked_cert){
            .id = p->cert, .pub = p->pub, .hash = p->cert_hash, .cached = true};
        return VN_OK;
    }
    struct vn_descriptor *d = calloc(1, sizeof(*d));
    if (!d)
        return VN_ERR_NOMEM;
    VN_CLEANUP(vn_checked_cert_done) struct vn_checked_cert c = {0};
    vn_turns_spend(n, 2 * VN_TURN_SIGNATURE); /* its certificate's and its own */
    st = vn_descriptor_check(bytes, n->suite, &n->cfg.realm, n->session.issuing, vn_protocol_now(n),
                             d);
    if (st == VN_OK && !vn_id_equal(&d->identity.node, src))
        st = VN_ERR_AUTH;
    if (st == VN_OK)
        st = vn_hash(n->suite->hash, VN_PARTS(d->cert), &c.hash);
    if (st == VN_OK) {
        c.id = malloc(sizeof(*c.id));
        st = c.id ? VN_OK : VN_ERR_NOMEM;
    }
    if (st == VN_OK) {
        *c.id = d->identity;
        st = checked_pub(n, &c);
    }
    struct vn_place place;
    if (st == VN_OK && d->coordinates.n)
        st = vn_place_decode(d->coordinates, &place);
    if (st == VN_OK) {
        uint64_t until = vn_local_time(n, d->eks_until_ms);
        *ret =
            (struct vn_checked_desc){.cert = c,
                                     .hash = hash,
                                     .eks = d->eks,
                                     .bytes = bytes,
                                     .until_ms = VN_MIN(until, n->now_ms + VN_DESCRIPTOR_LIFE_MS),
                                     .placed = d->coordinates.n > 0,
                                     .near_count = d->relay_count};
        if (ret->placed)
            ret->place = place;
        memcpy(ret->near, d->relays, sizeof(ret->near));
        c = (struct vn_checked_cert){0};
    }
    free(d);
    return st;
}

vn_status vn_peer_check_statement(struct vn_node *n, const struct vn_identity *id,
                                  struct vn_span bytes, struct vn_checked_statement *ret)
{
    struct vn_checked_statement s;
    vn_status st = vn_hash(n->suite->hash, VN_PARTS(bytes), &s.hash);
    if (st != VN_OK)
        return st;
    const struct vn_peer *p = vn_peer_get(n, &id->node);
    if (p && p->has_statement && vn_hash_equal(&p->statement_hash, &s.hash) &&
        p->statement.not_after_ms > vn_protocol_now(n)) {
        if (vn_revocation_refuses_statement(n, &id->node, p->statement.number))
            return VN_ERR_EXPIRED;
        ret->st = p->statement;
        ret->hash = s.hash;
        return VN_OK;
    }
    vn_turns_spend(n, VN_TURN_SIGNATURE);
    st = vn_statement_check(bytes, n->session.command, n->suite, &n->cfg.realm, vn_protocol_now(n),
                            &s.st);
    if (st != VN_OK)
        return st;
    struct vn_hash pk_hash;
    st = vn_hash(n->suite->hash, VN_PARTS(VN_SPAN(id->pk, id->pk_len)), &pk_hash);
    if (st != VN_OK)
        return st;
    if (!vn_id_equal(&s.st.node, &id->node) || !vn_hash_equal(&s.st.pk_hash, &pk_hash))
        return VN_ERR_AUTH;
    if ((p && p->has_statement && s.st.number < p->statement.number) ||
        vn_revocation_refuses_statement(n, &id->node, s.st.number))
        return VN_ERR_EXPIRED;
    *ret = s;
    return VN_OK;
}

void vn_peer_learn_statement(struct vn_peer *p, const struct vn_checked_statement *s,
                             uint32_t generation)
{
    p->statement_generation = generation;
    p->has_statement = true;
    p->statement = s->st;
    p->statement_hash = s->hash;
}

/* ---- learning ---- */

/* Another node has one of these addresses, by a newer certificate. */
static bool superseded(struct vn_node *n, const struct vn_identity *id)
{
    for (size_t i = 0; i < id->addr_count; i++) {
        const struct vn_peer *owner = vn_peer_by_ip(n, &id->addrs[i]);
        if (owner && !vn_id_equal(&owner->id, &id->node) &&
            owner->cert->not_before_ms > id->not_before_ms)
            return true;
    }
    return false;
}

/* A login supersedes that node's previous life: what we hold for the older certificate goes at
 * once. */
static vn_status take_addresses(struct vn_node *n, struct vn_peer *p)
{
    for (size_t i = 0; i < p->cert->addr_count; i++) {
        struct vn_peer *old = vn_peer_by_ip(n, &p->cert->addrs[i]);
        if (old == p)
            continue;
        if (old) {
            vn_log(VN_LOG_DEBUG, "peer_superseded", VN_KV_ID("peer", &old->id),
                   VN_KV_ID("by", &p->id));
            forget_addrs(n, old);
            vn_peer_drop_descriptor(old);
            vn_dests_move(n, old, p);
            vn_streams_close_peer(n, old, VN_CLOSE_SUPERSEDED);
            vn_hops_close_peer(n, old);
        }
        (void)vn_map_take(n->peers.by_ip, &p->cert->addrs[i]);
        vn_status st = vn_map_put(n->peers.by_ip, &p->cert->addrs[i], p);
        if (st != VN_OK)
            return st;
    }
    return VN_OK;
}

static void touch(struct vn_node *n, struct vn_peer *p)
{
    vn_list_remove(&p->lru);
    vn_list_append(&n->peers.lru, &p->lru);
}

struct vn_peer *vn_peer_learn_cert(struct vn_node *n, struct vn_checked_cert *c)
{
    if (superseded(n, c->id)) {
        vn_drop(n, VN_NDROP_CERT);
        return NULL;
    }
    struct vn_peer *p = vn_peer_get(n, &c->id->node);
    if (p && (c->cached || p->cert->not_before_ms > c->id->not_before_ms)) {
        touch(n, p);
        return p; /* an older certificate of the same key is still good for what it signed */
    }
    bool fresh = !p;
    if (!p)
        p = peer_make(n, &c->id->node);
    if (!p) {
        vn_drop(n, VN_NDROP_LIMIT);
        return NULL;
    }
    forget_addrs(n, p);
    free(p->cert);
    vn_sig_pub_free(p->pub);
    p->cert = c->id;
    p->pub = c->pub;
    p->cert_hash = c->hash;
    c->id = NULL;
    c->pub = NULL;
    c->cached = true;
    if (take_addresses(n, p) != VN_OK && fresh && vn_peer_unused(p)) {
        vn_drop(n, VN_NDROP_LIMIT);
        peer_free(n, p);
        return NULL;
    }
    touch(n, p);
    return p;
}

/* Without memory no relay learns of it: the descriptor is good all the same. */
static void keep_bytes(struct vn_peer *p, struct vn_span bytes)
{
    free(p->descriptor.p);
    p->descriptor = (struct vn_blob){.p = malloc(bytes.n)};
    if (!p->descriptor.p)
        return;
    memcpy(p->descriptor.p, bytes.p, bytes.n);
    p->descriptor.n = bytes.n;
}

struct vn_peer *vn_peer_learn_desc(struct vn_node *n, struct vn_checked_desc *d)
{
    struct vn_hash cert_hash = d->cert.hash;
    struct vn_peer *p = vn_peer_learn_cert(n, &d->cert);
    if (p && d->generation)
        p->generation = d->generation;
    if (!p || d->cached)
        return p;
    if (!vn_hash_equal(&p->cert_hash, &cert_hash) || d->eks.n > sizeof(p->eks))
        return p;
    uint8_t kid[VN_KID_LEN];
    if (vn_kid(n->suite->hash, d->eks, kid) != VN_OK)
        return p;
    memcpy(p->eks, d->eks.p, d->eks.n);
    p->eks_len = d->eks.n;
    memcpy(p->kid, kid, sizeof(kid));
    p->eks_cert_hash = cert_hash;
    p->eks_until_ms = d->until_ms;
    p->desc_hash = d->hash;
    keep_bytes(p, d->bytes);
    p->near_count = d->near_count;
    memcpy(p->near, d->near, sizeof(p->near));
    if (d->placed)
        vn_places_on_descriptor(n, p, &d->place);
    return p;
}
