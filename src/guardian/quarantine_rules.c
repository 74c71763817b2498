#include "guardian/quarantine_rules.h"

#include "guardian/json.h"

/* ---- lists of ids ---- */

static bool has_id(const struct vn_id *list, size_t n, const struct vn_id *id)
{
    for (size_t i = 0; i < n; i++) {
        if (vn_id_equal(&list[i], id))
            return true;
    }
    return false;
}

static vn_status add_id(struct vn_id *list, size_t *n, const struct vn_id *id)
{
    if (has_id(list, *n, id))
        return VN_OK;
    if (*n == VN_QUARANTINE_RULES_MAX)
        return VN_ERR_LIMIT;
    list[(*n)++] = *id;
    return VN_OK;
}

static void remove_id(struct vn_id *list, size_t *n, const struct vn_id *id)
{
    for (size_t i = 0; i < *n; i++) {
        if (vn_id_equal(&list[i], id))
            list[i--] = list[--*n];
    }
}

/* ---- rules ---- */

bool vn_quarantine_rules_empty(const struct vn_quarantine_rules *q)
{
    return !q->all && !q->peer_count && !q->scope_count && !q->taints.n;
}

static bool contains(const struct vn_quarantine_rules *a, const struct vn_quarantine_rules *b)
{
    for (size_t i = 0; i < b->peer_count; i++) {
        if (!has_id(a->peers, a->peer_count, &b->peers[i]))
            return false;
    }
    for (size_t i = 0; i < b->scope_count; i++) {
        if (!has_id(a->scopes, a->scope_count, &b->scopes[i]))
            return false;
    }
    return vn_taints_subset(&b->taints, &a->taints) && (a->all || !b->all);
}

bool vn_quarantine_rules_equal(const struct vn_quarantine_rules *a,
                               const struct vn_quarantine_rules *b)
{
    return contains(a, b) && contains(b, a);
}

vn_status vn_quarantine_rules_add(struct vn_quarantine_rules *q,
                                  const struct vn_quarantine_rules *more)
{
    struct vn_quarantine_rules n = *q;
    vn_status st = VN_OK;
    n.all = q->all || more->all;
    for (size_t i = 0; st == VN_OK && i < more->peer_count; i++)
        st = add_id(n.peers, &n.peer_count, &more->peers[i]);
    for (size_t i = 0; st == VN_OK && i < more->scope_count; i++)
        st = add_id(n.scopes, &n.scope_count, &more->scopes[i]);
    for (size_t i = 0; st == VN_OK && i < more->taints.n; i++)
        st = vn_taints_add(&n.taints, more->taints.t[i]);
    if (st == VN_OK)
        *q = n;
    return st;
}

void vn_quarantine_rules_remove(struct vn_quarantine_rules *q,
                                const struct vn_quarantine_rules *less)
{
    if (less->all) {
        *q = (struct vn_quarantine_rules){0};
        return;
    }
    for (size_t i = 0; i < less->peer_count; i++)
        remove_id(q->peers, &q->peer_count, &less->peers[i]);
    for (size_t i = 0; i < less->scope_count; i++)
        remove_id(q->scopes, &q->scope_count, &less->scopes[i]);
    for (size_t i = 0; i < less->taints.n; i++)
        vn_taints_remove(&q->taints, less->taints.t[i]);
}

/* ---- text ---- */

struct text {
    char *p;
    size_t n;
};

static void item(struct text *t, const char *kind, const char *value)
{
    t->n += (size_t)snprintf(t->p + t->n, VN_QUARANTINE_RULES_TEXT - t->n, "%s%s%s",
                             t->n ? "," : "", kind, value);
}

