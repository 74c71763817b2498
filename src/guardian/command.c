#include "guardian/command.h"

#include "anchor.pb-c.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "crypto/rng.h"
#include "guardian/identity_update.h"
#include "guardian/issue.h"
#include "guardian/json.h"
#include "guardian/link.h"
#include "guardian/quarantine.h"
#include "wire/envelope.h"
#include "wire/names.h"

#define TICK_MS 100

/* One command, until it is published and, if somebody waits, answered. */
struct command {
    struct vn_list entry;
    uv_work_t work;
    struct vn_guardian *g;
    struct vn_realm *realm;
    struct vn_conflux_record c;
    uint8_t id[VN_COMMAND_ID_LEN];
    struct vn_command_wait wait; /* done NULL: nobody waits */
    bool sealing;                /* the pool has it */
    uint64_t until_ms;           /* monotonic */
    struct vn_buf body, update, envelope;
    vn_status result;
};

/* An answer that the pool looks at. What it answers is found again by its id. */
struct check {
    struct vn_list entry;
    uv_work_t work;
    struct vn_guardian *g;
    struct vn_realm *realm;
    struct vn_id node;
    uint8_t sig_pk[VN_PK_MAX];
    size_t sig_pk_n;
    Vn__CommandAnswer *answer; /* result: NULL unless it opened and verified */
    size_t n;
    uint8_t bytes[];
};

struct vn_commands {
    struct vn_list commands, checks;
    size_t count;
    uv_timer_t timer;
};

static uint64_t mono_ms(void)
{
    return vn_clock_mono_us() / 1000;
}

/* ---- the end of one ---- */

static void command_free(struct command *k)
{
    vn_list_remove(&k->entry);
    vn_realm_unref(k->realm);
    vn_buf_done(&k->body);
    vn_buf_wipe(&k->update);
    vn_buf_done(&k->envelope);
    free(k);
}

static void finish(struct command *k, enum vn_command_outcome outcome, const Vn__CommandAnswer *m)
{
    const struct vn_command_wait w = k->wait;
    struct vn_guardian *g = k->g;
    struct vn_commands *all = g->commands;
    k->wait.done = NULL;
    if (k->sealing)
        k->until_ms = 0; /* the pool gives it back */
    else
        command_free(k);
    if (all)
        all->count--;
    if (w.done)
        w.done(w.arg, outcome, m);
    vn_quarantine_push(g); /* what waited for room */
}

static void on_timer(uv_timer_t *t)
{
    struct vn_commands *all = t->data;
    uint64_t now = mono_ms();
    VN_LIST_EACH(it, &all->commands)
    {
        struct command *k = VN_LIST_ENTRY(it, struct command, entry);
        if (!k->sealing && k->until_ms <= now)
            finish(k, VN_COMMAND_SILENCE, NULL);
    }
    if (vn_list_empty(&all->commands))
        uv_timer_stop(t);
}

/* ---- sending ---- */

static vn_status seal(struct command *k, uint64_t now_ms)
{
    uint8_t nonce[16];
    vn_status st = vn_rng_bytes(nonce, sizeof(nonce));
    const struct vn_envelope_send s = {
        .suite = k->realm->suite,
        .type = VN_T_COMMAND,
        .realm = k->realm->r.id,
        .src = k->realm->gid,
        .dst = k->c.session.node,
        .now_ms = now_ms,
        .recipient_ek = VN_SPAN(k->c.session.session_ek, k->c.session.session_ek_n),
        .cert = VN_SPAN(k->realm->r.command_cert.p, k->realm->r.command_cert.n),
        .key = k->realm->command_key,
        .context = "anchor-cmd-v1",
        .body = vn_buf_span(&k->body),
    };
    return st == VN_OK ? vn_envelope_seal(&s, nonce, &k->envelope) : st;
}

