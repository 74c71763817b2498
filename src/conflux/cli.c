#include "conflux/cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "conflux/daemon.h"

int vn_cli_print(json_t *o)
{
    if (o) {
        json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
        putchar('\n');
    }
    json_decref(o);
    return VN_EXIT_OK;
}

int vn_cli_fail(const struct vn_cli *c, enum vn_exit code, const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    if (c->o.json)
        vn_cli_print(json_pack("{s:s, s:i}", "error", text, "exit", (int)code));
    else
        fflush(stdout);
    fprintf(stderr, "veilnet-conflux: %s\n", text);
    return (int)code;
}

Vn__Local__Response *vn_cli_ask(const struct vn_cli *c, Vn__Local__Request *request, int timeout_ms,
                                int *ret_exit)
{
    Vn__Local__Response *r = NULL;
    struct vn_client_error err;
    if (vn_client_ask(c->state_dir, request, timeout_ms, &r, &err) == VN_OK)
        return r;
    *ret_exit = vn_cli_fail(c, err.exit, "%s", err.text);
    return NULL;
}

Vn__Local__Response *vn_cli_status(const struct vn_cli *c, bool quiet, int *ret_exit)
{
    Vn__Local__Nothing nothing = VN__LOCAL__NOTHING__INIT;
    Vn__Local__Request rq = VN__LOCAL__REQUEST__INIT;
    rq.kind_case = VN__LOCAL__REQUEST__KIND_STATUS;
    rq.status = &nothing;
    Vn__Local__Response *r = NULL;
    if (!quiet) {
        r = vn_cli_ask(c, &rq, 5000, ret_exit);
    } else {
        struct vn_client_error err;
        if (vn_client_ask(c->state_dir, &rq, 5000, &r, &err) != VN_OK) {
            *ret_exit = (int)err.exit;
            return NULL;
        }
    }
    if (r && r->kind_case != VN__LOCAL__RESPONSE__KIND_STATUS) {
        vn__local__response__free_unpacked(r, NULL);
        *ret_exit = vn_cli_fail(c, VN_EXIT_FAILURE, "the running node is of another version");
        return NULL;
    }
    return r;
}

static size_t set_names(const char *const *from, size_t count, char ret[][VN_VIA_NAME_MAX])
{
    for (size_t i = 0; i < count; i++)
        snprintf(ret[i], VN_VIA_NAME_MAX, "%s", from[i]);
    return count;
}

void vn_cli_settings(const struct vn_cli *c, struct vn_conflux_config *ret)
{
    if (c->o.interface)
        snprintf(ret->interface, sizeof(ret->interface), "%s", c->o.interface);
    if (c->o.has_mtu)
        ret->mtu_bytes = c->o.mtu_bytes;
    if (c->o.has_idle)
        ret->idle_ms = c->o.idle_ms;
    if (c->o.has_workers)
        ret->workers = c->o.workers;
    if (c->o.has_candidates)
        ret->candidates = c->o.candidates;
    if (c->o.not_over)
        snprintf(ret->not_over, sizeof(ret->not_over), "%s", c->o.not_over);
    if (c->o.no_relay)
        ret->no_relay = true;
    if (c->o.has_avoid)
        ret->avoid_countries = c->o.avoid_countries;
    if (c->o.has_prefer)
        ret->prefer_countries = c->o.prefer_countries;
    if (c->o.has_via)
        ret->via_count = set_names(c->o.via, c->o.via_count, ret->via);
    if (c->o.has_keep_warm)
        ret->keep_warm_count = set_names(c->o.keep_warm, c->o.keep_warm_count, ret->keep_warm);
}

int vn_cli_config(const struct vn_cli *c, struct vn_conflux_config *ret)
{
    enum vn_config_file which;
    const vn_status st = vn_config_load_any(c->state_dir, ret, &which);
    if (st == VN_ERR_NOTFOUND)
        return vn_cli_fail(
            c, VN_EXIT_NOT_REGISTERED,
            "this machine is not registered (nothing in %s): veilnet-conflux register -t TOKEN",
            c->state_dir);
    if (st == VN_ERR_MALFORMED)
        return vn_cli_fail(c, VN_EXIT_FAILURE, "%s/%s is damaged: register this machine again",
                           c->state_dir, vn_config_name(which));
    if (st != VN_OK)
        return vn_cli_fail(c, VN_EXIT_FAILURE,
                           "cannot read %s/%s: be root, or name another --state-dir", c->state_dir,
                           vn_config_name(which));
    vn_cli_settings(c, ret);
    return VN_EXIT_OK;
}

static vn_status read_stdin(struct vn_buf *b)
{
    for (;;) {
        const vn_status st = vn_buf_reserve(b, 1);
        if (st != VN_OK)
            return st;
        const ssize_t n = read(STDIN_FILENO, b->p + b->len, b->cap - b->len);
        if (n == 0)
            return VN_OK;
        if (n < 0)
            return VN_ERR_IO;
        b->len += (size_t)n;
    }
}

