/*
 * timer               armed by                          disarmed by        fires
 * generations.timer   the one before has an end         another one, end   forgets it
 * generations.judge   own identities changed while a    end                decides streams anew
 *                     peer shows an ended generation (1 s)
 */
#include "core/generation.h"

#include "core/node_i.h"

#define BEHIND_RENEWAL_MS 30000u /* who is behind renews within this: not all nodes at once */
/* And asks no more often: anyone may claim to be ahead. */
#define BEHIND_AGAIN_MS VN_PACED_MS(600000u, 30000u)
#define BEFORE_MARGIN_MS 10000u /* what is sent with the one before is answered before its end */

static void forget(struct vn_node *n)
{
    struct vn_generations *g = &n->generations;
    vn_timer_disarm(&n->timers, &g->timer);
    free(g->statement_bytes.p);
    g->statement_bytes = (struct vn_blob){0};
    vn_hour_keys_wipe(&g->hours);
    vn_wipe(g->identities, sizeof(g->identities));
    g->identity_count = 0;
    g->other = false;
    if (n->session.cred)
        n->session.cred->hour_keys.other = NULL;
    vn_hour_macs_forget(&n->session.macs);
}

static void on_end(void *arg)
{
    forget(arg);
    vn_member_stun_tell(arg);
}

static void on_judge(void *arg)
{
    vn_affinity_recheck(arg);
}

void vn_generations_init(struct vn_node *n)
{
    vn_timer_init(&n->generations.judge, on_judge, n);
    vn_timer_init(&n->generations.timer, on_end, n);
}

void vn_generations_done(struct vn_node *n)
{
    forget(n);
    vn_timer_disarm(&n->timers, &n->generations.judge);
}

/* ---- which one ---- */

uint32_t vn_generation_now(const struct vn_node *n)
{
    return n->session.cred->hour_keys.generation;
}

bool vn_generation_held(const struct vn_node *n, uint32_t generation)
{
    const struct vn_generations *g = &n->generations;
    return generation == vn_generation_now(n) || (g->other && generation == g->hours.generation);
}

uint32_t vn_generation_before(const struct vn_node *n)
{
    const struct vn_generations *g = &n->generations;
    bool usable = g->other && g->until_ms > vn_protocol_now(n) + BEFORE_MARGIN_MS;
    return usable ? g->hours.generation : vn_generation_now(n);
}

uint32_t vn_generation_for(const struct vn_node *n, const struct vn_peer *p)
{
    uint32_t before = vn_generation_before(n);
    return p && p->generation == before ? before : vn_generation_now(n);
}

void vn_generation_hours(const struct vn_node *n, uint32_t generation, struct vn_hour_keys *ret)
{
    const struct vn_generations *g = &n->generations;
    bool other = g->other && generation == g->hours.generation;
    *ret = other ? g->hours : n->session.cred->hour_keys;
    ret->other = NULL;
}

struct vn_span vn_generation_statement(const struct vn_node *n, uint32_t generation)
{
    const struct vn_generations *g = &n->generations;
    bool other = g->other && generation == g->hours.generation;
    const struct vn_blob *b = other ? &g->statement_bytes : &n->session.cred->statement;
    return VN_SPAN(b->p, b->n);
}

void vn_generations_seen(struct vn_node *n, uint32_t generation, bool proven)
{
    struct vn_generations *g = &n->generations;
    /* What was proven was opened with keys of ours: the next one's, then, is in force elsewhere. */
    bool behind = proven ? g->other && g->until_ms == 0 && generation == g->hours.generation
                         : generation > vn_generation_now(n) && !vn_generation_held(n, generation);
    if (!behind || (g->asked_ms && n->now_ms - g->asked_ms < BEHIND_AGAIN_MS))
        return;
    g->asked_ms = VN_MAX(n->now_ms, 1u);
    vn_session_renew_within(n, BEHIND_RENEWAL_MS);
}

/* ---- another one comes ---- */

/* Takes over what is verified of it. VN_ERR_EXISTS: nothing in it for us. */
static vn_status take(struct vn_node *n, const struct vn_key_set *s)
{
    struct vn_generations *g = &n->generations;
    struct vn_session *own = &n->session;
    uint64_t now = vn_protocol_now(n);
    uint32_t present = vn_generation_now(n);
    if (s->until_ms ? s->hours.generation == present || s->until_ms <= now
                    : s->hours.generation <= present)
        return VN_ERR_EXISTS;
    struct vn_statement st;
    vn_turns_spend(n, VN_TURN_SIGNATURE);
    vn_status r = vn_statement_check(s->statement, own->command, n->suite, &n->cfg.realm, now, &st);
    if (r != VN_OK)
        return r;
    if (!vn_id_equal(&st.node, &own->self) || !vn_hash_equal(&st.pk_hash, &own->statement.pk_hash))
        return VN_ERR_AUTH;
    if (st.number < own->statement.number)
        return VN_ERR_EXISTS; /* our taints have changed since; that change brought another one */
    uint8_t *copy = malloc(s->statement.n);
    if (!copy)
        return VN_ERR_NOMEM;
    memcpy(copy, s->statement.p, s->statement.n);
    forget(n);
    g->other = true;
    g->until_ms = s->until_ms;
    g->hours = s->hours;
    memcpy(g->identities, s->identities, sizeof(g->identities));
    g->identity_count = s->identity_count;
    g->statement_bytes = (struct vn_blob){copy, s->statement.n};
    g->statement = st;
    own->cred->hour_keys.other = &g->hours;
    if (g->until_ms)
        vn_timer_arm(&n->timers, &g->timer, vn_local_time(n, g->until_ms));
    vn_member_stun_tell(n);
    return VN_OK;
}

