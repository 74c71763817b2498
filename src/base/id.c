#include "base/id.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/text.h"

static const uint8_t V4_MAPPED[12] = {[10] = 0xff, [11] = 0xff};

_Static_assert(VN_B64URL_LEN(VN_ID_LEN) + 1 == VN_ID_TEXT, "an id's text form");

bool vn_id_is_zero(const struct vn_id *id)
{
    return vn_id_equal(id, &(struct vn_id){0});
}

void vn_id_format(const struct vn_id *id, char ret[VN_ID_TEXT])
{
    vn_b64url_encode(VN_SPAN_ARRAY(id->b), ret);
}

vn_status vn_id_parse(struct vn_span text, struct vn_id *ret)
{
    struct vn_id id;
    size_t n;
    if (text.n != VN_ID_TEXT - 1)
        return VN_ERR_MALFORMED;
    vn_status st = vn_b64url_decode(text, id.b, sizeof(id.b), &n);
    if (st != VN_OK)
        return st;
    *ret = id;
    return VN_OK;
}

struct vn_ip vn_ip_from_v4(const uint8_t v4[4])
{
    struct vn_ip ip;
    memcpy(ip.b, V4_MAPPED, 12);
    memcpy(ip.b + 12, v4, 4);
    return ip;
}

bool vn_ip_from_sockaddr(const struct sockaddr *sa, struct vn_ip *ret)
{
    if (sa && sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        *ret = vn_ip_from_v4((const uint8_t *)&in.sin_addr);
        return true;
    }
    if (sa && sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, sa, sizeof(in));
        memcpy(ret->b, &in.sin6_addr, sizeof(ret->b));
        return true;
    }
    return false;
}

bool vn_ip_is_v4(const struct vn_ip *ip)
{
    return memcmp(ip->b, V4_MAPPED, 12) == 0;
}

void vn_ip_format(const struct vn_ip *ip, char ret[VN_IP_TEXT])
{
    /* Cannot fail: the family is known and the buffer has INET6_ADDRSTRLEN. */
    _Static_assert(VN_IP_TEXT >= INET6_ADDRSTRLEN, "inet_ntop writes this much");
    const char *text = vn_ip_is_v4(ip) ? inet_ntop(AF_INET, ip->b + 12, ret, VN_IP_TEXT)
                                       : inet_ntop(AF_INET6, ip->b, ret, VN_IP_TEXT);
    if (!text)
        ret[0] = '\0';
}

vn_status vn_ip_parse(const char *text, struct vn_ip *ret)
{
    uint8_t b[16];
    if (inet_pton(AF_INET, text, b) == 1)
        *ret = vn_ip_from_v4(b);
    else if (inet_pton(AF_INET6, text, b) == 1)
        memcpy(ret->b, b, 16);
    else
        return VN_ERR_MALFORMED;
    return VN_OK;
}

/* The bits of byte i that belong to a prefix of this length. */
static uint8_t prefix_mask(unsigned bits, unsigned i)
{
    if (bits >= 8 * (i + 1))
        return 0xff;
    if (bits <= 8 * i)
        return 0;
    return (uint8_t)(0xff << (8 * (i + 1) - bits));
}

bool vn_prefix_contains(const struct vn_prefix *p, const struct vn_ip *ip)
{
    for (unsigned i = 0; i < 16; i++) {
        if ((p->ip.b[i] ^ ip->b[i]) & prefix_mask(p->bits, i))
            return false;
    }
    return true;
}

void vn_prefix_format(const struct vn_prefix *p, char ret[VN_PREFIX_TEXT])
{
    char ip[VN_IP_TEXT];
    vn_ip_format(&p->ip, ip);
    const bool v4 = vn_ip_is_v4(&p->ip) && p->bits >= 96;
    const uint8_t bits = v4 ? (uint8_t)(p->bits - 96) : p->bits;
    snprintf(ret, VN_PREFIX_TEXT, "%.45s/%hhu", ip, bits);
}

vn_status vn_prefix_parse(const char *text, struct vn_prefix *ret)
{
    const char *slash = strchr(text, '/');
    char ip_text[VN_IP_TEXT];
    struct vn_prefix p;
    if (!slash || (size_t)(slash - text) >= sizeof(ip_text))
        return VN_ERR_MALFORMED;
    memcpy(ip_text, text, (size_t)(slash - text));
    ip_text[slash - text] = '\0';
    if (vn_ip_parse(ip_text, &p.ip) != VN_OK)
        return VN_ERR_MALFORMED;

    unsigned bits = 0;
    const char *digits = slash + 1;
    size_t len = strlen(digits);
    if (len < 1 || len > 3 || (digits[0] == '0' && len > 1))
        return VN_ERR_MALFORMED;
    for (const char *c = digits; *c; c++) {
        if (*c < '0' || *c > '9')
            return VN_ERR_MALFORMED;
        bits = bits * 10 + (unsigned)(*c - '0');
    }
    bool dotted = !strchr(ip_text, ':');
    if (bits > (dotted ? 32 : 128))
        return VN_ERR_MALFORMED;
    p.bits = (uint8_t)(dotted ? bits + 96 : bits);
    for (unsigned i = 0; i < 16; i++) {
        if (p.ip.b[i] & (uint8_t)~prefix_mask(p.bits, i))
            return VN_ERR_MALFORMED;
    }
    *ret = p;
    return VN_OK;
}
