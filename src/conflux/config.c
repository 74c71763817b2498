#include "conflux/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/text.h"
#include "control/json_alloc.h"
#include "control/json_read.h"
#include "core/commands.h"
#include "crypto/suite.h"

#define FILE_MAX_BYTES 32768

void vn_config_wipe(struct vn_conflux_config *c)
{
    vn_wipe(c, sizeof(*c));
}

bool vn_state_path(const char *state_dir, const char *name, char ret[VN_PATH_MAX])
{
    return (size_t)snprintf(ret, VN_PATH_MAX, "%s/%s", state_dir, name) < VN_PATH_MAX;
}

const char *vn_config_name(enum vn_config_file which)
{
    return which == VN_CONFIG_UP ? "up.json" : "conflux.json";
}

/* ---- out ---- */

static bool set_text(json_t *o, const char *name, const char *text)
{
    return json_object_set_new(o, name, json_string(text)) == 0;
}

static bool set_id(json_t *o, const char *name, const struct vn_id *id)
{
    char text[VN_ID_TEXT];
    vn_id_format(id, text);
    return set_text(o, name, text);
}

static bool set_ip(json_t *o, const char *name, const struct vn_ip *ip)
{
    static const struct vn_ip none;
    char text[VN_IP_TEXT];
    if (vn_ip_equal(ip, &none))
        return true;
    vn_ip_format(ip, text);
    return set_text(o, name, text);
}

static json_t *guardian_json(const struct vn_guardian_address *g)
{
    json_t *o = json_object(), *urls = json_array();
    bool ok = o && urls;
    for (size_t i = 0; ok && i < g->url_count; i++)
        ok = json_array_append_new(urls, json_string(g->urls[i])) == 0;
    ok = json_object_set_new(o, "urls", urls) == 0 && ok;
    if (ok && g->pinned) {
        char pin[VN_B64URL_LEN(32) + 1];
        vn_b64url_encode(VN_SPAN_ARRAY(g->pin), pin);
        ok = set_text(o, "pin", pin);
    }
    if (ok)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *realm_json(const struct vn_conflux_config *c)
{
    json_t *o = json_object();
    const struct vn_suite_info *suite = vn_suite_get(c->suite);
    if (suite && set_id(o, "id", &c->realm) && set_text(o, "name", c->realm_name) &&
        set_text(o, "suite", suite->name))
        return o;
    json_decref(o);
    return NULL;
}

static json_t *names_json(const char names[][VN_VIA_NAME_MAX], size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, json_string(names[i]));
    if (json_array_size(list) == count)
        return list;
    json_decref(list);
    return NULL;
}

static bool set_countries(json_t *o, const char *name, const struct vn_countries *l)
{
    char text[VN_COUNTRIES_TEXT];
    vn_countries_format(l, text);
    return !l->n || set_text(o, name, text);
}

