#include "guardian/rights.h"

#include "guardian/http.h"
#include "guardian/routes.h"
#include "guardian/routes_node.h"

static bool overlap(const struct vn_prefix *a, const struct vn_prefix *b)
{
    return vn_prefix_contains(a, &b->ip) || vn_prefix_contains(b, &a->ip);
}

static bool same(const struct vn_prefix *a, const struct vn_prefix *b)
{
    return a->bits == b->bits && vn_ip_equal(&a->ip, &b->ip);
}

static vn_status add(struct vn_rights *r, const struct vn_prefix *p)
{
    for (size_t i = 0; i < r->portal_n; i++)
        if (same(&r->portal[i], p))
            return VN_OK;
    if (r->portal_n == VN_CERT_PREFIXES_MAX)
        return VN_ERR_LIMIT;
    r->portal[r->portal_n++] = *p;
    r->bits |= VN_RIGHT_PORTAL;
    return VN_OK;
}

void vn_portal_format(const struct vn_rights *r, char ret[VN_PORTAL_TEXT])
{
    size_t n = 0;
    ret[0] = 0;
    for (size_t i = 0; i < r->portal_n; i++) {
        char one[VN_PREFIX_TEXT];
        vn_prefix_format(&r->portal[i], one);
        n += (size_t)snprintf(ret + n, VN_PORTAL_TEXT - n, "%s%s", i ? "," : "", one);
    }
}

vn_status vn_portal_parse(const char *list, struct vn_rights *ret)
{
    while (*list) {
        char one[VN_PREFIX_TEXT];
        struct vn_prefix p;
        const size_t n = strcspn(list, ",");
        if (n >= sizeof(one))
            return VN_ERR_MALFORMED;
        memcpy(one, list, n);
        one[n] = 0;
        vn_status st = vn_prefix_parse(one, &p);
        if (st == VN_OK)
            st = add(ret, &p);
        if (st != VN_OK)
            return st;
        list += n + (list[n] == ',');
    }
    return VN_OK;
}

bool vn_rights_equal(const struct vn_rights *a, const struct vn_rights *b)
{
    char x[VN_PORTAL_TEXT], y[VN_PORTAL_TEXT];
    vn_portal_format(a, x);
    vn_portal_format(b, y);
    return a->bits == b->bits && strcmp(x, y) == 0;
}

json_t *vn_rights_json(const struct vn_rights *r)
{
    json_t *portal = json_array();
    for (size_t i = 0; i < r->portal_n; i++) {
        char one[VN_PREFIX_TEXT];
        vn_prefix_format(&r->portal[i], one);
        if (json_array_append_new(portal, json_string(one)) != 0) {
            json_decref(portal);
            return NULL;
        }
    }
    return json_pack("{s:b, s:b, s:o}", "relay", (r->bits & VN_RIGHT_RELAY) != 0, "conduit",
                     (r->bits & VN_RIGHT_CONDUIT) != 0, "portal", portal);
}

/* A whole network, and none of the realm's own: addresses there belong to nodes. */
vn_status vn_portal_add(const char *text, const struct vn_prefix *range4,
                        const struct vn_prefix *range6, struct vn_rights *io, char *why,
                        size_t why_n)
{
    struct vn_prefix p;
    if (vn_prefix_parse(text, &p) != VN_OK || p.bits == 0 || (vn_ip_is_v4(&p.ip) && p.bits <= 96)) {
        snprintf(why, why_n,
                 "portal: %.60s is no network, such as 192.168.1.0/24: no host bits, and not all "
                 "addresses (that is a conduit's)",
                 text);
        return VN_ERR_ARG;
    }
    if (overlap(&p, range4) || overlap(&p, range6)) {
        snprintf(why, why_n, "portal: %.60s overlaps the realm's own addresses", text);
        return VN_ERR_EXISTS;
    }
    vn_status st = add(io, &p);
    if (st != VN_OK)
        snprintf(why, why_n, "portal: at most %d networks", VN_CERT_PREFIXES_MAX);
    return st;
}

bool vn_rights_read(struct vn_request *r, const struct vn_id *realm_id, struct vn_rights *io)
{
    static const struct {
        const char *name;
        enum vn_cert_right bit;
    } FLAGS[] = {{"relay", VN_RIGHT_RELAY}, {"conduit", VN_RIGHT_CONDUIT}};
    const json_t *portal = json_object_get(r->body, "portal");
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
    for (size_t i = 0; i < VN_ARRAY_LEN(FLAGS); i++) {
        const json_t *v = json_object_get(r->body, FLAGS[i].name);
        if (v)
            io->bits = json_is_true(v) ? io->bits | (uint32_t)FLAGS[i].bit
                                       : io->bits & ~(uint32_t)FLAGS[i].bit;
    }
    if (!portal)
        return true;
    vn_status st = vn_guardian_realm(r->g, realm_id, &realm);
    if (st != VN_OK) {
        vn_request_fail(r, st, "realm");
        return false;
    }
    io->portal_n = 0;
    io->bits &= ~(uint32_t)VN_RIGHT_PORTAL;
    for (size_t i = 0; st == VN_OK && i < json_array_size(portal); i++) {
        char why[200];
        st = vn_portal_add(json_string_value(json_array_get(portal, i)), &realm->r.range4,
                           &realm->r.range6, io, why, sizeof(why));
        if (st != VN_OK)
            vn_request_error(r, st == VN_ERR_EXISTS ? 409 : 400, "%s", why);
    }
    return st == VN_OK;
}

/* ---- of a node ---- */

/* It renews when it is told so, and has its new certificate then; else with its next renewal. */
void vn_route_node_rights(struct vn_request *r)
{
    static struct vn_conflux_record c;
    char portal[VN_PORTAL_TEXT], detail[VN_PORTAL_TEXT + 48], actor[VN_USER_NAME_MAX + 8];
    c = r->conflux;
    if (!vn_rights_read(r, &c.realm, &c.rights))
        return;
    if (!vn_rights_equal(&c.rights, &r->conflux.rights)) {
        vn_status st = vn_store_conflux_set_rights(r->g->store, &c.id, &c.rights);
        if (st != VN_OK) {
            vn_request_fail(r, st, "rights");
            return;
        }
        vn_portal_format(&c.rights, portal);
        snprintf(detail, sizeof(detail), "relay %s, conduit %s, portal %s",
                 c.rights.bits & VN_RIGHT_RELAY ? "on" : "off",
                 c.rights.bits & VN_RIGHT_CONDUIT ? "on" : "off", portal[0] ? portal : "off");
        vn_guardian_audit(r->g, &c.realm, vn_request_actor(r, actor), "rights_changed", c.tag,
                          detail);
    }
    vn_node_tell_rights(r, &c);
}
