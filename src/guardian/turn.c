#include "guardian/turn.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "crypto/hmac_sha1.h"
#include "crypto/x509.h"

#define URLS_TEXT_MAX (VN_TURN_URLS_MAX * VN_ICE_URL_MAX)

/* ---- settings ---- */

static bool parse_urls(const char *list, struct vn_ice_server *ret, size_t *ret_count)
{
    *ret_count = 0;
    while (*list) {
        const size_t n = strcspn(list, ",");
        char one[VN_ICE_URL_MAX];
        if (*ret_count == VN_TURN_URLS_MAX || n >= sizeof(one))
            return false;
        memcpy(one, list, n);
        one[n] = 0;
        struct vn_ice_server *s = &ret[*ret_count];
        if (vn_ice_url_parse(one, s) != VN_OK || !vn_ice_server_is_turn(s))
            return false;
        ++*ret_count;
        list += n + (list[n] == ',');
    }
    return *ret_count > 0;
}

static bool is_text(const char *text, size_t max)
{
    const size_t n = strnlen(text, max + 1);
    for (size_t i = 0; i < n; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            return false;
    return n > 0 && n <= max;
}

static vn_status put(struct vn_store *s, const char *name, const char *v)
{
    return vn_store_put(s, name, VN_SPAN_STR(v));
}

static vn_status forget(struct vn_store *s)
{
    static const char *const names[] = {"turn", "turn_user", "turn_secret", "turn_pin"};
    vn_status st = VN_OK;
    for (size_t i = 0; i < VN_ARRAY_LEN(names) && st == VN_OK; i++)
        st = put(s, names[i], "");
    return st;
}

static vn_status complain(char ret_why[256], const char *why)
{
    snprintf(ret_why, 256, "%s", why);
    return VN_ERR_ARG;
}

static vn_status check(const struct vn_turn_settings *t, char ret_why[256])
{
    struct vn_ice_server ignored[VN_TURN_URLS_MAX];
    size_t count;
    if (t->urls && !parse_urls(t->urls, ignored, &count)) {
        snprintf(ret_why, 256,
                 "--turn takes at most %d URLs such as turn:203.0.113.5 or "
                 "turns:turn.example.org:443?transport=tcp, separated by commas, or none",
                 VN_TURN_URLS_MAX);
        return VN_ERR_ARG;
    }
    if (t->secret && (t->username || t->password))
        return complain(ret_why, "--turn-secret-file makes time-limited credentials: leave out "
                                 "--turn-user and --turn-password-file, or it");
    if (!t->username != !t->password)
        return complain(ret_why, "--turn-user and --turn-password-file belong together: give both");
    if ((t->secret && !is_text(t->secret, VN_TURN_SECRET_MAX)) ||
        (t->username && !is_text(t->username, VN_TURN_USERNAME_MAX)) ||
        (t->password && !is_text(t->password, VN_TURN_CREDENTIAL_MAX)))
        return complain(ret_why, "names, passwords and secrets of TURN are one line of 1 to 128 "
                                 "printable ASCII characters");
    return VN_OK;
}

static bool has_secret(struct vn_store *s)
{
    VN_CLEANUP(vn_secret_strp) char *v = NULL;
    return vn_store_get(s, "turn_secret", &v, NULL) == VN_OK && v[0];
}

vn_status vn_turn_set(struct vn_store *s, const struct vn_turn_settings *t, char ret_why[256])
{
    if (t->urls && strcmp(t->urls, "none") == 0)
        return forget(s);
    uint8_t pin[32];
    char pin_text[VN_B64URL_LEN(sizeof(pin)) + 1];
    vn_status st = check(t, ret_why);
    if (st == VN_OK && t->urls && !t->secret && !t->username && !has_secret(s))
        return complain(ret_why, "--turn needs --turn-secret-file, or --turn-user with "
                                 "--turn-password-file");
    if (st == VN_OK && t->cert_pem) {
        if (vn_tls_cert_pin(t->cert_pem, pin) != VN_OK)
            return complain(ret_why, "--turn-cert holds no certificate in PEM");
        vn_b64url_encode(VN_SPAN_ARRAY(pin), pin_text);
        st = put(s, "turn_pin", pin_text);
    }
    if (st == VN_OK && t->urls)
        st = put(s, "turn", t->urls);
    if (st == VN_OK && (t->secret || t->username)) {
        st = put(s, "turn_user", t->username ? t->username : "");
        if (st == VN_OK)
            st = put(s, "turn_secret", t->secret ? t->secret : t->password);
    }
    return st;
}

/* Installations older than the settings have none: "". */
static vn_status get(struct vn_store *s, const char *name, char *ret, size_t cap)
{
    VN_CLEANUP(vn_secret_strp) char *v = NULL;
    const vn_status st = vn_store_get(s, name, &v, NULL);
    ret[0] = 0;
    if (st != VN_OK)
        return st == VN_ERR_NOTFOUND ? VN_OK : st;
    return (size_t)snprintf(ret, cap, "%s", v) < cap ? VN_OK : VN_ERR_MALFORMED;
}

vn_status vn_turn_load(struct vn_store *s, struct vn_turn_config *ret)
{
    char urls[URLS_TEXT_MAX], pin[64];
    struct vn_turn_config c = {.url_count = 0};
    vn_status st = get(s, "turn", urls, sizeof(urls));
    if (st == VN_OK)
        st = get(s, "turn_user", c.username, sizeof(c.username));
    if (st == VN_OK)
        st = get(s, "turn_secret", c.secret, sizeof(c.secret));
    if (st == VN_OK)
        st = get(s, "turn_pin", pin, sizeof(pin));
    if (st == VN_OK && urls[0] && !parse_urls(urls, c.urls, &c.url_count))
        st = VN_ERR_MALFORMED;
    for (size_t i = 0; st == VN_OK && pin[0] && i < c.url_count; i++) {
        size_t n;
        c.urls[i].pinned = c.urls[i].kind == VN_ICE_SERVER_TURN_TLS;
        st = vn_b64url_decode(VN_SPAN_STR(pin), c.urls[i].pin, sizeof(c.urls[i].pin), &n);
        if (st == VN_OK && n != sizeof(c.urls[i].pin))
            st = VN_ERR_MALFORMED;
    }
    if (st == VN_OK)
        *ret = c;
    vn_wipe(&c, sizeof(c));
    return st;
}

/* ---- addresses ---- */

static bool has_server(const struct vn_turn_config *c, const struct vn_ice_server *s)
{
    for (size_t i = 0; i < c->server_count; i++)
        if (c->servers[i].kind == s->kind && c->servers[i].addr.port == s->addr.port &&
            vn_ip_equal(&c->servers[i].addr.ip, &s->addr.ip))
            return true;
    return false;
}

static void add(struct vn_turn_config *c, const struct vn_ice_server *s, size_t room)
{
    if (c->server_count < VN_MIN(room, VN_ARRAY_LEN(c->servers)) && !has_server(c, s))
        c->servers[c->server_count++] = *s;
}

/* The first address of each family. */
static bool look_up(struct vn_turn_config *c, const struct vn_ice_server *url, size_t room)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *list = NULL;
    bool v4 = false, v6 = false;
    if (getaddrinfo(url->host, NULL, &hints, &list) != 0)
        return false;
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        struct vn_ice_server s = *url;
        bool *const found = a->ai_family == AF_INET ? &v4 : &v6;
        if (*found || !vn_ip_from_sockaddr(a->ai_addr, &s.addr.ip))
            continue;
        *found = true;
        add(c, &s, room);
    }
    freeaddrinfo(list);
    return v4 || v6;
}

