/* Master's entry points: where nodes are told to look for it (SPEC G11, "veil"). */
#include "crypto/rng.h"
#include "guardian/entry_points.h"
#include "guardian/http.h"
#include "guardian/master.h"
#include "guardian/realm.h"
#include "guardian/routes.h"

static json_t *entry_json(const struct vn_entry_point *e)
{
    return json_pack("{s:o, s:s, s:s, s:b, s:I}", "id", vn_json_id(&e->id), "url", e->url, "region",
                     e->region, "enabled", e->enabled, "created_at", (json_int_t)e->created_ms);
}

/* What the body says, into what there is. Returns false after answering. */
static bool read_entry(struct vn_request *r, struct vn_entry_point *io)
{
    const char *url = vn_request_text(r, "url"), *region = vn_request_text(r, "region");
    const json_t *enabled = json_object_get(r->body, "enabled");
    if (url && vn_entry_point_url(url, io->url) != VN_OK) {
        vn_request_error(r, 400,
                         "url is tls://HOST:PORT, the name or an address of one nats-server as "
                         "nodes reach it, such as tls://master.example.org:4222");
        return false;
    }
    if (region && region[0] && !vn_label_valid(region)) {
        vn_request_error(r, 400,
                         "region has 1 to %d characters a-z 0-9 -, no hyphen at its ends, or is "
                         "empty",
                         VN_REGION_MAX);
        return false;
    }
    if (region)
        snprintf(io->region, sizeof(io->region), "%s", region);
    if (enabled)
        io->enabled = json_is_true(enabled);
    return true;
}

/* After a change: Master's certificate has the names by which nodes look for it. */
static void changed(struct vn_request *r, const char *action, const struct vn_entry_point *e)
{
    char actor[VN_USER_NAME_MAX + 8], detail[VN_REGION_MAX + 32];
    snprintf(detail, sizeof(detail), "%s%s%s", e->region, e->region[0] ? ", " : "",
             e->enabled ? "enabled" : "disabled");
    vn_guardian_audit(r->g, NULL, vn_request_actor(r, actor), action, e->url, detail);
    vn_master_config_changed(r->g->master);
}

static void reply(struct vn_request *r, vn_status st, unsigned status, const char *action,
                  const struct vn_entry_point *e)
{
    if (st == VN_ERR_EXISTS) {
        vn_request_error(r, 409, "there is an entry point %s: change that one", e->url);
    } else if (st == VN_ERR_LIMIT) {
        vn_request_error(r, 409, "there are at most %d entry points: delete one",
                         VN_ENTRY_POINTS_MAX);
    } else if (st != VN_OK) {
        vn_request_fail(r, st, "entry point");
    } else {
        changed(r, action, e);
        vn_request_reply(r, status, status == 204 ? NULL : entry_json(e));
    }
}

void vn_route_veil_create(struct vn_request *r)
{
    struct vn_entry_point e = {.enabled = true, .created_ms = r->now_ms};
    if (!read_entry(r, &e))
        return;
    vn_status st = vn_rng_bytes(e.id.b, sizeof(e.id.b));
    if (st == VN_OK)
        st = vn_store_entry_add(r->g->store, &e);
    reply(r, st, 201, "entry_point_created", &e);
}

/* ---- one ---- */

/* NULL after answering. *ret_last: nodes are told of no other. */
static struct vn_entry_point *find(struct vn_request *r, struct vn_entry_points *all,
                                   bool *ret_last)
{
    struct vn_entry_point *found = NULL;
    vn_status st = vn_entry_points_load(r->g->store, all);
    *ret_last = true;
    for (size_t i = 0; st == VN_OK && i < all->n; i++) {
        if (vn_id_equal(&all->e[i].id, &r->path_id[0]))
            found = &all->e[i];
        else if (all->e[i].enabled)
            *ret_last = false;
    }
    if (st != VN_OK)
        vn_request_fail(r, st, "entry point");
    else if (!found)
        vn_request_error(r, 404, "there is no such entry point: see GET /veil");
    return found;
}

static void refuse_last(struct vn_request *r)
{
    vn_request_error(r, 409, "nodes would find no Master: enable another entry point first");
}

void vn_route_veil_get(struct vn_request *r)
{
    struct vn_entry_points all;
    bool last;
    const struct vn_entry_point *e = find(r, &all, &last);
    if (e)
        vn_request_reply(r, 200, entry_json(e));
}

void vn_route_veil_change(struct vn_request *r)
{
    struct vn_entry_points all;
    bool last;
    struct vn_entry_point *e = find(r, &all, &last);
    if (!e || !read_entry(r, e))
        return;
    if (last && !e->enabled)
        refuse_last(r);
    else
        reply(r, vn_store_entry_set(r->g->store, e), 200, "entry_point_changed", e);
}

void vn_route_veil_delete(struct vn_request *r)
{
    struct vn_entry_points all;
    bool last;
    const struct vn_entry_point *e = find(r, &all, &last);
    if (!e)
        return;
    if (last)
        refuse_last(r);
    else
        reply(r, vn_store_entry_delete(r->g->store, &e->id), 204, "entry_point_deleted", e);
}

/* ---- all ---- */

struct entries {
    struct vn_items l;
    const char *region; /* NULL: any */
};

static bool add_entry(void *arg, const struct vn_entry_point *e)
{
    struct entries *a = arg;
    return (a->region && strcmp(a->region, e->region) != 0) ||
           vn_items_add(&a->l, entry_json(e), e->created_ms, &e->id);
}

void vn_route_veil_list(struct vn_request *r)
{
    struct entries a = {.region = vn_request_query(r, "region")};
    if (!vn_items_begin(r, &a.l))
        return;
    const struct vn_page page = {.after = a.l.page.after, .limit = VN_ENTRY_POINTS_MAX};
    vn_status st = vn_store_entry_list(r->g->store, &page, add_entry, &a);
    vn_items_reply(r, &a.l, st, "entry points");
}

void vn_route_veil_regions(struct vn_request *r)
{
    struct vn_entry_points all;
    vn_status st = vn_entry_points_load(r->g->store, &all);
    if (st != VN_OK) {
        vn_request_fail(r, st, "entry points");
        return;
    }
    json_t *items = json_array();
    for (size_t i = 0; i < all.n; i++) {
        size_t first = 0, count = 0, enabled = 0;
        while (strcmp(all.e[first].region, all.e[i].region) != 0)
            first++;
        for (size_t k = first; k < all.n; k++) {
            const bool same = strcmp(all.e[k].region, all.e[i].region) == 0;
            count += same;
            enabled += same && all.e[k].enabled;
        }
        if (first == i)
            json_array_append_new(items, json_pack("{s:s, s:I, s:I}", "region", all.e[i].region,
                                                   "entry_points", (json_int_t)count, "enabled",
                                                   (json_int_t)enabled));
    }
    vn_request_reply(r, 200, json_pack("{s:o}", "items", items));
}
