#include "control/guardian_api.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "control/http.h"
#include "control/json_alloc.h"
#include "control/json_read.h"
#include "control/login_answer.h"
#include "control/login_request.h"
#include "crypto/kdf.h"

/* A kept-alive connection may die between nonce and login; more often than this it is not that. */
#define LOGIN_ATTEMPTS_MAX 3

enum op_kind { OP_LOGIN, OP_LOGOUT, OP_TAINTS, OP_PEERS, OP_COUNT };

/* One request of each kind at a time. */
struct op {
    struct vn_guardian_api *g;
    enum op_kind kind;
    bool active;
    struct vn_http_call *call;
    size_t tried;                    /* URLs that could not be reached */
    unsigned attempt;                /* of the login, at one URL */
    char detail[VN_GUARDIAN_DETAIL]; /* of the first failure: later ones are rarely the cause */
    char *body;                      /* a request body that may have to be sent again */

    struct vn_login_request login; /* as borrowed */
    int64_t connection;            /* which carried the nonce */
    union {
        void (*login_fn)(void *arg, struct vn_credentials *cred,
                         const struct vn_authority_error *err);
        void (*logout_fn)(void *arg, const struct vn_authority_error *err);
        void (*taints_fn)(void *arg, const struct vn_taint_result *res,
                          const struct vn_authority_error *err);
        void (*peers_fn)(void *arg, const struct vn_peer_entry *list, size_t count,
                         const struct vn_authority_error *err);
    };
    void *arg;
};

struct vn_guardian_api {
    struct vn_http *http;
    struct vn_guardian_address at;
    size_t current; /* the URL that answered last */
    char token[VN_JOIN_JWT_MAX + 1];
    uint8_t token_hash[32];
    struct vn_authority port;
    struct op ops[OP_COUNT];
};

static vn_status op_begin(struct op *op);

/* ---- ends of an operation ---- */

static void op_reset(struct op *op)
{
    op->active = false;
    op->call = NULL;
    vn_secret_strp(&op->body);
    op->body = NULL;
}

static void op_fail(struct op *op, vn_status why, const char *detail)
{
    /* detail may lie in op, which the callback may use for the next request. */
    char text[VN_GUARDIAN_DETAIL];
    snprintf(text, sizeof(text), "%s", detail);
    const struct vn_authority_error err = {.status = why, .detail = text};
    op_reset(op);
    switch (op->kind) {
    case OP_LOGIN:
        op->login_fn(op->arg, NULL, &err);
        break;
    case OP_LOGOUT:
        op->logout_fn(op->arg, &err);
        break;
    case OP_TAINTS:
        op->taints_fn(op->arg, NULL, &err);
        break;
    case OP_PEERS:
        op->peers_fn(op->arg, NULL, 0, &err);
        break;
    case OP_COUNT:
        break;
    }
}

static void op_fail_answer(struct op *op, const struct vn_http_response *res)
{
    char detail[VN_GUARDIAN_DETAIL];
    vn_error_detail(res->code, res->body, detail, sizeof(detail));
    op_fail(op, vn_error_status(res->code), detail);
}

/* Tries the next Guardian, or gives up when all were tried. */
static void op_unreachable(struct op *op, const char *detail)
{
    struct vn_guardian_api *g = op->g;
    if (op->tried == 0)
        snprintf(op->detail, sizeof(op->detail), "%s", detail);
    if (++op->tried < g->at.url_count) {
        g->current = (g->current + 1) % g->at.url_count;
        op->attempt = 0;
        if (op_begin(op) == VN_OK)
            return;
    }
    op_fail(op, VN_ERR_AGAIN, op->detail);
}

/* True when there is an answer to look at. */
static bool op_answered(struct op *op, const struct vn_http_response *res)
{
    op->call = NULL;
    if (res->status == VN_OK && res->code < 500)
        return true;
    /* A server that is not Guardian may be an attacker's: the node goes on trying, it does not
     * stop. */
    char detail[VN_GUARDIAN_DETAIL];
    if (res->status == VN_OK)
        vn_error_detail(res->code, res->body, detail, sizeof(detail));
    else
        snprintf(detail, sizeof(detail), "%s", res->detail);
    op_unreachable(op, detail);
    return false;
}

/* True when there is what was asked for. */
static bool op_succeeded(struct op *op, const struct vn_http_response *res)
{
    if (!op_answered(op, res))
        return false;
    if (res->code == 200)
        return true;
    op_fail_answer(op, res);
    return false;
}

static vn_status op_send(struct op *op, const char *method, const char *path, bool want_binding,
                         void (*fn)(void *arg, const struct vn_http_response *res))
{
    struct vn_guardian_api *g = op->g;
    char url[VN_GUARDIAN_URL_MAX + 64];
    snprintf(url, sizeof(url), "%s%s", g->at.urls[g->current], path);
    const struct vn_http_request req = {
        .method = method,
        .url = url,
        .bearer = g->token,
        .body = op->body ? VN_SPAN_STR(op->body) : VN_SPAN_NONE,
        .want_binding = want_binding,
    };
    return vn_http_start(g->http, &req, fn, op, &op->call);
}

