/*
 * What the verbs on the host order the running Guardian, and through it a node: by its HTTP API,
 * over the loopback, with a token that only who reads the store's secrets can make.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "control/http.h"
#include "guardian/cmd_admin.h"
#include "guardian/json.h"
#include "guardian/options.h"

#define TOKEN_LIFE_MS 60000

/* ---- calling Guardian ---- */

void vn_admin_url(const struct vn_guardian_config *cfg, const char *path, char *ret, size_t n)
{
    char host[VN_HOST_MAX + 2];
    const char *listen = cfg->listen_host;
    bool any4 = strcmp(listen, "*") == 0 || strcmp(listen, "0.0.0.0") == 0;
    vn_host_format(any4 ? "127.0.0.1" : strcmp(listen, "::") == 0 ? "::1" : listen, host);
    snprintf(ret, n, "https://%s:%u%s", host, cfg->listen_port, path);
}

static vn_status host_token(const struct vn_guardian_config *cfg, char **ret)
{
    uint64_t now_ms = vn_clock_wall_ms();
    const struct vn_token t = {
        .type = VN_TOKEN_ACCESS, .issued_ms = now_ms, .expires_ms = now_ms + TOKEN_LIFE_MS};
    return vn_token_issue(&cfg->token_keys, &t, ret);
}

/* Its key, and nothing that a certificate of somebody else's could vouch for. */
static vn_status pin_of(const struct vn_guardian_config *cfg, struct vn_http_config *ret)
{
    ret->pinned = true;
    return vn_tls_key_pin(cfg->https_key_pem, ret->pin);
}

static void reason(const json_t *answer, long code, char *why, size_t why_n)
{
    const char *detail = json_string_value(json_object_get(answer, "detail"));
    if (detail)
        snprintf(why, why_n, "%s", detail);
    else
        snprintf(why, why_n, "Guardian answered with status %ld", code);
}

vn_status vn_admin_call(struct vn_guardian *g, const char *method, const char *path, json_t *body,
                        json_t **ret, char *why, size_t why_n)
{
    char url[VN_URL_MAX + 512];
    VN_CLEANUP(vn_secret_strp) char *token = NULL;
    VN_CLEANUP(vn_json_strp) char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct vn_http_config cfg = {0};
    vn_status st = text || !body ? pin_of(&g->cfg, &cfg) : VN_ERR_NOMEM;
    if (st == VN_OK)
        st = host_token(&g->cfg, &token);
    if (st != VN_OK) {
        snprintf(why, why_n, "%s", vn_status_name(st));
        return VN_ERR_DENIED;
    }
    vn_admin_url(&g->cfg, path, url, sizeof(url));
    const struct vn_http_request req = {
        .method = method,
        .url = url,
        .bearer = token,
        .body = text ? VN_SPAN_STR(text) : VN_SPAN_NONE,
    };
    struct vn_http_response res;
    struct vn_buf answer;
    vn_http_perform(&cfg, &req, &res, &answer);
    json_t *j =
        res.status == VN_OK ? json_loadb((const char *)answer.p, answer.len, 0, NULL) : NULL;
    vn_buf_wipe(&answer);
    if (res.status != VN_OK) {
        snprintf(why, why_n, "%s", res.detail);
        return res.status == VN_ERR_AGAIN ? VN_ERR_AGAIN : VN_ERR_DENIED;
    }
    if (res.code >= 300) {
        reason(j, res.code, why, why_n);
        json_decref(j);
        return VN_ERR_DENIED;
    }
    *ret = j;
    return VN_OK;
}

int vn_admin_order(struct vn_guardian *g, const struct vn_id *node, json_t *take_body, json_t **ret)
{
    VN_CLEANUP(vn_json_freep) json_t *body = take_body;
    char path[96], id[VN_ID_TEXT], why[400];
    vn_id_format(node, id);
    snprintf(path, sizeof(path), "/conflux/%s/commands", id);
    vn_status st = vn_admin_call(g, "POST", path, body, ret, why, sizeof(why));
    if (st == VN_ERR_AGAIN)
        return vn_die("no Guardian answers here: start it with veilnet-guardian run");
    return st == VN_OK ? 0 : vn_die("%s", why);
}

