#include "guardian/quarantine.h"

#include <stdlib.h>

#include "anchor.pb-c.h"
#include "base/limits.h"
#include "base/log.h"
#include "guardian/command.h"
#include "guardian/json.h"

/* ---- who is meant ---- */

static bool names(const struct vn_quarantine_rules *q, const struct vn_conflux_record *c)
{
    for (size_t i = 0; i < q->peer_count; i++) {
        if (vn_id_equal(&q->peers[i], &c->id))
            return true;
    }
    for (size_t i = 0; i < q->scope_count; i++) {
        if (vn_id_equal(&q->scopes[i], &c->owner))
            return true;
    }
    for (size_t i = 0; i < q->taints.n; i++) {
        if (vn_taints_contain(&c->taints, q->taints.t[i]))
            return true;
    }
    return false;
}

/* What stands on the two nodes' lists; from all needs none. */
static bool listed(const struct vn_conflux_record *a, const struct vn_conflux_record *b)
{
    return names(&a->quarantine, b) || names(&b->quarantine, a);
}

bool vn_quarantine_between(const struct vn_conflux_record *a, const struct vn_conflux_record *b)
{
    return a->quarantine.all || b->quarantine.all || listed(a, b);
}

/* Names others by taint, user or id, so that all of the realm must be looked at. */
static bool looks_at_all(const struct vn_conflux_record *c)
{
    return c && (c->quarantine.peer_count || c->quarantine.scope_count || c->quarantine.taints.n);
}

static vn_status others(struct vn_store *s, const struct vn_id *realm, bool everybody,
                        bool (*fn)(void *arg, const struct vn_conflux_record *c), void *arg)
{
    return everybody ? vn_store_conflux_list(s, &(struct vn_conflux_filter){.realm = *realm}, NULL,
                                             fn, arg)
                     : vn_store_quarantine_list(s, realm, fn, arg);
}

/* ---- lists that change ---- */

struct changed {
    const struct vn_conflux_record *before, *after;
    struct vn_id *ids;
    size_t count, cap;
    bool nomem;
};

static bool compare(void *arg, const struct vn_conflux_record *o)
{
    struct changed *ch = arg;
    if (vn_id_equal(&o->id, &ch->after->id) ||
        (ch->before && listed(ch->before, o)) == listed(ch->after, o))
        return true;
    if (ch->count == ch->cap) {
        size_t cap = ch->cap ? 2 * ch->cap : 64;
        struct vn_id *more = realloc(ch->ids, cap * sizeof(*more));
        if (!more) {
            ch->nomem = true;
            return false;
        }
        ch->ids = more;
        ch->cap = cap;
    }
    ch->ids[ch->count++] = o->id;
    return true;
}

vn_status vn_quarantine_changed(struct vn_store *s, const struct vn_conflux_record *before,
                                const struct vn_conflux_record *after, bool told_otherwise,
                                uint64_t now_ms)
{
    struct changed ch = {.before = before, .after = after};
    vn_status st =
        others(s, &after->realm, looks_at_all(before) || looks_at_all(after), compare, &ch);
    if (ch.nomem)
        st = VN_ERR_NOMEM;
    bool own = ch.count || (before && before->quarantine.all != after->quarantine.all);
    for (size_t i = 0; st == VN_OK && i < ch.count; i++)
        st = vn_store_quarantine_bump(s, &ch.ids[i], now_ms, true);
    if (st == VN_OK && (own || told_otherwise))
        st = vn_store_quarantine_bump(s, &after->id, now_ms, !told_otherwise);
    free(ch.ids);
    return st;
}

/* ---- one node's list ---- */

struct gather {
    const struct vn_conflux_record *self;
    struct vn_quarantine_list *l;
    size_t total;
};

static bool gather(void *arg, const struct vn_conflux_record *o)
{
    struct gather *ga = arg;
    if (vn_id_equal(&o->id, &ga->self->id) || !listed(ga->self, o))
        return true;
    ga->total++;
    if (ga->l->count < VN_QUARANTINE_ADDRS_MAX)
        ga->l->addrs[ga->l->count++] = o->ip6;
    return true;
}

vn_status vn_quarantine_list(struct vn_store *s, const struct vn_conflux_record *c,
                             struct vn_quarantine_list *ret, size_t *ret_total)
{
    struct vn_quarantine_list l = {.number = c->quarantine_number, .all = c->quarantine.all};
    struct gather ga = {.self = c, .l = &l};
    l.addrs = calloc(VN_QUARANTINE_ADDRS_MAX, sizeof(*l.addrs));
    if (!l.addrs)
        return VN_ERR_NOMEM;
    vn_status st = others(s, &c->realm, looks_at_all(c), gather, &ga);
    if (st != VN_OK) {
        free(l.addrs);
        return st;
    }
    *ret = l;
    if (ret_total)
        *ret_total = ga.total;
    return VN_OK;
}

json_t *vn_quarantine_list_json(const struct vn_quarantine_list *l)
{
    json_t *a = json_array();
    for (size_t i = 0; a && i < l->count; i++) {
        if (json_array_append_new(a, vn_json_ip(&l->addrs[i])) != 0) {
            json_decref(a); /* one address less would be one that is let in */
            return NULL;
        }
    }
    return json_pack("{s:I, s:b, s:o}", "number", (json_int_t)l->number, "all", l->all, "addresses",
                     a);
}

/* ---- telling ---- */

void vn_quarantine_push(struct vn_guardian *g)
{
    struct vn_id id;
    static struct vn_conflux_record c;
    while (vn_command_room(g) && vn_store_quarantine_take(g->store, &id) == VN_OK) {
        vn_status st = vn_store_conflux_get(g->store, &id, &c);
        if (st == VN_OK && vn_command_reachable(&c))
            st = vn_command_quarantine(g, &c, NULL);
        if (st != VN_OK)
            vn_log(VN_LOG_ERROR, "push_failed", VN_KV_STR("what", "quarantine"), VN_KV_STATUS(st));
    }
}
