#include "transport/dtls_record.h"

#include "base/reader.h"
#include "base/writer.h"
#include "transport/limits.h"

#define EPOCH 1
#define AAD_LEN 13
#define SEALED_MIN (VN_DTLS_NONCE_LEN + VN_AEAD_TAG_LEN)

bool vn_dtls_record_cut(struct vn_dgram *rest, struct vn_dtls_record *ret)
{
    struct vn_reader r = vn_reader_of(VN_SPAN(rest->p, rest->n)), body;
    uint16_t seq_high;
    uint32_t seq_low;
    if (!vn_read_u8(&r, &ret->type) || !vn_read_u16(&r, &ret->version) ||
        !vn_read_u16(&r, &ret->epoch) || !vn_read_u16(&r, &seq_high) ||
        !vn_read_u32(&r, &seq_low) || !vn_read_block16(&r, &body))
        return false;
    ret->seq = (uint64_t)seq_high << 32 | seq_low;
    ret->body = (struct vn_dgram){rest->p + VN_DTLS_HEADER_LEN, body.left};
    ret->whole = (struct vn_dgram){rest->p, VN_DTLS_HEADER_LEN + body.left};
    *rest = (struct vn_dgram){rest->p + ret->whole.n, r.left};
    return true;
}

bool vn_dtls_record_is_sealed(const struct vn_dtls_record *r)
{
    return r->epoch == EPOCH && r->body.n >= SEALED_MIN;
}