/* ---- verbs ---- */

struct verb {
    struct vn_admin c;
    struct vn_admin_search s;
    const char *peers, *scopes, *taints;
};

/* Options, and the node. */
static int start(int argc, char **argv, struct verb *v, bool quarantine)
{
    const struct vn_option options[] = {{"--state-dir", &v->c.dir_option, NULL},
                                        {"--realm", &v->c.realm, NULL},
                                        {"--json", NULL, &v->c.json},
                                        {"", &v->s.name, NULL},
                                        {quarantine ? "--peers" : NULL, &v->peers, NULL},
                                        {"--scopes", &v->scopes, NULL},
                                        {"--taints", &v->taints, NULL},
                                        {0}};
    char what[96];
    *v = (struct verb){0};
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    snprintf(what, sizeof(what), "say which node: node %s TAG", argv[0]);
    return v->s.name ? vn_admin_find_node(&v->c, &v->s) : vn_admin_usage(what);
}

/* One order, and its answer printed. */
static int simple(int argc, char **argv, const char *command)
{
    static struct verb v;
    json_t *answer = NULL;
    int code = start(argc, argv, &v, false);
    if (!code)
        code =
            vn_admin_order(&v.c.g, &v.s.found.id, json_pack("{s:s}", "command", command), &answer);
    if (!code)
        vn_admin_print(&v.c, v.s.found.tag, answer);
    json_decref(answer);
    vn_admin_finish(&v.c);
    return code;
}

int vn_cmd_node_query(int argc, char **argv)
{
    static struct verb v;
    json_t *info = NULL, *networks = NULL, *remotes = NULL;
    int code = start(argc, argv, &v, false);
    if (!code)
        code = vn_admin_order(&v.c.g, &v.s.found.id, json_pack("{s:s}", "command", "info"), &info);
    if (!code)
        code = vn_admin_order(&v.c.g, &v.s.found.id, json_pack("{s:s}", "command", "networks"),
                              &networks);
    if (!code)
        code = vn_admin_order(&v.c.g, &v.s.found.id,
                              json_pack("{s:s}", "command", "remote_networks"), &remotes);
    if (!code) {
        json_object_set(info, "networks", json_object_get(networks, "items"));
        json_object_set(info, "remote_networks", json_object_get(remotes, "items"));
        vn_admin_print(&v.c, v.s.found.tag, info);
    }
    json_decref(info);
    json_decref(networks);
    json_decref(remotes);
    vn_admin_finish(&v.c);
    return code;
}

/* As many answers as it takes. */
static int all_of(int argc, char **argv, const char *command)
{
    static struct verb v;
    json_t *all = NULL;
    int code = start(argc, argv, &v, false);
    for (bool more = !code; !code && more;) {
        json_t *part = NULL, *items = json_object_get(all, "items");
        json_int_t offset = (json_int_t)json_array_size(items);
        code = vn_admin_order(&v.c.g, &v.s.found.id,
                              json_pack("{s:s, s:I}", "command", command, "offset", offset), &part);
        if (code)
            break;
        json_int_t total = json_integer_value(json_object_get(part, "total"));
        json_t *next = json_object_get(part, "items");
        offset += (json_int_t)json_array_size(next);
        more = json_array_size(next) && offset < total;
        if (all) {
            json_array_extend(items, next);
            json_decref(part);
        } else {
            all = part;
        }
    }
    if (!code)
        vn_admin_print(&v.c, v.s.found.tag, all);
    json_decref(all);
    vn_admin_finish(&v.c);
    return code;
}

int vn_cmd_node_sessions(int argc, char **argv)
{
    return all_of(argc, argv, "sessions");
}