void vn_quarantine_rules_format(const struct vn_quarantine_rules *q,
                                char ret[VN_QUARANTINE_RULES_TEXT])
{
    struct text t = {.p = ret};
    char id[VN_ID_TEXT];
    ret[0] = 0;
    if (q->all)
        item(&t, "*", "");
    for (size_t i = 0; i < q->peer_count; i++) {
        vn_id_format(&q->peers[i], id);
        item(&t, "peer:", id);
    }
    for (size_t i = 0; i < q->scope_count; i++) {
        vn_id_format(&q->scopes[i], id);
        item(&t, "scope:", id);
    }
    for (size_t i = 0; i < q->taints.n; i++)
        item(&t, "taint:", q->taints.t[i]);
}

static vn_status parse_item(const char *s, struct vn_quarantine_rules *q)
{
    struct vn_id id;
    if (strcmp(s, "*") == 0) {
        q->all = true;
        return VN_OK;
    }
    if (strncmp(s, "taint:", 6) == 0)
        return vn_taints_add(&q->taints, s + 6);
    bool peer = strncmp(s, "peer:", 5) == 0;
    if (!peer && strncmp(s, "scope:", 6) != 0)
        return VN_ERR_MALFORMED;
    vn_status st = vn_id_parse(VN_SPAN_STR(s + (peer ? 5 : 6)), &id);
    if (st != VN_OK)
        return st;
    return peer ? add_id(q->peers, &q->peer_count, &id) : add_id(q->scopes, &q->scope_count, &id);
}

vn_status vn_quarantine_rules_parse(const char *text, struct vn_quarantine_rules *ret)
{
    struct vn_quarantine_rules q = {0};
    while (*text) {
        char one[VN_IDENTITY_LABEL_MAX + 8];
        size_t n = strcspn(text, ",");
        if (n >= sizeof(one))
            return VN_ERR_MALFORMED;
        snprintf(one, sizeof(one), "%.*s", (int)n, text);
        vn_status st = parse_item(one, &q);
        if (st != VN_OK)
            return st;
        text += n + (text[n] == ',');
    }
    *ret = q;
    return VN_OK;
}

/* ---- JSON ---- */

static json_t *ids_json(const struct vn_id *list, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, vn_json_id(&list[i]));
    return a;
}

json_t *vn_quarantine_rules_json(const struct vn_quarantine_rules *q)
{
    if (vn_quarantine_rules_empty(q))
        return json_null();
    return json_pack("{s:b, s:o, s:o, s:o}", "all", q->all, "peers",
                     ids_json(q->peers, q->peer_count), "scopes",
                     ids_json(q->scopes, q->scope_count), "taints", vn_taints_to_json(&q->taints));
}

static vn_status ids_from_json(const json_t *array, struct vn_id *list, size_t *n)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *v = json_array_get(array, i);
        struct vn_id id;
        vn_status st = json_is_string(v) && json_string_length(v) == strlen(json_string_value(v))
                           ? vn_id_parse(VN_SPAN_STR(json_string_value(v)), &id)
                           : VN_ERR_MALFORMED;
        if (st == VN_OK)
            st = add_id(list, n, &id);
        if (st != VN_OK)
            return st == VN_ERR_LIMIT ? st : VN_ERR_MALFORMED;
    }
    return VN_OK;
}

vn_status vn_quarantine_rules_from_json(const json_t *body, struct vn_quarantine_rules *ret)
{
    struct vn_quarantine_rules q = {0};
    const json_t *peers = json_object_get(body, "peers"), *scopes = json_object_get(body, "scopes"),
                 *taints = json_object_get(body, "taints");
    vn_status st = ids_from_json(peers, q.peers, &q.peer_count);
    if (st == VN_OK)
        st = ids_from_json(scopes, q.scopes, &q.scope_count);
    if (st == VN_OK)
        st = vn_taints_from_json(taints, &q.taints);
    if (st != VN_OK)
        return st;
    q.all = !peers && !scopes && !taints;
    if (vn_quarantine_rules_empty(&q))
        return VN_ERR_MALFORMED; /* empty lists name nobody */
    *ret = q;
    return VN_OK;
}
