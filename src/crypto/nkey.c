/*
 * Public key:  prefix(1) ‖ key(32) ‖ crc16(2, little-endian), in base32
 * Seed:        two bytes holding 'S' (5 bits) and the kind (8 bits) ‖ seed(32) ‖ crc16(2), in
 * base32 Prefix bytes are chosen so that the first base32 character is the kind's letter.
 */
#include "crypto/nkey.h"

#include "base/reader.h"
#include "base/text.h"
#include "base/writer.h"

#define KEY_LEN 32
#define PUBLIC_RAW (1 + KEY_LEN + 2)
#define SEED_RAW (2 + KEY_LEN + 2)
#define PREFIX_SEED (18 << 3) /* 'S' */

_Static_assert((PUBLIC_RAW * 8 + 4) / 5 + 1 == VN_NKEY_TEXT, "text of a public key");
_Static_assert((SEED_RAW * 8 + 4) / 5 + 1 == VN_NKEY_SEED_TEXT, "text of a seed");

static int prefix_of(enum vn_nkey_kind kind)
{
    switch (kind) {
    case VN_NKEY_OPERATOR:
        return 14 << 3;
    case VN_NKEY_ACCOUNT:
        return 0;
    case VN_NKEY_USER:
        return 20 << 3;
    }
    return -1;
}

/* CRC-16/XMODEM: polynomial 0x1021, initial value 0. */
static uint16_t crc16(const uint8_t *p, size_t n)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint16_t)(p[i] << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

static void write_crc(struct vn_writer *w)
{
    const uint16_t crc = crc16(w->buf, w->len);
    vn_write_u8(w, (uint8_t)crc);
    vn_write_u8(w, (uint8_t)(crc >> 8));
}

static bool crc_good(const uint8_t *raw, size_t n)
{
    return crc16(raw, n - 2) == (raw[n - 2] | raw[n - 1] << 8);
}

vn_status vn_nkey_public(enum vn_nkey_kind kind, const uint8_t pk[32], char ret[VN_NKEY_TEXT])
{
    const int prefix = prefix_of(kind);
    if (prefix < 0)
        return VN_ERR_ARG;
    uint8_t raw[PUBLIC_RAW];
    struct vn_writer w = vn_writer_of(raw, sizeof(raw));
    vn_write_u8(&w, (uint8_t)prefix);
    vn_write_bytes(&w, pk, KEY_LEN);
    write_crc(&w);
    vn_base32_encode(vn_writer_span(&w), ret);
    return VN_OK;
}

vn_status vn_nkey_seed(enum vn_nkey_kind kind, const struct vn_secret32 *seed,
                       char ret[VN_NKEY_SEED_TEXT])
{
    const int prefix = prefix_of(kind);
    if (prefix < 0)
        return VN_ERR_ARG;
    uint8_t raw[SEED_RAW];
    struct vn_writer w = vn_writer_of(raw, sizeof(raw));
    vn_write_u8(&w, (uint8_t)(PREFIX_SEED | prefix >> 5));
    vn_write_u8(&w, (uint8_t)(prefix << 3));
    vn_write_bytes(&w, seed->b, KEY_LEN);
    write_crc(&w);
    vn_base32_encode(vn_writer_span(&w), ret);
    vn_wipe(raw, sizeof(raw));
    return VN_OK;
}

vn_status vn_nkey_parse_public(enum vn_nkey_kind kind, const char *text, uint8_t ret_pk[32])
{
    const int prefix = prefix_of(kind);
    if (prefix < 0)
        return VN_ERR_ARG;
    uint8_t raw[PUBLIC_RAW];
    size_t n;
    if (strnlen(text, VN_NKEY_TEXT) != VN_NKEY_TEXT - 1 ||
        vn_base32_decode(VN_SPAN(text, VN_NKEY_TEXT - 1), raw, sizeof(raw), &n) != VN_OK ||
        n != sizeof(raw) || raw[0] != prefix || !crc_good(raw, n))
        return VN_ERR_MALFORMED;
    memcpy(ret_pk, raw + 1, KEY_LEN);
    return VN_OK;
}

static bool kind_of_prefix(int prefix, enum vn_nkey_kind *ret)
{
    static const enum vn_nkey_kind KINDS[] = {VN_NKEY_OPERATOR, VN_NKEY_ACCOUNT, VN_NKEY_USER};
    for (size_t i = 0; i < VN_ARRAY_LEN(KINDS); i++) {
        if (prefix_of(KINDS[i]) == prefix) {
            *ret = KINDS[i];
            return true;
        }
    }
    return false;
}

static vn_status parse_seed_raw(const uint8_t raw[SEED_RAW], enum vn_nkey_kind *ret_kind,
                                struct vn_secret32 *ret_seed)
{
    /* five bits of 'S', eight of the kind, three that are zero */
    const int prefix = (raw[0] & 7) << 5 | raw[1] >> 3;
    if ((raw[0] & 0xf8) != PREFIX_SEED || (raw[1] & 7) != 0 || !crc_good(raw, SEED_RAW) ||
        !kind_of_prefix(prefix, ret_kind))
        return VN_ERR_MALFORMED;
    memcpy(ret_seed->b, raw + 2, KEY_LEN);
    return VN_OK;
}

vn_status vn_nkey_parse_seed(const char *text, enum vn_nkey_kind *ret_kind,
                             struct vn_secret32 *ret_seed)
{
    uint8_t raw[SEED_RAW];
    size_t n;
    if (strnlen(text, VN_NKEY_SEED_TEXT) != VN_NKEY_SEED_TEXT - 1 ||
        vn_base32_decode(VN_SPAN(text, VN_NKEY_SEED_TEXT - 1), raw, sizeof(raw), &n) != VN_OK ||
        n != sizeof(raw))
        return VN_ERR_MALFORMED;
    vn_status st = parse_seed_raw(raw, ret_kind, ret_seed);
    vn_wipe(raw, sizeof(raw));
    return st;
}
