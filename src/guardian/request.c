/* What handlers read of a request besides its body, and lists on their way out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/writer.h"
#include "guardian/http.h"

#define PLACE (8 + VN_ID_LEN)

const char *vn_request_query(const struct vn_request *r, const char *name)
{
    const size_t n = strlen(name);
    for (const char *p = r->query; *p; p += strlen(p) + 1)
        if (strncmp(p, name, n) == 0 && p[n] == '=')
            return p + n + 1;
    return NULL;
}

const char *vn_request_text(const struct vn_request *r, const char *name)
{
    return json_string_value(json_object_get(r->body, name));
}

bool vn_request_body_id(struct vn_request *r, const char *name, struct vn_id *ret)
{
    const char *text = vn_request_text(r, name);
    if (text && vn_id_parse(VN_SPAN_STR(text), ret) == VN_OK)
        return true;
    vn_request_error(r, 400, "%s must be an id (22 characters)", name);
    return false;
}

/* ---- lists ---- */

static bool place_parse(const char *text, struct vn_place *ret)
{
    uint8_t b[PLACE];
    size_t n;
    if (vn_b64url_decode(VN_SPAN_STR(text), b, sizeof(b), &n) != VN_OK || n != sizeof(b))
        return false;
    ret->at_ms = 0;
    for (size_t i = 0; i < 8; i++)
        ret->at_ms = ret->at_ms << 8 | b[i];
    memcpy(ret->id.b, b + 8, VN_ID_LEN);
    return ret->at_ms <= INT64_MAX;
}

static json_t *place_json(const struct vn_place *p)
{
    uint8_t b[PLACE];
    struct vn_writer w = vn_writer_of(b, sizeof(b));
    vn_write_u64(&w, p->at_ms);
    vn_write_bytes(&w, p->id.b, VN_ID_LEN);
    return vn_json_b64(vn_writer_span(&w));
}

bool vn_items_begin(struct vn_request *r, struct vn_items *ret)
{
    const char *limit = vn_request_query(r, "limit"), *after = vn_request_query(r, "after");
    *ret = (struct vn_items){.page.limit = VN_PAGE_DEFAULT};
    if (limit) {
        char *end;
        errno = 0;
        const long n = strtol(limit, &end, 10);
        if (errno || *end || end == limit || n < 1 || n > VN_PAGE_MAX) {
            vn_request_error(r, 400, "limit is a number of 1 to %d", VN_PAGE_MAX);
            return false;
        }
        ret->page.limit = (unsigned)n;
    }
    if (after && !place_parse(after, &ret->page.after)) {
        vn_request_error(r, 400, "after is the \"next\" of the page before: copy it whole");
        return false;
    }
    ret->page.limit++;
    ret->items = json_array();
    if (!ret->items)
        vn_request_fail(r, VN_ERR_NOMEM, "list");
    return ret->items != NULL;
}

bool vn_items_add(struct vn_items *l, json_t *take_item, uint64_t at_ms, const struct vn_id *id)
{
    if (json_array_size(l->items) + 1 == l->page.limit) {
        l->more = true;
        json_decref(take_item);
        return false;
    }
    l->last = (struct vn_place){at_ms, *id};
    l->short_of_memory = json_array_append_new(l->items, take_item) != 0;
    return !l->short_of_memory;
}

void vn_items_reply(struct vn_request *r, struct vn_items *l, vn_status st, const char *what)
{
    if (st == VN_OK && l->short_of_memory) /* where it ends is not its end */
        st = VN_ERR_NOMEM;
    if (st != VN_OK) {
        json_decref(l->items);
        vn_request_fail(r, st, what);
        return;
    }
    json_t *o = json_pack("{s:o}", "items", l->items);
    if (o && l->more)
        json_object_set_new(o, "next", place_json(&l->last));
    vn_request_reply(r, 200, o);
}