/* {"pin": [...], "exclude": [...]} */
static json_t *rules_json(const struct vn_route_rules *l)
{
    json_t *o = json_object();
    bool ok = o != NULL;
    for (size_t i = 0; ok && i < l->count; i++) {
        const char *wish = vn_relay_wish_name(l->rule[i].wish);
        char text[VN_ROUTE_RULE_TEXT];
        vn_route_rule_format(&l->rule[i], text);
        ok = (json_object_get(o, wish) || json_object_set_new(o, wish, json_array()) == 0) &&
             json_array_append_new(json_object_get(o, wish), json_string(text)) == 0;
    }
    if (ok)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *settings_json(const struct vn_conflux_config *c)
{
    json_t *o = json_object();
    bool ok = o != NULL;
    if (c->interface[0])
        ok = ok && set_text(o, "interface", c->interface);
    if (c->mtu_bytes)
        ok = ok && json_object_set_new(o, "mtu", json_integer(c->mtu_bytes)) == 0;
    if (c->idle_ms)
        ok = ok && json_object_set_new(o, "idle_ms", json_integer(c->idle_ms)) == 0;
    if (c->workers)
        ok = ok && json_object_set_new(o, "workers", json_integer((json_int_t)c->workers)) == 0;
    if (c->candidates != VN_CANDIDATES_ALL)
        ok = ok && set_text(o, "candidates", vn_candidate_filter_name(c->candidates));
    if (c->not_over[0])
        ok = ok && set_text(o, "not_over", c->not_over);
    if (c->no_relay)
        ok = ok && json_object_set_new(o, "relay", json_false()) == 0;
    ok = ok && set_countries(o, "avoid_countries", &c->avoid_countries) &&
         set_countries(o, "prefer_countries", &c->prefer_countries);
    if (c->via_count)
        ok = ok && json_object_set_new(o, "via", names_json(c->via, c->via_count)) == 0;
    if (c->keep_warm_count)
        ok = ok &&
             json_object_set_new(o, "keep_warm", names_json(c->keep_warm, c->keep_warm_count)) == 0;
    if (c->relay_rules.count)
        ok = ok && json_object_set_new(o, "relays", rules_json(&c->relay_rules)) == 0;
    if (ok)
        return o;
    json_decref(o);
    return NULL;
}

vn_status vn_config_format(const struct vn_conflux_config *c, char **ret)
{
    VN_CLEANUP(vn_jread_freep) json_t *o = json_object();
    const bool ok = o && json_object_set_new(o, "version", json_integer(1)) == 0 &&
                    json_object_set_new(o, "guardian", guardian_json(&c->guardian)) == 0 &&
                    json_object_set_new(o, "realm", realm_json(c)) == 0 &&
                    set_id(o, "conflux_id", &c->conflux_id) &&
                    set_text(o, "conflux_token", c->token) && set_text(o, "tag", c->tag) &&
                    set_ip(o, "ip4", &c->ip4) && set_ip(o, "ip6", &c->ip6) &&
                    (!c->public_port ||
                     json_object_set_new(o, "public_port", json_integer(c->public_port)) == 0) &&
                    json_object_set_new(o, "settings", settings_json(c)) == 0;
    *ret = ok ? vn_json_dump(o, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
    return *ret ? VN_OK : VN_ERR_NOMEM;
}

vn_status vn_config_save(const char *state_dir, enum vn_config_file which,
                         const struct vn_conflux_config *c)
{
    char path[VN_PATH_MAX];
    if (!vn_state_path(state_dir, vn_config_name(which), path))
        return VN_ERR_ARG;
    VN_CLEANUP(vn_secret_strp) char *text = NULL;
    vn_status st = vn_config_format(c, &text);
    if (st == VN_OK)
        st = vn_file_mkdirs(state_dir, 0700);
    return st == VN_OK ? vn_file_write_atomic(path, VN_SPAN_STR(text), 0600) : st;
}

/* ---- in ---- */

static bool parse_guardian(const json_t *o, struct vn_guardian_address *ret)
{
    const json_t *urls = json_object_get(o, "urls");
    const size_t n = json_array_size(urls);
    if (n == 0 || n > VN_GUARDIAN_URLS_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *u = json_string_value(json_array_get(urls, i));
        if (!u || vn_guardian_url_parse(u, ret->urls[i]) != VN_OK)
            return false;
    }
    ret->url_count = n;
    ret->pinned = json_object_get(o, "pin") != NULL;
    return !ret->pinned || vn_jread_bytes(o, "pin", ret->pin, sizeof(ret->pin));
}

static bool parse_realm(const json_t *o, struct vn_conflux_config *ret)
{
    char suite[16];
    if (!vn_jread_id(o, "id", &ret->realm) ||
        !vn_jread_text(o, "name", ret->realm_name, sizeof(ret->realm_name)) ||
        !vn_jread_text(o, "suite", suite, sizeof(suite)) || !vn_suite_by_name(suite))
        return false;
    ret->suite = vn_suite_by_name(suite)->id;
    return true;
}

/* Absent: none. */
static bool parse_names(const json_t *o, const char *key, size_t cap, char ret[][VN_VIA_NAME_MAX],
                        size_t *ret_count)
{
    const json_t *list = json_object_get(o, key);
    const size_t count = json_array_size(list);
    if ((list && !json_is_array(list)) || count > cap)
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_array_get(list, i);
        size_t n = json_string_length(name);
        if (n == 0 || n >= VN_VIA_NAME_MAX || strlen(json_string_value(name)) != n)
            return false;
        memcpy(ret[i], json_string_value(name), n + 1);
    }
    *ret_count = count;
    return true;
}

static bool parse_countries(const json_t *o, const char *name, struct vn_countries *ret)
{
    char text[VN_COUNTRIES_TEXT];
    return !json_object_get(o, name) ||
           (vn_jread_text(o, name, text, sizeof(text)) && vn_countries_parse(text, ret) == VN_OK);
}

static bool parse_rules(const json_t *o, struct vn_route_rules *ret)
{
    const char *wish;
    json_t *list;
    json_object_foreach((json_t *)o, wish, list)
    {
        enum vn_relay_wish w;
        if (!vn_relay_wish_of(wish, &w) || !json_is_array(list))
            return false;
        for (size_t i = 0; i < json_array_size(list); i++) {
            const char *text = json_string_value(json_array_get(list, i));
            struct vn_route_rule r;
            if (!text || vn_route_rule_parse(w, text, &r) != VN_OK ||
                vn_route_rules_put(ret, &r) != VN_OK)
                return false;
        }
    }
    return json_is_object(o);
}

static bool parse_settings(const json_t *o, struct vn_conflux_config *ret)
{
    uint64_t v;
    if (json_object_get(o, "interface") &&
        !vn_jread_text(o, "interface", ret->interface, sizeof(ret->interface)))
        return false;
    if (json_object_get(o, "mtu")) {
        if (!vn_jread_u64(o, "mtu", VN_MTU_MAX, &v) || v < VN_MTU_MIN)
            return false;
        ret->mtu_bytes = (uint16_t)v;
    }
    if (json_object_get(o, "idle_ms")) {
        if (!vn_jread_u64(o, "idle_ms", 86400000, &v))
            return false;
        ret->idle_ms = (uint32_t)v;
    }
    if (json_object_get(o, "workers")) {
        if (!vn_jread_u64(o, "workers", VN_WORKERS_MAX, &v))
            return false;
        ret->workers = (size_t)v;
    }
    char candidates[16];
    if (json_object_get(o, "candidates") &&
        (!vn_jread_text(o, "candidates", candidates, sizeof(candidates)) ||
         !vn_candidate_filter_of(candidates, &ret->candidates)))
        return false;
    if (json_object_get(o, "not_over") &&
        (!vn_jread_text(o, "not_over", ret->not_over, sizeof(ret->not_over)) ||
         !vn_ifnames_valid(ret->not_over)))
        return false;
    if (!parse_countries(o, "avoid_countries", &ret->avoid_countries) ||
        !parse_countries(o, "prefer_countries", &ret->prefer_countries))
        return false;
    const json_t *rules = json_object_get(o, "relays");
    if (rules && !parse_rules(rules, &ret->relay_rules))
        return false;
    const json_t *relay = json_object_get(o, "relay");
    ret->no_relay = json_is_false(relay);
    return (!relay || json_is_boolean(relay)) && json_is_object(o) &&
           parse_names(o, "via", VN_ARRAY_LEN(ret->via), ret->via, &ret->via_count) &&
           parse_names(o, "keep_warm", VN_ARRAY_LEN(ret->keep_warm), ret->keep_warm,
                       &ret->keep_warm_count);
}

vn_status vn_config_parse(struct vn_span text, struct vn_conflux_config *ret)
{
    VN_CLEANUP(vn_jread_freep) json_t *o = vn_jread_parse(text);
    VN_CLEANUP(vn_config_wipe) struct vn_conflux_config c = {0};
    uint64_t version, public_port = 0;
    if (!vn_jread_u64(o, "version", 1, &version) || version != 1 ||
        !parse_guardian(json_object_get(o, "guardian"), &c.guardian) ||
        !parse_realm(json_object_get(o, "realm"), &c) ||
        !vn_jread_id(o, "conflux_id", &c.conflux_id) ||
        !vn_jread_text(o, "conflux_token", c.token, sizeof(c.token)) || !c.token[0] ||
        !vn_jread_text(o, "tag", c.tag, sizeof(c.tag)) ||
        (json_object_get(o, "ip4") && !vn_jread_ip(o, "ip4", &c.ip4)) ||
        (json_object_get(o, "ip6") && !vn_jread_ip(o, "ip6", &c.ip6)) ||
        (json_object_get(o, "public_port") &&
         !vn_jread_u64(o, "public_port", UINT16_MAX, &public_port)) ||
        !parse_settings(json_object_get(o, "settings"), &c))
        return vn_jread_why();
    c.public_port = (uint16_t)public_port;
    *ret = c;
    return VN_OK;
}

vn_status vn_config_load(const char *state_dir, enum vn_config_file which,
                         struct vn_conflux_config *ret)
{
    char path[VN_PATH_MAX];
    if (!vn_state_path(state_dir, vn_config_name(which), path))
        return VN_ERR_ARG;
    struct vn_buf b;
    vn_buf_init(&b, FILE_MAX_BYTES);
    vn_status st = vn_file_read(path, &b);
    if (st == VN_OK)
        st = vn_config_parse(vn_buf_span(&b), ret);
    vn_buf_wipe(&b);
    return st;
}

vn_status vn_config_load_any(const char *state_dir, struct vn_conflux_config *ret,
                             enum vn_config_file *ret_which)
{
    *ret_which = VN_CONFIG_UP;
    const vn_status st = vn_config_load(state_dir, VN_CONFIG_UP, ret);
    if (st != VN_ERR_NOTFOUND)
        return st;
    *ret_which = VN_CONFIG_REGISTERED;
    return vn_config_load(state_dir, VN_CONFIG_REGISTERED, ret);
}

vn_status vn_config_remove(const char *state_dir, enum vn_config_file which)
{
    char path[VN_PATH_MAX];
    if (!vn_state_path(state_dir, vn_config_name(which), path))
        return VN_ERR_ARG;
    return unlink(path) == 0 || errno == ENOENT ? VN_OK : VN_ERR_IO;
}