int vn_cli_token(struct vn_cli *c, struct vn_join *ret)
{
    struct vn_buf b;
    vn_buf_init(&b, VN_JOIN_TEXT_MAX + 64);
    vn_status st = vn_buf_reserve(&b, VN_JOIN_TEXT_MAX + 64);
    if (st != VN_OK)
        return vn_cli_fail(c, VN_EXIT_FAILURE, "out of memory");
    int code = VN_EXIT_OK;
    if (c->o.token_file)
        st = vn_file_read(c->o.token_file, &b);
    else if (c->o.token && strcmp(c->o.token, "-") == 0)
        st = read_stdin(&b);
    else if (c->o.token)
        st = vn_buf_append(&b, c->o.token, strlen(c->o.token));
    else
        code = vn_cli_fail(c, VN_EXIT_USAGE,
                           "which token? add -t TOKEN (or --token-file FILE, or -t - to read it "
                           "from standard input)");
    if (code == VN_EXIT_OK && st != VN_OK && c->o.token_file)
        code = vn_cli_fail(c, VN_EXIT_USAGE, "cannot read a token from %s", c->o.token_file);
    else if (code == VN_EXIT_OK && st == VN_OK)
        st = vn_join_parse(vn_buf_span(&b), ret);
    vn_buf_wipe(&b);
    vn_secret_strp(&c->o.token); /* 'register -d' goes on for as long as the node lives */
    if (code == VN_EXIT_OK && st == VN_ERR_UNSUPPORTED)
        code =
            vn_cli_fail(c, VN_EXIT_USAGE, "this token is of a later version: upgrade this program");
    else if (code == VN_EXIT_OK && st != VN_OK)
        code = vn_cli_fail(c, VN_EXIT_USAGE,
                           "that is not a token, or a part of it is missing: paste all of it");
    return code;
}

int vn_cli_guardian(const struct vn_cli *c, const struct vn_join *token,
                    struct vn_guardian_address *ret)
{
    *ret = token->guardian;
    if (c->o.guardian_count > VN_GUARDIAN_URLS_MAX)
        return vn_cli_fail(c, VN_EXIT_USAGE, "at most %d Guardians", VN_GUARDIAN_URLS_MAX);
    for (size_t i = 0; i < c->o.guardian_count; i++) {
        if (vn_guardian_url_parse(c->o.guardians[i], ret->urls[i]) != VN_OK)
            return vn_cli_fail(c, VN_EXIT_USAGE,
                               "'%s' is not an address of the form https://HOST:PORT",
                               c->o.guardians[i]);
    }
    if (c->o.guardian_count)
        ret->url_count = c->o.guardian_count;
    if (!ret->url_count)
        return vn_cli_fail(c, VN_EXIT_USAGE,
                           "this token names no Guardian: add -g https://HOST:PORT");
    return VN_EXIT_OK;
}

void vn_cli_stop(const struct vn_cli *c)
{
    Vn__Local__Nothing nothing = VN__LOCAL__NOTHING__INIT;
    Vn__Local__Request rq = VN__LOCAL__REQUEST__INIT;
    rq.kind_case = VN__LOCAL__REQUEST__KIND_STOP;
    rq.stop = &nothing;
    Vn__Local__Response *r = NULL;
    struct vn_client_error err;
    if (vn_client_ask(c->state_dir, &rq, 5000, &r, &err) != VN_OK)
        return;
    vn__local__response__free_unpacked(r, NULL);
    (void)vn_daemon_wait_gone(c->state_dir, 5000);
}

int vn_cli_run(const struct vn_cli *c, const struct vn_conflux_config *config)
{
    const struct vn_daemon_options o = {
        .state_dir = c->state_dir, .config = config, .verbose = c->o.verbose};
    fflush(stdout);
    return vn_daemon_run(&o);
}

void vn_cli_run_line(const struct vn_cli *c, char *ret, size_t cap)
{
    if (strcmp(c->state_dir, VN_STATE_DIR) == 0)
        snprintf(ret, cap, "veilnet-conflux run");
    else
        snprintf(ret, cap, "veilnet-conflux --state-dir %s run", c->state_dir);
}

void vn_cli_duration(uint64_t ms, char ret[32])
{
    if (ms < 120000)
        snprintf(ret, 32, "%" PRIu64 " s", ms / 1000);
    else if (ms < 7200000)
        snprintf(ret, 32, "%" PRIu64 " min", ms / 60000);
    else
        snprintf(ret, 32, "%" PRIu64 " h", ms / 3600000);
}

void vn_cli_bytes(uint64_t n, char ret[32])
{
    if (n < 10000)
        snprintf(ret, 32, "%" PRIu64 " B", n);
    else if (n < 10000000)
        snprintf(ret, 32, "%.1f KB", (double)n / 1e3);
    else if (n < 10000000000)
        snprintf(ret, 32, "%.1f MB", (double)n / 1e6);
    else
        snprintf(ret, 32, "%.1f GB", (double)n / 1e9);
}

json_t *vn_cli_strings(char *const *list, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; a && i < n; i++)
        json_array_append_new(a, json_string(list[i]));
    return a;
}

json_t *vn_cli_relays(Vn__Local__Relay *const *list, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; a && i < n; i++) {
        const Vn__Local__Relay *r = list[i];
        json_array_append_new(
            a, json_pack("{s:s, s:s, s:s?, s:I, s:I, s:f, s:b, s:b, s:b, s:s?, s:s?}", "node",
                         r->node, "tag", r->tag, "country", r->country[0] ? r->country : NULL,
                         "rtt_us", (json_int_t)r->rtt_us, "guess_us", (json_int_t)r->guess_us,
                         "headroom", r->headroom_permille / 1000.0, "ready", r->ready, "tethered",
                         r->tethered, "public", r->public_, "wish", r->wish[0] ? r->wish : NULL,
                         "rule", r->rule[0] ? r->rule : NULL));
    }
    return a;
}