static void seal_work(uv_work_t *w)
{
    struct command *k = VN_CONTAINER_OF(w, struct command, work);
    VN_CLEANUP(vn_json_freep) json_t *answer = NULL;
    uint64_t now_ms = vn_clock_wall_ms();
    k->result = VN_OK;
    if (k->wait.update)
        k->result = vn_issue_taints_answer(k->realm, &k->c, now_ms, &answer);
    if (k->result == VN_OK && k->wait.update)
        k->result = vn_identity_update_seal(k->realm, &k->c, answer, now_ms, &k->update);
    if (k->result == VN_OK)
        k->result = seal(k, now_ms);
}

static vn_status publish(struct command *k)
{
    char subject[VN_SUBJECT_MAX];
    const struct vn_subject s = {.kind = VN_SUBJ_ADM, .name = k->c.session.node};
    struct vn_links *links = k->g->links;
    vn_subject_format(&s, subject);
    vn_status st = VN_OK;
    if (k->wait.update)
        st = vn_links_publish(links, k->realm, subject, vn_buf_span(&k->update));
    return st == VN_OK ? vn_links_publish(links, k->realm, subject, vn_buf_span(&k->envelope)) : st;
}

static void sealed(uv_work_t *w, int status)
{
    struct command *k = VN_CONTAINER_OF(w, struct command, work);
    vn_status st = status ? VN_ERR_STATE : k->result;
    k->sealing = false;
    if (!k->g->commands) { /* we are stopping; who waited was told */
        command_free(k);
        return;
    }
    if (st == VN_OK)
        st = publish(k);
    if (st != VN_OK) {
        vn_log(VN_LOG_WARN, "message_undeliverable", VN_KV_STR("realm", k->realm->r.name),
               VN_KV_STATUS(st));
        finish(k, VN_COMMAND_NOT_SENT, NULL);
    } else if (!k->wait.done) {
        finish(k, VN_COMMAND_ANSWERED, NULL);
    }
}

bool vn_command_room(const struct vn_guardian *g)
{
    return g->commands && g->commands->count < VN_COMMANDS_MAX / 2;
}

bool vn_command_reachable(const struct vn_conflux_record *c)
{
    return c->has_session && c->session.not_after_ms > vn_clock_wall_ms();
}

static vn_status pack(const Vn__Command *m, struct vn_buf *ret)
{
    size_t n = vn__command__get_packed_size(m);
    vn_status st = vn_buf_reserve(ret, n);
    if (st == VN_OK)
        ret->len = vn__command__pack(m, ret->p);
    return st;
}

vn_status vn_command_send(struct vn_guardian *g, const struct vn_conflux_record *c, Vn__Command *m,
                          const struct vn_command_wait *wait)
{
    struct vn_commands *all = g->commands;
    if (!all || all->count >= VN_COMMANDS_MAX)
        return VN_ERR_LIMIT;
    struct command *k = calloc(1, sizeof(*k));
    if (!k)
        return VN_ERR_NOMEM;
    k->g = g;
    k->c = *c;
    k->until_ms = mono_ms() + VN_COMMAND_WAIT_MS;
    vn_list_init(&k->entry);
    vn_buf_init(&k->body, VN_CONTROL_PAYLOAD_MAX);
    vn_buf_init(&k->update, VN_CONTROL_PAYLOAD_MAX);
    vn_buf_init(&k->envelope, VN_CONTROL_PAYLOAD_MAX);
    vn_status st = vn_guardian_realm(g, &c->realm, &k->realm);
    if (st == VN_OK && wait) {
        k->wait = *wait;
        st = vn_rng_bytes(k->id, sizeof(k->id));
        m->id = (ProtobufCBinaryData){sizeof(k->id), k->id};
    }
    if (st == VN_OK)
        st = pack(m, &k->body);
    m->id = (ProtobufCBinaryData){0};
    if (st == VN_OK && uv_queue_work(g->uv, &k->work, seal_work, sealed) != 0)
        st = VN_ERR_NOMEM;
    if (st != VN_OK) {
        command_free(k);
        return st;
    }
    k->sealing = true;
    all->count++;
    vn_list_append(&all->commands, &k->entry);
    uv_timer_start(&all->timer, on_timer, TICK_MS, TICK_MS);
    return VN_OK;
}