/* ---- login ---- */

static void login_again(struct op *op, const char *why)
{
    if (++op->attempt >= LOGIN_ATTEMPTS_MAX) {
        op_unreachable(op, why);
        return;
    }
    if (op_begin(op) != VN_OK)
        op_fail(op, VN_ERR_NOMEM, "out of memory");
}

static void on_login(void *arg, const struct vn_http_response *res)
{
    struct op *op = arg;
    vn_secret_strp(&op->body);
    op->body = NULL;
    /* The proof names the connection, so one that libcurl had to make anew cannot carry it. */
    if (res->connection != op->connection) {
        op->call = NULL;
        login_again(op, res->status == VN_OK
                            ? "the connection to Guardian was lost during the login"
                            : res->detail);
        return;
    }
    if (!op_succeeded(op, res))
        return;
    struct vn_credentials *cred = NULL;
    const vn_status st = vn_login_answer_parse(res->body, &cred);
    if (st != VN_OK) {
        op_fail(
            op, st,
            st == VN_ERR_NOMEM
                ? "out of memory"
                : "Guardian's answer to the login is not understood: its version may differ from "
                  "this node's");
        return;
    }
    op_reset(op);
    op->login_fn(op->arg, cred, NULL);
}

static void on_nonce(void *arg, const struct vn_http_response *res)
{
    struct op *op = arg;
    if (!op_succeeded(op, res))
        return;
    uint8_t nonce[32];
    VN_CLEANUP(vn_jread_freep) json_t *root = vn_jread_parse(res->body);
    if (!vn_jread_bytes(root, "nonce", nonce, sizeof(nonce)) || !res->has_binding) {
        op_fail(op, VN_ERR_MALFORMED,
                "Guardian's nonce is not understood: its version may differ from this node's");
        return;
    }
    op->connection = res->connection;
    vn_status st =
        vn_login_request_body(&op->login, nonce, res->binding, op->g->token_hash, &op->body);
    if (st == VN_OK)
        st = op_send(op, "POST",
                     op->login.renew ? "/conflux/session/renew" : "/conflux/session/login", false,
                     on_login);
    if (st != VN_OK)
        op_fail(op, st, "the login could not be signed");
}

/* ---- the others ---- */

static void on_logout(void *arg, const struct vn_http_response *res)
{
    struct op *op = arg;
    if (!op_answered(op, res))
        return;
    if (res->code / 100 != 2) {
        op_fail_answer(op, res);
        return;
    }
    op_reset(op);
    op->logout_fn(op->arg, NULL);
}

static void on_taints(void *arg, const struct vn_http_response *res)
{
    struct op *op = arg;
    if (!op_succeeded(op, res))
        return;
    struct vn_taint_answer a;
    const vn_status st = vn_taint_answer_parse(res->body, &a);
    if (st != VN_OK) {
        op_fail(op, st,
                "Guardian's answer is not understood: its version may differ from this node's");
        return;
    }
    op_reset(op);
    op->taints_fn(op->arg, &a.res, NULL);
    vn_taint_answer_done(&a);
}

static void on_peers(void *arg, const struct vn_http_response *res)
{
    struct op *op = arg;
    if (!op_succeeded(op, res))
        return;
    struct vn_peer_entry *list = NULL;
    size_t n = 0;
    const vn_status st = vn_peers_answer_parse(res->body, &list, &n);
    if (st != VN_OK) {
        op_fail(op, st,
                "Guardian's answer is not understood: its version may differ from this node's");
        return;
    }
    op_reset(op);
    op->peers_fn(op->arg, list, n, NULL);
    free(list);
}

static vn_status op_begin(struct op *op)
{
    switch (op->kind) {
    case OP_LOGIN:
        return op_send(op, "GET", "/conflux/session/nonce", true, on_nonce);
    case OP_LOGOUT:
        return op_send(op, "POST", "/conflux/session/logout", false, on_logout);
    case OP_TAINTS:
        return op_send(op, "POST", "/conflux/taints", false, on_taints);
    case OP_PEERS:
        return op_send(op, "GET", "/conflux/peers", false, on_peers);
    case OP_COUNT:
        break;
    }
    return VN_ERR_ARG;
}

/* ---- the port ---- */

static vn_status op_claim(struct vn_guardian_api *g, enum op_kind kind, void *arg, struct op **ret)
{
    struct op *op = &g->ops[kind];
    if (op->active)
        return VN_ERR_STATE;
    *op = (struct op){.g = g, .kind = kind, .active = true, .connection = -1, .arg = arg};
    *ret = op;
    return VN_OK;
}

