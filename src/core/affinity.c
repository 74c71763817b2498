#include "core/affinity.h"

#include "anchor.pb-c.h"
#include "core/node_i.h"

static void decide(struct vn_node *n, const struct vn_own_identity *ids, size_t count,
                   const struct vn_statement *own, const struct vn_statement *peer,
                   bool own_is_initiator, struct vn_affinity_match *ret)
{
    uint64_t now = vn_protocol_now(n);
    if (peer->not_after_ms <= now || own->not_after_ms <= now ||
        vn_affinity_decide(n->suite, n->session.cred->realm.access, ids, count, own, peer,
                           own_is_initiator, ret) != VN_OK)
        *ret = (struct vn_affinity_match){0};
}

bool vn_affinity_allows(struct vn_node *n, const struct vn_statement *peer, bool own_is_initiator,
                        uint32_t *generation, struct vn_affinity_match *ret)
{
    const struct vn_credentials *c = n->session.cred;
    const struct vn_generations *g = &n->generations;
    uint32_t wanted = generation ? *generation : 0, used = vn_generation_now(n);
    struct vn_affinity_match m = {0}, other = {0};
    if (!wanted || wanted == used)
        decide(n, c->identities, c->identity_count, &n->session.statement, peer, own_is_initiator,
               &m);
    /* A statement is of one generation, and under that one at least as much of it matches. */
    if (g->other && (!wanted || wanted == g->hours.generation))
        decide(n, g->identities, g->identity_count, &g->statement, peer, own_is_initiator, &other);
    if (other.count > m.count) {
        m = other;
        used = g->hours.generation;
    }
    if (generation && !wanted)
        *generation = used;
    if (ret)
        *ret = m;
    return m.allowed;
}

/* ---- deciding anew ---- */

static bool peer_allowed(struct vn_node *n, const struct vn_peer *p)
{
    return p->has_statement && !vn_revocation_overdue(n, p) && !vn_quarantine_refuses(n, p->cert) &&
           vn_affinity_allows(n, &p->statement, false, NULL, NULL);
}

void vn_affinity_recheck_peer(struct vn_node *n, struct vn_peer *p)
{
    if (!p->tx && vn_list_empty(&p->rxs))
        return;
    /* A stream whose handshake has not brought the peer's statement yet is decided by that
     * handshake. */
    if (!p->has_statement || peer_allowed(n, p)) {
        vn_streams_rearm_life(n, p);
        return;
    }
    vn_log(VN_LOG_DEBUG, "affinity_lost", VN_KV_ID("peer", &p->id));
    vn_streams_close_peer(n, p, VN_CLOSE_NOT_ALLOWED);
    vn_peer_drop_descriptor(p); /* the next packet asks first whether we may talk again */
}

/* certificate: a renewal changed it, and streams live no longer than the one that is known. */
static void tell_peer(struct vn_node *n, struct vn_peer *p, bool certificate)
{
    Vn__StatementUpdate u = VN__STATEMENT_UPDATE__INIT;
    Vn__StreamControl m = VN__STREAM_CONTROL__INIT;
    const struct vn_blob *st = &n->session.cred->statement;
    u.statement = (ProtobufCBinaryData){st->n, st->p};
    u.generation = vn_generation_now(n);
    const struct vn_blob *cert = &n->session.cred->certificate;
    if (certificate)
        u.certificate = (ProtobufCBinaryData){cert->n, cert->p};
    m.kind_case = VN__STREAM_CONTROL__KIND_STATEMENT;
    m.statement = &u;
    if (p->tx)
        vn_ctl_send(n, p->tx, &m);
    VN_LIST_EACH(it, &p->rxs)
    vn_ctl_send(n, VN_LIST_ENTRY(it, struct vn_stream, of_peer), &m);
}

void vn_affinity_tell_peers(struct vn_node *n)
{
    VN_LIST_EACH(it, &n->peers.lru)
    tell_peer(n, VN_LIST_ENTRY(it, struct vn_peer, lru), false);
}

