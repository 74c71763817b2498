/*
 * login: signs somebody in by their browser (RFC 8252): prints where to go, waits on the loopback
 * for the redirect, and prints the access token. Of the Guardian of the state folder, or of one
 * that is named. With --link it signs in by a password first, and links that account.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "control/http.h"
#include "control/json_read.h"
#include "guardian/cmd_admin.h"
#include "guardian/commands.h"
#include "guardian/json.h"
#include "guardian/oidc.h"
#include "guardian/options.h"

#define REQUEST_MAX 8192 /* bytes of the browser's request: its first line */
#define REQUEST_MS 5000
#define TOKEN_MAX 4095 /* of Guardian: what its HTTP server takes */

static const char PAGE[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
                           "Connection: close\r\nCache-Control: no-store\r\n\r\n"
                           "You may close this page and go back to the terminal.\n";
static const char NO_PAGE[] = "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n";

struct login {
    struct vn_admin c;
    const char *provider, *guardian, *pin, *user, *password_file;
    bool link;
    char *token; /* access token of the account to be linked; NULL: none is */
    struct vn_http_config http;
    char base[VN_URL_MAX + 8];
    int listener;
    char code[VN_OIDC_CODE_MAX + 1], state[VN_OIDC_SECRET + 1], iss[VN_OIDC_TEXT_MAX + 1],
        error[64];
};

/* ---- Guardian ---- */

/* Returns an exit code after saying what is wrong. */
static int find_guardian(struct login *l)
{
    size_t n;
    if (!l->guardian) {
        int code = vn_admin_begin(&l->c, false);
        if (code)
            return code;
        l->http.pinned = true;
        vn_admin_url(&l->c.g.cfg, "", l->base, sizeof(l->base));
        return vn_tls_key_pin(l->c.g.cfg.https_key_pem, l->http.pin) == VN_OK
                   ? 0
                   : vn_die("cannot read Guardian's key");
    }
    if (strncmp(l->guardian, "https://", 8) != 0 ||
        (size_t)snprintf(l->base, sizeof(l->base), "%s", l->guardian) >= sizeof(l->base))
        return vn_admin_usage("--guardian is https://HOST:PORT");
    l->base[8 + strcspn(l->base + 8, "/")] = 0;
    if (!l->base[8])
        return vn_admin_usage("--guardian is https://HOST:PORT");
    l->http.pinned = l->pin != NULL;
    if (l->pin && (vn_b64url_decode(VN_SPAN_STR(l->pin), l->http.pin, 32, &n) != VN_OK || n != 32))
        return vn_admin_usage("--pin is the \"k\" of a join token: 43 characters");
    return 0;
}

/* In the name of the account that is linked, if one is. *ret: NULL for 204. */
static int call(const struct login *l, const char *path, json_t *take_body, json_t **ret)
{
    VN_CLEANUP(vn_json_freep) json_t *body = take_body;
    VN_CLEANUP(vn_secret_strp) char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    char url[VN_URL_MAX + 64];
    if (!text)
        return vn_die("--oidc or --user holds what is no UTF-8 text: correct it");
    snprintf(url, sizeof(url), "%s%s", l->base, path);
    const struct vn_http_request req = {
        .method = "POST", .url = url, .bearer = l->token, .body = VN_SPAN_STR(text)};
    struct vn_http_response res;
    struct vn_buf answer;
    vn_http_perform(&l->http, &req, &res, &answer);
    *ret = res.status == VN_OK ? vn_jread_parse(res.body) : NULL;
    vn_buf_wipe(&answer);
    if (res.status != VN_OK)
        return vn_die("%s", res.detail);
    const char *detail = json_string_value(json_object_get(*ret, "detail"));
    if (res.code == 204)
        return 0;
    if (res.code != 200)
        return vn_die("%s", detail ? detail : "Guardian answers with an error");
    return *ret ? 0 : vn_die("Guardian's answer is not understood");
}

/* ---- the browser ---- */

static int listen_here(struct login *l, uint16_t *ret_port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(sa);
    l->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->listener < 0 || bind(l->listener, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
        listen(l->listener, 4) != 0 || getsockname(l->listener, (struct sockaddr *)&sa, &n) != 0)
        return vn_die("cannot listen on 127.0.0.1 (%s)", strerror(errno));
    *ret_port = ntohs(sa.sin_port);
    return 0;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The value of a parameter of the query, decoded; "" where there is none, or it is too long. */
static void parameter(const char *query, const char *name, char *ret, size_t cap)
{
    const size_t name_n = strlen(name);
    size_t n = 0;
    const char *p = query;
    while (p && !(strncmp(p, name, name_n) == 0 && p[name_n] == '='))
        p = strchr(p, '&') ? strchr(p, '&') + 1 : NULL;
    ret[0] = 0;
    for (p = p ? p + name_n + 1 : ""; *p && *p != '&'; p++) {
        int c = *p == '+' ? ' ' : (unsigned char)*p;
        if (c == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
            c = hex(p[1]) << 4 | hex(p[2]);
            p += 2;
        }
        if (n + 1 >= cap || c < 0x20 || c == 0x7f) {
            ret[0] = 0;
            return;
        }
        ret[n++] = (char)c;
    }
    ret[n] = 0;
}

/* The first line of what the browser sends. */
static bool read_line(int fd, char ret[REQUEST_MAX])
{
    size_t n = 0;
    const uint64_t until_us = vn_clock_mono_us() + REQUEST_MS * 1000;
    while (n + 1 < REQUEST_MAX && vn_clock_mono_us() < until_us) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 200) <= 0)
            continue;
        const ssize_t got = recv(fd, ret + n, REQUEST_MAX - 1 - n, 0);
        if (got <= 0)
            return false;
        n += (size_t)got;
        ret[n] = 0;
        char *end = strpbrk(ret, "\r\n");
        if (end) {
            *end = 0;
            return true;
        }
    }
    return false;
}

