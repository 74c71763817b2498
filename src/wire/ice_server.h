/*
 * STUN and TURN servers as Guardian names them to nodes: URLs of RFC 7064 and RFC 7065, and what it
 * takes to use them.
 */
#pragma once

#include "base/id.h"
#include "base/limits.h"

enum vn_ice_server_kind {
    VN_ICE_SERVER_STUN = 1,
    VN_ICE_SERVER_TURN_UDP,
    VN_ICE_SERVER_TURN_TCP,
    VN_ICE_SERVER_TURN_TLS,
};

struct vn_ice_server {
    enum vn_ice_server_kind kind;
    struct vn_addr addr;
    char host[VN_ICE_HOST_MAX];              /* as in the URL: whom a TLS certificate must name */
    char username[VN_TURN_USERNAME_MAX + 1]; /* TURN; printable ASCII */
    char credential[VN_TURN_CREDENTIAL_MAX + 1]; /* a secret */
    bool pinned;     /* TLS: pin counts, not the certificate's name, dates and issuer */
    uint8_t pin[32]; /* SHA-256 of the DER SubjectPublicKeyInfo of the server's key */
};

static inline bool vn_ice_server_is_turn(const struct vn_ice_server *s)
{
    return s->kind != VN_ICE_SERVER_STUN;
}

/**
 * stun:host[:port], turn:host[:port][?transport=udp|tcp], turns:host[:port][?transport=tcp]; an
 * IPv6 address in brackets. Default ports 3478, for turns 5349. The address is filled in when the
 * host is one, else zero; the rest is zero.
 * @return VN_OK; VN_ERR_ARG: it is none of these
 */
VN_MUST_CHECK vn_status vn_ice_url_parse(const char *url, struct vn_ice_server *ret);

#define VN_ICE_URL_MAX (VN_ICE_HOST_MAX + 32)
/** The URL that vn_ice_url_parse reads back, with port and transport. */
void vn_ice_url_format(const struct vn_ice_server *s, char ret[VN_ICE_URL_MAX]);
