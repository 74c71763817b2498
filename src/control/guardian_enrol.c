#include "control/guardian_enrol.h"

#include <stdio.h>

#include <jansson.h>

#include "base/buf.h"
#include "control/http.h"
#include "control/json_alloc.h"
#include "control/json_read.h"

/* Sends to each Guardian until one answers. True when *res and *body hold an answer of the expected
 * kind. */
static vn_status ask(const struct vn_guardian_address *at, const char *method, const char *path,
                     const char *bearer, const char *body, struct vn_buf *ret_body,
                     struct vn_guardian_failure *ret_err)
{
    struct vn_http_config cfg = {.pinned = at->pinned};
    memcpy(cfg.pin, at->pin, sizeof(cfg.pin));
    *ret_err = (struct vn_guardian_failure){
        .status = VN_ERR_ARG, .detail = "no Guardian is named: add -g https://HOST:PORT"};
    for (size_t i = 0; i < at->url_count; i++) {
        char url[VN_GUARDIAN_URL_MAX + 64];
        snprintf(url, sizeof(url), "%s%s", at->urls[i], path);
        const struct vn_http_request req = {
            .method = method,
            .url = url,
            .bearer = bearer,
            .body = body ? VN_SPAN_STR(body) : VN_SPAN_NONE,
        };
        struct vn_http_response res;
        vn_http_perform(&cfg, &req, &res, ret_body);
        if (res.status == VN_OK && res.code / 100 == 2)
            return VN_OK;
        if (res.status == VN_OK) {
            ret_err->status = vn_error_status(res.code);
            ret_err->reached = true;
            vn_error_detail(res.code, res.body, ret_err->detail, sizeof(ret_err->detail));
        } else if (i == 0) {
            ret_err->status = res.status;
            snprintf(ret_err->detail, sizeof(ret_err->detail), "%s", res.detail);
        }
        vn_buf_wipe(ret_body);
        if (res.status == VN_OK && res.code < 500)
            break;
    }
    return ret_err->status;
}

static bool parse_text_items(const json_t *list, char *ret, size_t stride, size_t max,
                             size_t *ret_count)
{
    const size_t n = json_array_size(list);
    if (n > max)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (!s || strlen(s) >= stride)
            return false;
        snprintf(ret + i * stride, stride, "%s", s);
    }
    *ret_count = n;
    return true;
}

static bool parse_registered(struct vn_span body, struct vn_register_answer *ret)
{
    VN_CLEANUP(vn_jread_freep) json_t *root = vn_jread_parse(body);
    const json_t *realm = json_object_get(root, "realm");
    const json_t *warnings = json_object_get(root, "warnings");
    char suite[16];
    if (!vn_jread_text(realm, "suite", suite, sizeof(suite)) || !vn_suite_by_name(suite))
        return false;
    ret->suite = vn_suite_by_name(suite)->id;
    for (size_t i = 0; i < json_array_size(warnings) && i < VN_REGISTER_WARNINGS_MAX; i++) {
        const char *w = json_string_value(json_array_get(warnings, i));
        snprintf(ret->warnings[ret->warning_count++], sizeof(ret->warnings[0]), "%s", w ? w : "");
    }
    return vn_jread_text(root, "conflux_token", ret->conflux_token, sizeof(ret->conflux_token)) &&
           vn_jread_id(root, "conflux_id", &ret->conflux_id) &&
           vn_jread_text(root, "tag", ret->tag, sizeof(ret->tag)) &&
           vn_jread_ip(root, "ip4", &ret->ip4) && vn_jread_ip(root, "ip6", &ret->ip6) &&
           vn_jread_id(realm, "id", &ret->realm) &&
           vn_jread_text(realm, "name", ret->realm_name, sizeof(ret->realm_name)) &&
           parse_text_items(json_object_get(root, "taints"), ret->taints[0], sizeof(ret->taints[0]),
                            VN_TAINTS_MAX, &ret->taint_count);
}

vn_status vn_guardian_register(const struct vn_guardian_address *at, const char *registration_jwt,
                               const struct vn_register_request *req,
                               struct vn_register_answer *ret, struct vn_guardian_failure *ret_err)
{
    VN_CLEANUP(vn_jread_freep) json_t *o = json_object();
    bool ok = o != NULL;
    const struct {
        const char *name, *value;
    } texts[] = {{"tag", req->tag},           {"ip", req->ip},
                 {"jwt", req->jwt},           {"issuer", req->issuer},
                 {"audience", req->audience}, {"jwks_url", req->jwks_url}};
    for (size_t i = 0; i < VN_ARRAY_LEN(texts); i++)
        if (texts[i].value)
            ok = ok && json_object_set_new(o, texts[i].name, json_string(texts[i].value)) == 0;
    if (req->has_taints)
        ok = ok && json_object_set_new(o, "taints",
                                       vn_json_text_list(req->taints, req->taint_count)) == 0;
    if (req->team_count)
        ok = ok &&
             json_object_set_new(o, "teams", vn_json_text_list(req->teams, req->team_count)) == 0;
    if (req->public_port)
        ok = ok && json_object_set_new(o, "public_port", json_integer(req->public_port)) == 0;
    if (req->public_ip) {
        char ip[VN_IP_TEXT];
        vn_ip_format(req->public_ip, ip);
        ok = ok && json_object_set_new(o, "public_ip", json_string(ip)) == 0;
    }
    VN_CLEANUP(vn_secret_strp) char *body = ok ? vn_json_dump(o, JSON_COMPACT) : NULL;
    if (!body) {
        *ret_err = (struct vn_guardian_failure){
            .status = VN_ERR_ARG, .detail = "a tag, taint, team or JWT is not valid UTF-8 text"};
        return VN_ERR_ARG;
    }
    struct vn_buf answer;
    vn_status st = ask(at, "POST", "/conflux/register", registration_jwt, body, &answer, ret_err);
    if (st != VN_OK)
        return st;
    memset(ret, 0, sizeof(*ret));
    if (!parse_registered(vn_buf_span(&answer), ret)) {
        vn_wipe(ret, sizeof(*ret));
        st = ret_err->status = VN_ERR_MALFORMED;
        snprintf(ret_err->detail, sizeof(ret_err->detail),
                 "Guardian's answer is not understood: its version may differ from this program's");
    }
    vn_buf_wipe(&answer);
    return st;
}

vn_status vn_guardian_unregister(const struct vn_guardian_address *at, const char *conflux_token,
                                 struct vn_guardian_failure *ret_err)
{
    struct vn_buf answer;
    const vn_status st =
        ask(at, "DELETE", "/conflux/register", conflux_token, NULL, &answer, ret_err);
    if (st == VN_OK)
        vn_buf_wipe(&answer);
    return st;
}
