#include "transport/dtls_record.h"

#include <endian.h>

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

uint64_t vn_dtls_record_nonce(const struct vn_dtls_record *r)
{
    uint64_t be;
    memcpy(&be, r->body.p, sizeof(be));
    return be64toh(be);
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

/*
 * What the AEAD reads as one it had better find written as one: a load that several stores feed
 * waits until all stores before it, the text of the last record, are done.
 */
typedef uint32_t nonce_words __attribute__((vector_size(16)));
typedef uint64_t aad_words __attribute__((vector_size(16)));

/* RFC 5288 section 3 */
static nonce_words make_nonce(const uint8_t *salt, const uint8_t *explicit)
{
    uint32_t w[3];
    memcpy(w, salt, VN_DTLS_SALT_LEN);
    memcpy(w + 1, explicit, VN_DTLS_NONCE_LEN);
    return (nonce_words){w[0], w[1], w[2]};
}

/* Epoch and sequence, type, version, length of the plaintext (RFC 6347 section 4.1.2.1). */
static aad_words make_aad(uint64_t epoch_seq, uint8_t type, uint16_t version, size_t plain_len)
{
    const uint64_t rest =
        (uint64_t)type << 56 | (uint64_t)version << 40 | (uint64_t)plain_len << 24;
    return (aad_words){htobe64(epoch_seq), htobe64(rest)};
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
    if (plain.n > VN_DTLS_PLAIN_MAX)
        return VN_ERR_ARG;
    const uint64_t epoch_seq = (uint64_t)EPOCH << 48 | tx->seq;
    struct vn_writer w = vn_writer_of(out, VN_DTLS_HEADER_LEN + VN_DTLS_NONCE_LEN);
    vn_write_u8(&w, (uint8_t)type);
    vn_write_u16(&w, VN_DTLS_VERSION_1_2);
    vn_write_u64(&w, epoch_seq);
    vn_write_u16(&w, (uint16_t)(plain.n + SEALED_MIN));
    vn_write_u64(&w, tx->nonce);
    const nonce_words nonce = make_nonce(tx->salt, out + VN_DTLS_HEADER_LEN);
    const aad_words aad = make_aad(epoch_seq, (uint8_t)type, VN_DTLS_VERSION_1_2, plain.n);
    /* Used up whatever becomes of the record. */
    tx->nonce++;
    tx->seq++;
    tx->bytes += plain.n;
    return vn_aead_seal(tx->aead, (const uint8_t *)&nonce, VN_SPAN(&aad, AAD_LEN), plain,
                        out + w.len, out + w.len + plain.n);
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
    if (!vn_dtls_record_is_sealed(r) || r->version != VN_DTLS_VERSION_1_2 ||
        r->body.n > VN_DTLS_PLAIN_MAX + SEALED_MIN || !vn_replay_check(&rx->window, r->seq))
        return false;
    const struct vn_dgram plain = {r->body.p + VN_DTLS_NONCE_LEN, r->body.n - SEALED_MIN};
    const nonce_words nonce = make_nonce(rx->salt, r->body.p);
    const aad_words aad =
        make_aad((uint64_t)EPOCH << 48 | r->seq, r->type, VN_DTLS_VERSION_1_2, plain.n);
    if (vn_aead_open(rx->aead, (const uint8_t *)&nonce, VN_SPAN(&aad, AAD_LEN),
                     VN_SPAN(plain.p, plain.n), plain.p + plain.n, plain.p) != VN_OK)
        return false;
    vn_replay_commit(&rx->window, r->seq, 0); /* at time 0 it keeps its width */
    *ret_plain = plain;
    return true;
}