void vn_affinity_changed(struct vn_node *n, bool same_identities, bool certificate)
{
    VN_LIST_EACH(it, &n->peers.lru)
    {
        struct vn_peer *p = VN_LIST_ENTRY(it, struct vn_peer, lru);
        if (!p->tx && vn_list_empty(&p->rxs))
            continue;
        tell_peer(n, p, certificate); /* before closing: the other end decides by it too */
        /* Who has not heard of a change of keys yet shows tags of a generation that is over. They
         * matched when they could be judged, and nothing of ours is different. */
        if (p->has_statement && !vn_generation_held(n, p->statement_generation) &&
            !vn_revocation_overdue(n, p)) {
            vn_streams_rearm_life(n, p);
            if (!same_identities) /* it answers with one that can be judged, or goes */
                vn_timer_arm(&n->timers, &n->generations.judge, n->now_ms + VN_REVOCATION_GRACE_MS);
        } else {
            vn_affinity_recheck_peer(n, p);
        }
    }
}

void vn_affinity_recheck(struct vn_node *n)
{
    VN_LIST_EACH(it, &n->peers.lru)
    vn_affinity_recheck_peer(n, VN_LIST_ENTRY(it, struct vn_peer, lru));
}

static void learn_certificate(struct vn_node *n, const struct vn_peer *p, struct vn_span der)
{
    VN_CLEANUP(vn_checked_cert_done) struct vn_checked_cert c = {0};
    if (vn_cert_check(n, &p->id, der, &c) != VN_OK)
        vn_drop(n, VN_NDROP_CERT);
    else
        (void)vn_peer_learn_cert(n, &c);
}

void vn_affinity_on_statement(struct vn_node *n, struct vn_stream *s, const void *body)
{
    const Vn__StatementUpdate *m = body;
    struct vn_peer *p = s->peer;
    struct vn_span bytes = VN_SPAN(m->statement.data, m->statement.len);
    uint32_t generation = m->generation;
    if (m->certificate.len)
        learn_certificate(n, p, VN_SPAN(m->certificate.data, m->certificate.len));
    /* Of a generation whose keys we lack: not to be judged, and as if it had not come. A peer gains
     * nothing by claiming that: statements below a published minimum end its streams all the same.
     */
    if (generation > vn_generation_now(n) && !vn_generation_held(n, generation)) {
        vn_generations_seen(n, generation, false);
        return;
    }
    bool behind = p->statement_generation && generation > p->statement_generation;
    struct vn_checked_statement st;
    if (vn_peer_check_statement(n, p->cert, bytes, &st) != VN_OK) {
        vn_drop(n, VN_NDROP_STATEMENT);
        return;
    }
    vn_peer_learn_statement(p, &st, generation);
    if (behind)
        tell_peer(n, p,
                  false); /* it could make nothing of ours, if we told it while it was behind */
    vn_affinity_recheck_peer(n, p);
}

/* ---- a new statement of our own ---- */

static vn_status replace_jwt(struct vn_node *n, const char *jwt)
{
    char *copy = strdup(jwt);
    if (!copy)
        return VN_ERR_NOMEM;
    vn_secret_strp(&n->session.cred->nats_jwt);
    n->session.cred->nats_jwt = copy;
    return VN_OK;
}

static vn_status install(struct vn_node *n, struct vn_span statement,
                         const struct vn_own_identity *ids, size_t count, const char *jwt,
                         uint32_t generation, struct vn_span other_keys)
{
    struct vn_session *s = &n->session;
    struct vn_credentials *c = s->cred;
    struct vn_statement st;
    vn_status r =
        vn_statement_check(statement, s->command, n->suite, &n->cfg.realm, vn_protocol_now(n), &st);
    if (r != VN_OK)
        return r;
    if (!vn_id_equal(&st.node, &s->self) || !vn_hash_equal(&st.pk_hash, &s->statement.pk_hash))
        return VN_ERR_AUTH;
    if (st.number < s->statement.number)
        return VN_ERR_EXPIRED;
    if (generation != vn_generation_now(n)) {
        vn_session_renew_soon(n); /* brings the hour keys that belong to it as well */
        return VN_OK;
    }
    if (count > VN_ARRAY_LEN(c->identities))
        return VN_ERR_LIMIT;
    uint8_t *copy = malloc(statement.n);
    if (!copy)
        return VN_ERR_NOMEM;
    memcpy(copy, statement.p, statement.n);
    free(c->statement.p);
    c->statement = (struct vn_blob){copy, statement.n};
    s->statement = st;
    vn_wipe(c->identities, sizeof(c->identities));
    memcpy(c->identities, ids, count * sizeof(*ids));
    c->identity_count = count;
    vn_generations_install(n, other_keys);
    if (jwt && *jwt && replace_jwt(n, jwt) == VN_OK)
        vn_session_connect(n);
    vn_own_subscribe(n);
    vn_affinity_changed(n, false, false);
    vn_dests_retry(n);
    return VN_OK;
}

