/* NATS users: the subjects that they may use. */
#include <stdarg.h>

#include "base/limits.h"
#include "guardian/issue.h"
#include "guardian/json.h"
#include "wire/names.h"

#define USER_SUBSCRIPTIONS 64

static bool allow(json_t *list, const char *fmt, ...) VN_PRINTF(2, 3);

/* False: out of memory. A node without one of its subjects would be deaf to something. */
static bool allow(json_t *list, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const bool added = json_array_append_new(list, json_vsprintf(fmt, ap)) == 0;
    va_end(ap);
    return added;
}

static vn_status allow_name(const struct vn_realm *realm, json_t *list, const struct vn_id *self,
                            enum vn_subject_kind subject, enum vn_name_kind kind,
                            struct vn_span name)
{
    struct vn_id h;
    vn_status st = vn_name_hash(realm->suite->hash, &realm->r.name_key, kind, name, &h);
    if (st != VN_OK)
        return st;
    char pattern[VN_SUBJECT_MAX];
    vn_subject_pattern(subject, &h, pattern);
    char room[4];
    const char *queue = vn_subject_queue(self, kind, room);
    const bool added = queue ? allow(list, "%s %s", pattern, queue) : allow(list, "%s", pattern);
    return added ? VN_OK : VN_ERR_NOMEM;
}

vn_status vn_issue_nats_jwt(const struct vn_realm *realm, const struct vn_conflux_record *c,
                            uint64_t now_ms, char **ret)
{
    VN_CLEANUP(vn_json_freep) json_t *pub = json_array();
    VN_CLEANUP(vn_json_freep) json_t *sub = json_array();
    if (!pub || !sub)
        return VN_ERR_NOMEM;
    const struct vn_id *node = &c->session.node;
    char self[VN_ID_TEXT], user[VN_NKEY_TEXT];
    vn_id_format(node, self);
    if (!allow(pub, "a.in.*.%s", self) || !allow(pub, "a.own.*.%s", self) ||
        !allow(pub, "a.grp.*.%s", self) || !allow(pub, "a.hub.%s", self) ||
        !allow(pub, "a.net.%s", self) || !allow(sub, "a.in.%s.*", self) ||
        !allow(sub, "a.adm.%s", self) || !allow(sub, "a.rev") || !allow(sub, "a.hub.* hub"))
        return VN_ERR_NOMEM;
    struct vn_ip ip4 = vn_ip_from_u32(c->ip4);
    vn_status st = allow_name(realm, sub, node, VN_SUBJ_OWN, VN_NAME_ID, VN_SPAN_ARRAY(node->b));
    if (st == VN_OK)
        st = allow_name(realm, sub, node, VN_SUBJ_OWN, VN_NAME_IP4, VN_SPAN(ip4.b + 12, 4));
    if (st == VN_OK)
        st = allow_name(realm, sub, node, VN_SUBJ_OWN, VN_NAME_IP6, VN_SPAN_ARRAY(c->ip6.b));
    if (st == VN_OK)
        st = allow_name(realm, sub, node, VN_SUBJ_OWN, VN_NAME_TAG, VN_SPAN_STR(c->tag));
    for (size_t i = 0; st == VN_OK && i < c->taints.n; i++)
        st = allow_name(realm, sub, node, VN_SUBJ_GRP, VN_NAME_TAINT, VN_SPAN_STR(c->taints.t[i]));
    for (size_t i = 0; st == VN_OK && i < c->teams.n; i++) {
        char team[VN_ID_TEXT];
        vn_id_format(&c->teams.t[i], team);
        st = allow_name(realm, sub, node, VN_SUBJ_GRP, VN_NAME_TEAM, VN_SPAN_STR(team));
    }
    if (st == VN_OK)
        st = vn_nkey_public(VN_NKEY_USER, c->session.nkey, user);
    if (st != VN_OK)
        return st;
    const struct vn_nats_user u = {
        .user = user,
        .account = realm->account.public,
        .name = self,
        .pub = pub,
        .sub = sub,
        .subs = USER_SUBSCRIPTIONS,
        .payload = VN_CONTROL_PAYLOAD_MAX,
        .expires_ms = c->session.not_after_ms,
    };
    return vn_natsjwt_user(&realm->signing, &u, now_ms, ret);
}

vn_status vn_issue_guardian_jwt(const struct vn_realm *realm, const char *user_nkey,
                                uint64_t now_ms, uint64_t expires_ms, char **ret)
{
    VN_CLEANUP(vn_json_freep) json_t *pub = json_array();
    VN_CLEANUP(vn_json_freep) json_t *sub = json_array();
    if (!pub || !sub)
        return VN_ERR_NOMEM;
    char gid[VN_ID_TEXT];
    vn_id_format(&realm->gid, gid);
    if (!allow(pub, "a.adm.*") || !allow(pub, "a.rev") || !allow(pub, "a.in.*.%s", gid) ||
        !allow(sub, "a.in.%s.*", gid))
        return VN_ERR_NOMEM;
    const struct vn_nats_user u = {
        .user = user_nkey,
        .account = realm->account.public,
        .name = "guardian",
        .pub = pub,
        .sub = sub,
        .subs = -1,
        .payload = -1,
        .expires_ms = expires_ms,
    };
    return vn_natsjwt_user(&realm->signing, &u, now_ms, ret);
}