static uint64_t load_u64(const uint8_t *p)
{
    uint64_t v = 0;
    for (size_t i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

uint64_t vn_dtls_record_nonce(const struct vn_dtls_record *r)
{
    return load_u64(r->body.p);
}

void vn_dtls_keys_wipe(struct vn_dtls_keys *k)
{
    vn_wipe(k, sizeof(*k));
}

vn_status vn_dtls_keys_derive(enum vn_hash_alg prf, size_t key_len, struct vn_span master_secret,
                              struct vn_span client_random, struct vn_span server_random,
                              struct vn_dtls_keys *ret)
{
    uint8_t block[2 * (VN_AEAD_KEY_LEN + VN_DTLS_SALT_LEN)];
    if (key_len > VN_AEAD_KEY_LEN)
        return VN_ERR_ARG;
    /* The two randoms stand the other way round than in the master secret's derivation. */
    vn_status st = vn_tls12_prf(
        prf, master_secret, VN_PARTS(VN_SPAN_LIT("key expansion"), server_random, client_random),
        block, 2 * (key_len + VN_DTLS_SALT_LEN));
    if (st == VN_OK) {
        /* An AEAD has no MAC keys: client's and server's key, client's and server's IV. */
        const uint8_t *p = block;
        *ret = (struct vn_dtls_keys){.client.len = key_len, .server.len = key_len};
        memcpy(ret->client.key.b, p, key_len);
        memcpy(ret->server.key.b, p += key_len, key_len);
        memcpy(ret->client.salt, p += key_len, VN_DTLS_SALT_LEN);
        memcpy(ret->server.salt, p + VN_DTLS_SALT_LEN, VN_DTLS_SALT_LEN);
    }
    vn_wipe(block, sizeof(block));
    return st;
}

static vn_status aead_of(const struct vn_dtls_key *k, struct vn_aead **ret)
{
    return k->len == VN_AEAD_KEY_LEN_128 ? vn_aead_new_128(&k->key, ret)
                                         : vn_aead_new(&k->key, ret);
}

/* RFC 5288 section 3 */
static void make_nonce(uint8_t ret[VN_AEAD_NONCE_LEN], const uint8_t *salt, const uint8_t *explicit)
{
    memcpy(ret, salt, VN_DTLS_SALT_LEN);
    memcpy(ret + VN_DTLS_SALT_LEN, explicit, VN_DTLS_NONCE_LEN);
}

static void store_u16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* Epoch and sequence, type, version, length of the plaintext (RFC 6347 section 4.1.2.1); the first
 * eleven bytes stand in the header, in another order. */
static void make_aad(uint8_t ret[AAD_LEN], const uint8_t *header, size_t plain_len)
{
    memcpy(ret, header + 3, 8);
    memcpy(ret + 8, header, 3);
    store_u16(ret + 11, plain_len);
}

/* ---- writing ---- */

vn_status vn_dtls_tx_init(struct vn_dtls_tx *tx, const struct vn_dtls_key *key, uint64_t seq,
                          uint64_t nonce)
{
    *tx = (struct vn_dtls_tx){.nonce = nonce, .seq = seq};
    memcpy(tx->salt, key->salt, sizeof(tx->salt));
    return aead_of(key, &tx->aead);
}

void vn_dtls_tx_done(struct vn_dtls_tx *tx)
{
    tx->aead = vn_aead_free(tx->aead);
}

vn_status vn_dtls_tx_seal(struct vn_dtls_tx *tx, enum vn_dtls_type type, struct vn_span plain,
                          uint8_t *out)
{
    uint8_t nonce[VN_AEAD_NONCE_LEN], aad[AAD_LEN];
    if (plain.n > VN_DTLS_PLAIN_MAX)
        return VN_ERR_ARG;
    struct vn_writer w = vn_writer_of(out, VN_DTLS_HEADER_LEN + VN_DTLS_NONCE_LEN);
    vn_write_u8(&w, (uint8_t)type);
    vn_write_u16(&w, VN_DTLS_VERSION_1_2);
    vn_write_u64(&w, (uint64_t)EPOCH << 48 | tx->seq);
    vn_write_u16(&w, (uint16_t)(plain.n + SEALED_MIN));
    vn_write_u64(&w, tx->nonce);
    make_nonce(nonce, tx->salt, out + VN_DTLS_HEADER_LEN);
    make_aad(aad, out, plain.n);
    /* Used up whatever becomes of the record. */
    tx->nonce++;
    tx->seq++;
    tx->bytes += plain.n;
    return vn_aead_seal(tx->aead, nonce, VN_SPAN_ARRAY(aad), plain, out + w.len,
                        out + w.len + plain.n);
}

/* ---- reading ---- */

vn_status vn_dtls_rx_init(struct vn_dtls_rx *rx, const struct vn_dtls_key *key)
{
    *rx = (struct vn_dtls_rx){.aead = NULL};
    memcpy(rx->salt, key->salt, sizeof(rx->salt));
    vn_status st = aead_of(key, &rx->aead);
    if (st == VN_OK)
        st = vn_replay_init(&rx->window, VN_DTLS_REPLAY_BITS);
    return st;
}

void vn_dtls_rx_done(struct vn_dtls_rx *rx)
{
    rx->aead = vn_aead_free(rx->aead);
    vn_replay_done(&rx->window);
}

bool vn_dtls_rx_open(struct vn_dtls_rx *rx, const struct vn_dtls_record *r,
                     struct vn_dgram *ret_plain)
{
    uint8_t nonce[VN_AEAD_NONCE_LEN], aad[AAD_LEN];
    if (!vn_dtls_record_is_sealed(r) || r->version != VN_DTLS_VERSION_1_2 ||
        r->body.n > VN_DTLS_PLAIN_MAX + SEALED_MIN || !vn_replay_check(&rx->window, r->seq))
        return false;
    const struct vn_dgram plain = {r->body.p + VN_DTLS_NONCE_LEN, r->body.n - SEALED_MIN};
    make_nonce(nonce, rx->salt, r->body.p);
    make_aad(aad, r->whole.p, plain.n);
    if (vn_aead_open(rx->aead, nonce, VN_SPAN_ARRAY(aad), VN_SPAN(plain.p, plain.n),
                     plain.p + plain.n, plain.p) != VN_OK)
        return false;
    vn_replay_commit(&rx->window, r->seq, 0); /* at time 0 it keeps its width */
    *ret_plain = plain;
    return true;
}