int vn_cmd_node_routes(int argc, char **argv)
{
    return all_of(argc, argv, "routes");
}

int vn_cmd_node_health(int argc, char **argv)
{
    return simple(argc, argv, "health");
}

int vn_cmd_node_invalidate(int argc, char **argv)
{
    return simple(argc, argv, "invalidate");
}

int vn_cmd_node_shutdown(int argc, char **argv)
{
    return simple(argc, argv, "shutdown");
}

/* ---- quarantine ---- */

json_t *vn_admin_words(const char *option, const char *list)
{
    VN_CLEANUP(vn_json_freep) json_t *a = json_array();
    for (const char *p = list;; p++) {
        const size_t n = strcspn(p, ",");
        if (!n) {
            vn_die("%s is a comma list, and a word of it is empty", option);
            return NULL;
        }
        if (json_array_append_new(a, json_stringn(p, n)) != 0) {
            vn_die("%s holds what is no UTF-8 text: correct it", option);
            return NULL;
        }
        p += n;
        if (!*p)
            return VN_TAKE(a);
    }
}

json_t *vn_admin_node_ids(struct vn_admin *c, const char *option, const char *list)
{
    static struct vn_admin_search s;
    VN_CLEANUP(vn_json_freep) json_t *names = vn_admin_words(option, list);
    VN_CLEANUP(vn_json_freep) json_t *ids = names ? json_array() : NULL;
    for (size_t i = 0; i < json_array_size(names); i++) {
        s = (struct vn_admin_search){.name = json_string_value(json_array_get(names, i))};
        if (vn_admin_search(c, &s) != 0)
            return NULL;
        json_array_append_new(ids, vn_json_id(&s.found.id));
    }
    return VN_TAKE(ids);
}

json_t *vn_admin_user_ids(struct vn_admin *c, const char *option, const char *list)
{
    VN_CLEANUP(vn_json_freep) json_t *names = vn_admin_words(option, list);
    VN_CLEANUP(vn_json_freep) json_t *ids = names ? json_array() : NULL;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        struct vn_user_record u;
        struct vn_id id;
        if (vn_store_user_by_name(c->g.store, name, &u) == VN_OK) {
            id = u.id;
        } else if (vn_id_parse(VN_SPAN_STR(name), &id) != VN_OK) {
            vn_die("there is no user %s (veilnet-guardian user list shows them)", name);
            return NULL;
        }
        json_array_append_new(ids, vn_json_id(&id));
    }
    return VN_TAKE(ids);
}

/* NULL: what is wrong has been said. */
static int put(json_t *body, const char *member, json_t *take)
{
    return take && json_object_set_new(body, member, take) == 0 ? 0 : 1;
}

static int keep_apart(int argc, char **argv, const char *command)
{
    static struct verb v;
    VN_CLEANUP(vn_json_freep) json_t *answer = NULL;
    VN_CLEANUP(vn_json_freep) json_t *body = json_pack("{s:s}", "command", command);
    int code = start(argc, argv, &v, true);
    if (!code && v.peers)
        code = put(body, "peers", vn_admin_node_ids(&v.c, "--peers", v.peers));
    if (!code && v.scopes)
        code = put(body, "scopes", vn_admin_user_ids(&v.c, "--scopes", v.scopes));
    if (!code && v.taints)
        code = put(body, "taints", vn_admin_words("--taints", v.taints));
    if (!code)
        code = vn_admin_order(&v.c.g, &v.s.found.id, json_incref(body), &answer);
    if (!code)
        vn_admin_print(&v.c, v.s.found.tag, answer);
    vn_admin_finish(&v.c);
    return code;
}

int vn_cmd_node_quarantine(int argc, char **argv)
{
    return keep_apart(argc, argv, "quarantine");
}

int vn_cmd_node_release(int argc, char **argv)
{
    return keep_apart(argc, argv, "release");
}