static vn_status take_bytes(struct vn_node *n, struct vn_span set)
{
    struct vn_key_set *s = malloc(sizeof(*s));
    if (!s)
        return VN_ERR_NOMEM;
    vn_status st = vn_key_set_decode(set, s);
    if (st == VN_OK)
        st = take(n, s);
    vn_key_set_wipe(s);
    free(s);
    return st;
}

void vn_generations_install(struct vn_node *n, struct vn_span set)
{
    forget(n);
    vn_status st = set.n ? take_bytes(n, set) : VN_OK;
    if (st != VN_OK && st != VN_ERR_EXISTS)
        vn_log(VN_LOG_WARN, "keys_failed", VN_KV_STATUS(st));
}

void vn_generations_on_bundle(struct vn_node *n, struct vn_span bytes)
{
    struct vn_bundle_view v;
    if (vn_bundle_parse(bytes, n->suite, &v) != VN_OK) {
        vn_drop(n, VN_NDROP_MALFORMED);
        return;
    }
    if (!vn_id_equal(&v.realm, &n->cfg.realm) || !vn_id_equal(&v.node, &n->session.self)) {
        vn_drop(n, VN_NDROP_SUBJECT);
        return;
    }
    if (v.generation <= vn_generation_now(n) || vn_generation_held(n, v.generation)) {
        vn_drop(n, VN_NDROP_REPLAY); /* generations only rise */
        return;
    }
    if (memcmp(v.kid, n->session.session_kid, VN_KID_LEN) != 0) {
        vn_drop(n, VN_NDROP_SEAL);
        return;
    }
    if (!vn_source_guardian_takes(n))
        return;
    vn_turns_spend(n, VN_TURN_SIGNATURE);
    if (vn_bundle_verify(&v, n->suite, n->session.command) != VN_OK) {
        vn_drop(n, VN_NDROP_SIGNATURE);
        return;
    }
    struct vn_span set;
    uint8_t *plain = malloc(v.sealed.n);
    vn_turns_spend(n, VN_TURN_KEM);
    if (!plain || vn_bundle_open(&v, n->suite, n->session.session_dk, plain, &set) != VN_OK)
        vn_drop(n, VN_NDROP_SEAL);
    else if (take_bytes(n, set) != VN_OK)
        vn_drop(n, VN_NDROP_BODY);
    if (plain)
        vn_wipe(plain, v.sealed.n);
    free(plain);
}

/* ---- in force ---- */

static void change_over(struct vn_node *n, uint64_t until_ms)
{
    struct vn_generations *g = &n->generations;
    struct vn_session *s = &n->session;
    struct vn_credentials *c = s->cred;
    struct vn_generations was = {.hours = c->hour_keys,
                                 .identity_count = c->identity_count,
                                 .statement_bytes = c->statement,
                                 .statement = s->statement};
    memcpy(was.identities, c->identities, sizeof(was.identities));
    c->hour_keys = g->hours;
    memcpy(c->identities, g->identities, sizeof(c->identities));
    c->identity_count = g->identity_count;
    c->statement = g->statement_bytes;
    s->statement = g->statement;
    g->hours = was.hours;
    memcpy(g->identities, was.identities, sizeof(g->identities));
    g->identity_count = was.identity_count;
    g->statement_bytes = was.statement_bytes;
    g->statement = was.statement;
    vn_wipe(&was, sizeof(was));
    g->hours.other = NULL;
    c->hour_keys.other = &g->hours;
    vn_hour_macs_forget(&s->macs);
    g->until_ms = until_ms;
    vn_timer_arm(&n->timers, &g->timer, vn_local_time(n, until_ms));
    vn_member_stun_tell(n);
    vn_log(VN_LOG_INFO, "keys_changed", VN_KV_U64("generation", c->hour_keys.generation));
    /* Nobody's rights change by it: streams need no new decision, only the statement for later
     * ones. */
    vn_affinity_tell_peers(n);
}

void vn_generations_on_now(struct vn_node *n, struct vn_span bytes)
{
    struct vn_generations *g = &n->generations;
    struct vn_keys_now k;
    if (vn_keys_now_decode(bytes, n->suite, &k) != VN_OK) {
        vn_drop(n, VN_NDROP_MALFORMED);
        return;
    }
    if (k.generation <= vn_generation_now(n) || !vn_source_guardian_takes(n))
        return; /* said again, for those who missed it */
    vn_turns_spend(n, VN_TURN_SIGNATURE);
    if (vn_keys_now_check(bytes, n->session.command, n->suite, &n->cfg.realm, &k) != VN_OK) {
        vn_drop(n, VN_NDROP_SIGNATURE);
        return;
    }
    bool ready = g->other && g->hours.generation == k.generation &&
                 g->statement.number >= n->session.statement.number;
    if (ready)
        change_over(n, VN_MAX(k.until_ms, 1u));
    else
        vn_session_renew_within(n, BEHIND_RENEWAL_MS);
}