void vn_turn_resolve(struct vn_turn_config *c, size_t room)
{
    static const struct vn_ip none;
    c->server_count = 0;
    for (size_t i = 0; i < c->url_count; i++) {
        const struct vn_ice_server *url = &c->urls[i];
        if (!vn_ip_equal(&url->addr.ip, &none))
            add(c, url, room);
        else if (!look_up(c, url, room))
            vn_log(VN_LOG_WARN, "turn_server_unknown", VN_KV_STR("detail", url->host));
    }
}

/* ---- credentials ---- */

vn_status vn_turn_credentials(const struct vn_turn_config *c, const struct vn_id *node,
                              uint64_t expires_ms, char ret_username[VN_TURN_USERNAME_MAX + 1],
                              char ret_credential[VN_TURN_CREDENTIAL_MAX + 1])
{
    if (c->username[0]) {
        memcpy(ret_username, c->username, sizeof(c->username));
        memcpy(ret_credential, c->secret, sizeof(c->secret));
        return VN_OK;
    }
    char id[VN_ID_TEXT];
    uint8_t mac[VN_HMAC_SHA1_LEN];
    vn_id_format(node, id);
    snprintf(ret_username, VN_TURN_USERNAME_MAX + 1, "%llu:%s",
             (unsigned long long)((expires_ms + VN_TURN_SLACK_MS) / 1000), id);
    const vn_status st =
        vn_hmac_sha1(VN_SPAN_STR(c->secret), VN_PARTS(VN_SPAN_STR(ret_username)), mac);
    if (st == VN_OK)
        vn_b64_encode(VN_SPAN_ARRAY(mac), ret_credential);
    return st;
}