vn_status vn_command_quarantine(struct vn_guardian *g, const struct vn_conflux_record *c,
                                const struct vn_command_wait *wait)
{
    struct vn_quarantine_list l;
    ProtobufCBinaryData addrs[VN_QUARANTINE_ADDRS_MAX];
    vn_status st = vn_quarantine_list(g->store, c, &l, NULL);
    if (st != VN_OK)
        return st;
    Vn__Quarantine q = VN__QUARANTINE__INIT;
    Vn__Command m = VN__COMMAND__INIT;
    for (size_t i = 0; i < l.count; i++)
        addrs[i] = (ProtobufCBinaryData){sizeof(l.addrs[i].b), l.addrs[i].b};
    q.number = l.number;
    q.all = l.all;
    q.addrs = addrs;
    q.n_addrs = l.count;
    m.kind_case = VN__COMMAND__KIND_QUARANTINE;
    m.quarantine = &q;
    st = vn_command_send(g, c, &m, wait);
    free(l.addrs);
    return st;
}

/* ---- answers ---- */

static void check_free(struct check *c)
{
    vn_list_remove(&c->entry);
    vn_realm_unref(c->realm);
    if (c->answer)
        vn__command_answer__free_unpacked(c->answer, NULL);
    free(c);
}

/* The key is known from the login: no certificate is needed. Nor is the mac, which keeps strangers
 * cheap: they are not waited for. */
static void check_work(uv_work_t *w)
{
    struct check *c = VN_CONTAINER_OF(w, struct check, work);
    const struct vn_suite_info *suite = c->realm->suite;
    struct vn_envelope_view v;
    struct vn_envelope_plain p;
    VN_CLEANUP(vn_sig_pub_freep) struct vn_sig_pub *pub = NULL;
    uint8_t *plain = malloc(c->n);
    vn_status st = plain ? vn_envelope_parse(VN_SPAN(c->bytes, c->n), suite, &c->realm->r.id,
                                             &c->realm->gid, &v)
                         : VN_ERR_NOMEM;
    if (st == VN_OK)
        st = vn_sig_pub_new(suite->sig, VN_SPAN(c->sig_pk, c->sig_pk_n), &pub);
    if (st == VN_OK)
        st = vn_envelope_open(&v, suite, NULL, c->realm->kem, vn_clock_wall_ms(), plain, &p);
    if (st == VN_OK)
        st = vn_envelope_verify(&v, &p, pub, "anchor-env-v1");
    if (st == VN_OK)
        c->answer = vn__command_answer__unpack(NULL, p.body.n, p.body.p);
    free(plain);
}

static void checked(uv_work_t *w, int status)
{
    struct check *c = VN_CONTAINER_OF(w, struct check, work);
    struct vn_commands *all = c->g->commands;
    struct command *found = NULL;
    if (all && !status && c->answer && c->answer->id.len == VN_COMMAND_ID_LEN) {
        VN_LIST_EACH(it, &all->commands)
        {
            struct command *k = VN_LIST_ENTRY(it, struct command, entry);
            if (!k->sealing && vn_id_equal(&k->c.session.node, &c->node) &&
                memcmp(k->id, c->answer->id.data, sizeof(k->id)) == 0)
                found = k;
        }
    }
    if (found)
        finish(found, VN_COMMAND_ANSWERED, c->answer);
    check_free(c);
}