static vn_status op_start(struct op *op)
{
    const vn_status st = op_begin(op);
    if (st != VN_OK)
        op_reset(op);
    return st;
}

static vn_status port_login(void *self, const struct vn_login_request *req,
                            void (*fn)(void *arg, struct vn_credentials *cred,
                                       const struct vn_authority_error *err),
                            void *arg)
{
    struct op *op;
    const vn_status st = op_claim(self, OP_LOGIN, arg, &op);
    if (st != VN_OK)
        return st;
    op->login = *req;
    op->login_fn = fn;
    return op_start(op);
}

static vn_status port_logout(void *self, const struct vn_id *node,
                             void (*fn)(void *arg, const struct vn_authority_error *err), void *arg)
{
    struct op *op;
    const vn_status st = op_claim(self, OP_LOGOUT, arg, &op);
    if (st != VN_OK)
        return st;
    char text[VN_ID_TEXT];
    vn_id_format(node, text);
    op->logout_fn = fn;
    VN_CLEANUP(vn_jread_freep) json_t *o = json_pack("{s:s}", "node", text);
    op->body = o ? json_dumps(o, JSON_COMPACT) : NULL;
    if (!op->body) {
        op_reset(op);
        return VN_ERR_NOMEM;
    }
    return op_start(op);
}

static vn_status port_change_taints(void *self, const char *const *add, size_t add_count,
                                    const char *const *remove_, size_t remove_count,
                                    void (*fn)(void *arg, const struct vn_taint_result *res,
                                               const struct vn_authority_error *err),
                                    void *arg)
{
    struct op *op;
    const vn_status st = op_claim(self, OP_TAINTS, arg, &op);
    if (st != VN_OK)
        return st;
    op->taints_fn = fn;
    vn_json_begin();
    VN_CLEANUP(vn_jread_freep)
    json_t *o = json_pack("{so,so}", "add", vn_json_text_list(add, add_count), "remove",
                          vn_json_text_list(remove_, remove_count));
    const vn_status made = o                     ? VN_OK
                           : vn_json_exhausted() ? VN_ERR_NOMEM
                                                 : VN_ERR_ARG; /* text that is no UTF-8 */
    op->body = o ? vn_json_dump(o, JSON_COMPACT) : NULL;
    if (!op->body) {
        op_reset(op);
        return made == VN_OK ? VN_ERR_NOMEM : made;
    }
    return op_start(op);
}

static vn_status port_peers(void *self,
                            void (*fn)(void *arg, const struct vn_peer_entry *list, size_t count,
                                       const struct vn_authority_error *err),
                            void *arg)
{
    struct op *op;
    const vn_status st = op_claim(self, OP_PEERS, arg, &op);
    if (st != VN_OK)
        return st;
    op->peers_fn = fn;
    return op_start(op);
}

static void port_cancel(void *self)
{
    struct vn_guardian_api *g = self;
    for (size_t i = 0; i < OP_COUNT; i++) {
        vn_http_cancel(g->ops[i].call);
        op_reset(&g->ops[i]);
    }
}

vn_status vn_guardian_api_new(const struct vn_guardian_api_config *cfg,
                              struct vn_guardian_api **ret)
{
    if (cfg->guardian->url_count == 0 || strlen(cfg->conflux_token) > VN_JOIN_JWT_MAX)
        return VN_ERR_ARG;
    struct vn_guardian_api *g = calloc(1, sizeof(*g));
    if (!g)
        return VN_ERR_NOMEM;
    g->at = *cfg->guardian;
    snprintf(g->token, sizeof(g->token), "%s", cfg->conflux_token);
    g->port = (struct vn_authority){
        .self = g,
        .login = port_login,
        .logout = port_logout,
        .change_taints = port_change_taints,
        .peers = port_peers,
        .cancel = port_cancel,
    };
    struct vn_hash hash;
    struct vn_http_config http = {.pinned = g->at.pinned, .so_mark = cfg->so_mark};
    memcpy(http.pin, g->at.pin, sizeof(http.pin));
    vn_status st = vn_hash(VN_SHA256, VN_PARTS(VN_SPAN_STR(g->token)), &hash);
    if (st == VN_OK) {
        memcpy(g->token_hash, hash.b, sizeof(g->token_hash));
        st = vn_http_new(cfg->io, &http, &g->http);
    }
    if (st != VN_OK) {
        vn_guardian_api_free(g);
        return st;
    }
    *ret = g;
    return VN_OK;
}

struct vn_guardian_api *vn_guardian_api_free(struct vn_guardian_api *g)
{
    if (!g)
        return NULL;
    port_cancel(g);
    vn_http_free(g->http);
    vn_wipe(g, sizeof(*g));
    free(g);
    return NULL;
}

const struct vn_authority *vn_guardian_api_port(const struct vn_guardian_api *g)
{
    return &g->port;
}

const char *vn_guardian_api_url(const struct vn_guardian_api *g)
{
    return g->at.urls[g->current];
}
