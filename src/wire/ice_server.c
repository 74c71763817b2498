#include "wire/ice_server.h"

#include <stdio.h>

/* RFC 7064 section 3.2, RFC 7065 section 3.2 */
static const struct {
    const char *scheme, *transport;
    bool is_default; /* of the scheme */
    enum vn_ice_server_kind kind;
    uint16_t port;
} kinds[] = {
    {"stun", "", true, VN_ICE_SERVER_STUN, 3478},
    {"turn", "udp", true, VN_ICE_SERVER_TURN_UDP, 3478},
    {"turn", "tcp", false, VN_ICE_SERVER_TURN_TCP, 3478},
    {"turns", "tcp", true, VN_ICE_SERVER_TURN_TLS, 5349},
};

static bool parse_port(const char *text, uint16_t *ret)
{
    uint32_t v = 0;
    if (!*text || strlen(text) > 5)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        v = v * 10 + (uint32_t)(*text - '0');
    }
    *ret = (uint16_t)v;
    return v > 0 && v <= UINT16_MAX;
}

/* Letters, digits, dots and hyphens, or an address. */
static bool is_host(const char *host, bool bracketed, struct vn_ip *ret)
{
    *ret = (struct vn_ip){{0}};
    if (bracketed)
        return vn_ip_parse(host, ret) == VN_OK && !vn_ip_is_v4(ret);
    if (!*host || *host == '.' || *host == '-')
        return false;
    for (const char *p = host; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              *p == '.' || *p == '-'))
            return false;
    if (vn_ip_parse(host, ret) != VN_OK)
        *ret = (struct vn_ip){{0}};
    return true;
}

/* "host", "host:port", "[v6]", "[v6]:port"; cut into its parts. */
static bool parse_authority(char *text, struct vn_ice_server *s)
{
    const bool bracketed = *text == '[';
    char *host = text + bracketed, *end = strchr(text, bracketed ? ']' : ':');
    char *port = NULL;
    if (bracketed && !end)
        return false;
    if (end && bracketed) {
        *end++ = 0;
        if (*end && *end != ':')
            return false;
        port = *end ? end + 1 : NULL;
    } else if (end) {
        *end = 0;
        port = end + 1;
    }
    if (strlen(host) >= sizeof(s->host) || !is_host(host, bracketed, &s->addr.ip) ||
        (port && !parse_port(port, &s->addr.port)))
        return false;
    memcpy(s->host, host, strlen(host) + 1);
    return true;
}

vn_status vn_ice_url_parse(const char *url, struct vn_ice_server *ret)
{
    static const char TRANSPORT[] = "?transport=";
    struct vn_ice_server s = {0};
    char rest[VN_ICE_URL_MAX];
    const char *colon = strchr(url, ':');
    if (!colon || strlen(colon + 1) >= sizeof(rest))
        return VN_ERR_ARG;
    memcpy(rest, colon + 1, strlen(colon + 1) + 1);
    char *query = strchr(rest, '?');
    const char *transport = NULL;
    if (query) {
        if (strncmp(query, TRANSPORT, sizeof(TRANSPORT) - 1) != 0)
            return VN_ERR_ARG;
        transport = query + sizeof(TRANSPORT) - 1;
        *query = 0;
    }
    for (size_t i = 0; i < VN_ARRAY_LEN(kinds); i++) {
        const size_t n = strlen(kinds[i].scheme);
        if ((size_t)(colon - url) != n || memcmp(url, kinds[i].scheme, n) != 0 ||
            (transport ? !*transport || strcmp(transport, kinds[i].transport) != 0
                       : !kinds[i].is_default))
            continue;
        s.kind = kinds[i].kind;
        s.addr.port = kinds[i].port;
        if (!parse_authority(rest, &s))
            return VN_ERR_ARG;
        *ret = s;
        return VN_OK;
    }
    return VN_ERR_ARG;
}

void vn_ice_url_format(const struct vn_ice_server *s, char ret[VN_ICE_URL_MAX])
{
    const bool v6 = strchr(s->host, ':') != NULL;
    for (size_t i = 0; i < VN_ARRAY_LEN(kinds); i++)
        if (kinds[i].kind == s->kind)
            snprintf(ret, VN_ICE_URL_MAX, "%s:%s%s%s:%u%s%s", kinds[i].scheme, v6 ? "[" : "",
                     s->host, v6 ? "]" : "", s->addr.port, *kinds[i].transport ? "?transport=" : "",
                     kinds[i].transport);
}