/* A command to this node that waits; NULL: none, or as many answers as commands are looked at. */
static const struct command *waiting_for(const struct vn_commands *all, const struct vn_id *node)
{
    const struct command *k = NULL;
    size_t waiting = 0, looked_at = 0;
    VN_LIST_EACH(it, &all->commands)
    {
        const struct command *one = VN_LIST_ENTRY(it, struct command, entry);
        if (one->sealing || !vn_id_equal(&one->c.session.node, node))
            continue;
        k = one;
        waiting++;
    }
    VN_LIST_EACH(it, &all->checks)
    looked_at += vn_id_equal(&VN_LIST_ENTRY(it, struct check, entry)->node, node);
    return looked_at < waiting ? k : NULL;
}

/* The cheap checks of protocol.md, section 5. */
static bool may_be_answer(const struct vn_realm *realm, const struct vn_subject *subj,
                          struct vn_span payload)
{
    struct vn_envelope_view v;
    uint8_t kid[VN_KID_LEN];
    uint64_t ms, now = vn_clock_wall_ms();
    return vn_envelope_parse(payload, realm->suite, &realm->r.id, &realm->gid, &v) == VN_OK &&
           v.h.type == VN_T_COMMAND_ANSWER && v.h.seal == VN_SEAL_NODE &&
           vn_id_equal(&v.h.dst, &realm->gid) && vn_id_equal(&v.h.src, &subj->src) &&
           vn_kid(realm->suite->hash, vn_kem_ek(realm->kem), kid) == VN_OK &&
           memcmp(kid, v.h.kid, sizeof(kid)) == 0 && vn_tai64n_ms(v.h.tai64n, &ms) == VN_OK &&
           ms <= now + VN_ENVELOPE_FRESH_MS && now <= ms + VN_ENVELOPE_FRESH_MS;
}

void vn_commands_on_message(struct vn_guardian *g, struct vn_realm *realm, const char *subject,
                            struct vn_span payload)
{
    struct vn_commands *all = g->commands;
    struct vn_subject subj;
    if (!all || payload.n > VN_CONTROL_PAYLOAD_MAX || vn_subject_parse(subject, &subj) != VN_OK ||
        subj.kind != VN_SUBJ_IN || !vn_id_equal(&subj.name, &realm->gid))
        return;
    const struct command *k = waiting_for(all, &subj.src);
    if (!k || !may_be_answer(realm, &subj, payload))
        return;
    struct check *c = calloc(1, sizeof(*c) + payload.n);
    if (!c)
        return;
    c->g = g;
    c->realm = vn_realm_ref(realm);
    c->node = subj.src;
    c->sig_pk_n = k->c.session.sig_pk_n;
    memcpy(c->sig_pk, k->c.session.sig_pk, c->sig_pk_n);
    c->n = payload.n;
    memcpy(c->bytes, payload.p, payload.n);
    vn_list_init(&c->entry);
    if (uv_queue_work(g->uv, &c->work, check_work, checked) == 0)
        vn_list_append(&all->checks, &c->entry);
    else
        check_free(c);
}

/* ---- life ---- */

vn_status vn_commands_new(struct vn_guardian *g, struct vn_commands **ret)
{
    struct vn_commands *all = calloc(1, sizeof(*all));
    if (!all)
        return VN_ERR_NOMEM;
    vn_list_init(&all->commands);
    vn_list_init(&all->checks);
    uv_timer_init(g->uv, &all->timer);
    all->timer.data = all;
    *ret = all;
    return VN_OK;
}

static void on_timer_closed(uv_handle_t *h)
{
    free(h->data);
}

void vn_commands_free(struct vn_commands *all)
{
    if (!all)
        return;
    VN_LIST_EACH(it, &all->commands)
    {
        struct command *k = VN_LIST_ENTRY(it, struct command, entry);
        vn_list_remove(&k->entry);
        vn_list_init(&k->entry);
        finish(k, VN_COMMAND_NOT_SENT, NULL);
    }
    VN_LIST_EACH(it, &all->checks)
    {
        vn_list_remove(it);
        vn_list_init(it);
    }
    uv_close((uv_handle_t *)&all->timer, on_timer_closed);
}
