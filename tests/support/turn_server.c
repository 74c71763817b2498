#include "support/turn_server.h"

#include <string.h>

#include "crypto/kdf.h"
#include "crypto/md5.h"
#include "support/test.h"

/* PASSWORD-ALGORITHMS: SHA-256, MD5, both without parameters. */
static const uint8_t ALGORITHMS[] = {0, 2, 0, 0, 0, 1, 0, 0};

void turn_server_init(struct turn_server *s)
{
    *s = (struct turn_server){.password = TURN_PASSWORD, .lifetime_s = 600};
    assert_ok(vn_ip_parse("192.0.2.9", &s->relayed.ip));
    assert_ok(vn_ip_parse("198.51.100.3", &s->mapped.ip));
    s->relayed.port = 50000;
    s->mapped.port = 4711;
}

static const char *nonce_of(const struct turn_server *s)
{
    static const char *const nonces[] = {"plain nonce", "obMatJos2AAABx", "obMatJos2AAACx",
                                         "obMatJos2AAADx"};
    return s->nonce ? s->nonce : nonces[(s->userhash ? 2 : 0) + (s->sha256 ? 1 : 0)];
}

static struct vn_span key_of(const struct turn_server *s, uint8_t key[32])
{
    const struct vn_span parts[] = {VN_SPAN_LIT(TURN_USER ":" TURN_REALM ":"),
                                    VN_SPAN_STR(s->password)};
    struct vn_hash h;
    if (!s->sha256) {
        assert_ok(vn_md5(parts, 2, key));
        return VN_SPAN(key, VN_MD5_LEN);
    }
    assert_ok(vn_hash(VN_SHA256, parts, 2, &h));
    memcpy(key, h.b, 32);
    return VN_SPAN(key, 32);
}

static struct vn_span end(struct turn_server *s, struct vn_writer *w, bool with_integrity)
{
    struct vn_span out;
    uint8_t key[32];
    struct vn_span k = key_of(s, key);
    if (s->wrong_integrity)
        key[0] ^= 1;
    assert_ok(vn_stun_end_with(w, s->sha256 ? VN_STUN_SHA256 : VN_STUN_SHA1,
                               with_integrity && !s->unsigned_answers ? k : VN_SPAN_NONE, &out));
    return out;
}

static struct vn_span refuse(struct turn_server *s, unsigned code, bool challenge)
{
    struct vn_writer w = vn_writer_of(s->out, sizeof(s->out));
    vn_stun_begin(&w, VN_STUN_ERROR, s->last.method, &s->last.txid);
    vn_stun_put_error(&w, code, "no");
    if (challenge) {
        vn_stun_put_realm(&w, VN_SPAN_LIT(TURN_REALM));
        vn_stun_put_nonce(&w, VN_SPAN_STR(nonce_of(s)));
        if (s->sha256)
            vn_stun_put_algorithms(&w, VN_SPAN_ARRAY(ALGORITHMS));
    }
    return end(s, &w, !challenge);
}

/* Whether it carries our credentials as we demand them. */
static bool is_good(const struct turn_server *s)
{
    const struct vn_stun_msg *m = &s->last;
    uint8_t key[32];
    const struct vn_span k = key_of(s, key);
    if (!vn_span_equal(m->realm, VN_SPAN_LIT(TURN_REALM)) ||
        !vn_span_equal(m->nonce, VN_SPAN_STR(nonce_of(s))) || (m->username.n > 0) == s->userhash)
        return false;
    if (s->sha256 && (m->has_integrity || m->algorithm != VN_STUN_ALG_SHA256 ||
                      !vn_span_equal(m->algorithms, VN_SPAN_ARRAY(ALGORITHMS))))
        return false;
    return vn_stun_verify_with(m, s->sha256 ? VN_STUN_SHA256 : VN_STUN_SHA1, k) == VN_OK;
}

static struct vn_span success(struct turn_server *s)
{
    struct vn_writer w = vn_writer_of(s->out, sizeof(s->out));
    const struct vn_stun_msg *m = &s->last;
    vn_stun_begin(&w, VN_STUN_SUCCESS, m->method, &m->txid);
    if (m->method == VN_TURN_ALLOCATE) {
        if (!s->no_relayed)
            vn_stun_put_relayed(&w, &s->relayed, &m->txid);
        vn_stun_put_mapped(&w, &s->mapped, &m->txid);
    }
    if ((m->method == VN_TURN_ALLOCATE || m->method == VN_TURN_REFRESH) && !s->no_lifetime)
        vn_stun_put_lifetime(&w, m->has_lifetime && m->lifetime_s == 0 ? 0 : s->lifetime_s);
    return end(s, &w, true);
}

struct vn_span turn_server_answer(struct turn_server *s, struct vn_span in)
{
    assert_true(in.n <= sizeof(s->last_bytes));
    memcpy(s->last_bytes, in.p, in.n);
    s->last_len = in.n;
    if (in.n > 0 && in.p[0] >= 0x40) {
        s->last = (struct vn_stun_msg){.method = 0}; /* ChannelData */
        return VN_SPAN_NONE;
    }
    assert_ok(vn_stun_decode(VN_SPAN(s->last_bytes, in.n), &s->last));
    const uint16_t method = s->last.method;
    assert_true(method < 16 && s->last.unknown_count == 0);
    s->asked[method]++;
    if (s->last.cls != VN_STUN_REQUEST)
        return VN_SPAN_NONE;
    if (s->last.nonce.n == 0)
        return refuse(s, 401, true);
    if (s->stale > 0) {
        s->stale--;
        return refuse(s, 438, true);
    }
    if (!is_good(s))
        return refuse(s, 401, true);
    return s->refuse[method] ? refuse(s, s->refuse[method], false) : success(s);
}

struct vn_span turn_server_data(struct turn_server *s, const struct vn_addr *peer,
                                struct vn_span data)
{
    static const struct vn_stun_txid txid = {{7}};
    struct vn_writer w = vn_writer_of(s->out, sizeof(s->out));
    struct vn_span out;
    vn_stun_begin(&w, VN_STUN_INDICATION, VN_TURN_DATA, &txid);
    vn_stun_put_peer(&w, peer, &txid);
    vn_stun_put_data(&w, data);
    assert_ok(vn_stun_end_bare(&w, &out));
    return out;
}