static void on_taints(void *arg, const struct vn_taint_result *res,
                      const struct vn_authority_error *err)
{
    struct vn_node *n = arg;
    struct vn_affinity_change c = n->change;
    n->change.pending = false;
    struct vn_authority_error bad = {VN_ERR_MALFORMED,
                                     "the statement Guardian sent does not verify"};
    bool ok = !err || err->status == VN_OK;
    if (ok && res) {
        vn_status st = install(n, VN_SPAN(res->statement.p, res->statement.n), res->identities,
                               res->identity_count, res->nats_jwt, res->generation,
                               VN_SPAN(res->other_keys.p, res->other_keys.n));
        if (st != VN_OK) {
            vn_session_renew_soon(n); /* Guardian has changed it: the statement comes that way */
            ok = false;
            err = &bad;
        }
    }
    c.fn(c.arg, ok ? NULL : err);
}

vn_status vn_node_change_taints(struct vn_node *n, const char *const *add, size_t add_count,
                                const char *const *remove, size_t remove_count,
                                void (*fn)(void *arg, const struct vn_authority_error *err),
                                void *arg)
{
    if (n->state != VN_NODE_ONLINE || n->change.pending)
        return VN_ERR_STATE;
    n->change = (struct vn_affinity_change){.pending = true, .fn = fn, .arg = arg};
    vn_status st = n->cfg.authority->change_taints(n->cfg.authority->self, add, add_count, remove,
                                                   remove_count, on_taints, n);
    if (st != VN_OK)
        n->change.pending = false;
    return st;
}

size_t vn_node_taints(const struct vn_node *n, const char *ret[VN_TAINTS_MAX])
{
    size_t count = 0;
    const struct vn_credentials *c = n->session.cred;
    for (size_t i = 0; c && i < c->identity_count && count < VN_TAINTS_MAX; i++) {
        if (c->identities[i].kind == VN_KIND_TAINT)
            ret[count++] = c->identities[i].label;
    }
    return count;
}

void vn_affinity_on_update(struct vn_node *n, const void *body)
{
    const Vn__IdentityUpdate *u = body;
    struct vn_own_identity ids[VN_TAINTS_MAX + VN_SCOPES_MAX] = {0};
    if (u->n_identities > VN_ARRAY_LEN(ids)) {
        vn_drop(n, VN_NDROP_BODY);
        return;
    }
    bool ok = true;
    for (size_t i = 0; i < u->n_identities; i++) {
        const Vn__IdentityKey *k = u->identities[i];
        ok = ok && k->key.len == sizeof(ids[i].key.b) &&
             strlen(k->label) <= VN_IDENTITY_LABEL_MAX && k->kind >= VN_KIND_TAINT &&
             k->kind <= VN_KIND_OAUTH;
        if (!ok)
            break;
        ids[i].kind = (enum vn_identity_kind)k->kind;
        snprintf(ids[i].label, sizeof(ids[i].label), "%s", k->label);
        memcpy(ids[i].key.b, k->key.data, sizeof(ids[i].key.b));
    }
    if (!ok)
        vn_drop(n, VN_NDROP_BODY);
    else if (install(n, VN_SPAN(u->statement.data, u->statement.len), ids, u->n_identities,
                     u->nats_jwt, u->generation,
                     VN_SPAN(u->other_keys.data, u->other_keys.len)) != VN_OK)
        vn_drop(n, VN_NDROP_STATEMENT);
    vn_wipe(ids, sizeof(ids));
}