static bool answer(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Whether it was the redirect of this sign-in. */
static bool is_redirect(struct login *l, int fd, const char *state)
{
    static const char START[] = "GET /callback?";
    char line[REQUEST_MAX];
    bool mine = read_line(fd, line) && strncmp(line, START, sizeof(START) - 1) == 0;
    if (mine) {
        char *query = line + sizeof(START) - 1;
        query[strcspn(query, " ")] = 0;
        parameter(query, "code", l->code, sizeof(l->code));
        parameter(query, "state", l->state, sizeof(l->state));
        parameter(query, "iss", l->iss, sizeof(l->iss));
        parameter(query, "error", l->error, sizeof(l->error));
        mine = strcmp(l->state, state) == 0;
    }
    (void)answer(fd, mine ? PAGE : NO_PAGE);
    vn_wipe(line, sizeof(line));
    return mine;
}

static int wait_for_browser(struct login *l, const char *state)
{
    const uint64_t until_us = vn_clock_mono_us() + VN_OIDC_FLOW_MS * 1000ull;
    while (vn_clock_mono_us() < until_us) {
        struct pollfd p = {.fd = l->listener, .events = POLLIN};
        if (poll(&p, 1, 1000) <= 0)
            continue;
        const int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC);
        const bool mine = fd >= 0 && is_redirect(l, fd, state);
        if (fd >= 0)
            close(fd);
        if (!mine)
            continue;
        if (l->error[0] || !l->code[0]) {
            fputs("veilnet-guardian: the provider says: ", stderr);
            return vn_die("%s", l->error[0] ? l->error : "nothing; sign in again");
        }
        return 0;
    }
    return vn_die("nobody signed in within ten minutes");
}

/* ---- the verb ---- */

static int finish(struct login *l, const char *flow)
{
    VN_CLEANUP(vn_json_freep) json_t *session = NULL;
    json_t *body = json_pack("{s:s, s:s, s:s}", "flow", flow, "state", l->state, "code", l->code);
    if (body && l->iss[0])
        json_object_set_new(body, "iss", json_string(l->iss));
    int code = call(l, l->link ? "/auth/identities/finish" : "/auth/oidc/finish", body, &session);
    if (!code && l->link) {
        vn_admin_print(&l->c, l->user, session);
        return 0;
    }
    const char *token = json_string_value(json_object_get(session, "access_token"));
    if (!code && l->c.json) {
        vn_admin_print_json(session);
    } else if (!code) {
        puts(token ? token : "");
    }
    return code;
}

static int sign_in(struct login *l)
{
    VN_CLEANUP(vn_json_freep) json_t *begun = NULL;
    char redirect[64];
    uint16_t port = 0;
    int code = listen_here(l, &port);
    if (code)
        return code;
    snprintf(redirect, sizeof(redirect), "http://127.0.0.1:%u/callback", port);
    code = call(l, l->link ? "/auth/identities/begin" : "/auth/oidc/begin",
                json_pack("{s:s, s:s}", "provider", l->provider, "redirect_uri", redirect), &begun);
    const char *url = json_string_value(json_object_get(begun, "url")),
               *flow = json_string_value(json_object_get(begun, "flow")),
               *state = json_string_value(json_object_get(begun, "state"));
    if (!code && (!url || !flow || !state))
        code = vn_die("Guardian's answer is not understood");
    if (code)
        return code;
    fprintf(stderr, "Open this address in a browser on this machine:\n%s\n", url);
    code = wait_for_browser(l, state);
    return code ? code : finish(l, flow);
}

/* Signs in to the account that is to be linked, links it, and signs out again. */
static int link_account(struct login *l)
{
    VN_CLEANUP(vn_json_freep) json_t *session = NULL, *gone = NULL;
    VN_CLEANUP(vn_secret_strp) char *password = NULL;
    int code = vn_admin_read_file("--password-file", l->password_file, true, &password);
    if (!code)
        code = call(l, "/auth/login",
                    json_pack("{s:s, s:s}", "user", l->user, "password", password), &session);
    if (!code && !vn_jread_text_dup(session, "access_token", TOKEN_MAX, &l->token))
        code = vn_die("Guardian's answer is not understood");
    if (code)
        return code;
    code = sign_in(l);
    const int ended = call(l, "/auth/logout", json_object(), &gone);
    vn_secret_strp(&l->token);
    return code ? code : ended;
}

int vn_cmd_login(int argc, char **argv)
{
    struct login l = {.listener = -1};
    const struct vn_option options[] = {{"--state-dir", &l.c.dir_option, NULL},
                                        {"--oidc", &l.provider, NULL},
                                        {"--guardian", &l.guardian, NULL},
                                        {"--pin", &l.pin, NULL},
                                        {"--link", NULL, &l.link},
                                        {"--user", &l.user, NULL},
                                        {"--password-file", &l.password_file, NULL},
                                        {"--json", NULL, &l.c.json},
                                        {0}};
    if (vn_options_parse(argc, argv, options) != VN_OK)
        return 2;
    if (!l.provider)
        return vn_admin_usage("say by which provider: login --oidc NAME");
    if (l.link != (l.user && l.password_file) || (!l.link && (l.user || l.password_file)))
        return vn_admin_usage("--link, --user NAME and --password-file FILE belong together");
    int code = find_guardian(&l);
    if (!code)
        code = l.link ? link_account(&l) : sign_in(&l);
    if (l.listener >= 0)
        close(l.listener);
    if (!l.guardian)
        vn_admin_finish(&l.c);
    vn_wipe(l.code, sizeof(l.code));
    return code;
}
