#include "base/text.h"

#include <stdbool.h>

static const char B64URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char B64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char B32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char HEX[] = "0123456789abcdef";

/* Groups of bits_per_char bits, most significant first; the last group is filled with zero bits. */
static char *encode_bits(struct vn_span in, unsigned bits_per_char, const char *alphabet, char *out)
{
    unsigned acc = 0, have = 0;
    const unsigned mask = (1u << bits_per_char) - 1;
    for (size_t i = 0; i < in.n; i++) {
        acc = (acc << 8 | in.p[i]) & 0xffff;
        for (have += 8; have >= bits_per_char; have -= bits_per_char)
            *out++ = alphabet[acc >> (have - bits_per_char) & mask];
    }
    if (have > 0)
        *out++ = alphabet[acc << (bits_per_char - have) & mask];
    return out;
}

/* Three bytes at a time: keys, certificates and signatures travel as this, tens of kilobytes in a
 * login. */
static char *encode_b64(struct vn_span in, const char *alphabet, char *out)
{
    size_t i = 0;
    for (; in.n - i >= 3; i += 3, out += 4) {
        const unsigned v = (unsigned)in.p[i] << 16 | (unsigned)in.p[i + 1] << 8 | in.p[i + 2];
        out[0] = alphabet[v >> 18];
        out[1] = alphabet[v >> 12 & 63];
        out[2] = alphabet[v >> 6 & 63];
        out[3] = alphabet[v & 63];
    }
    return i < in.n ? encode_bits(VN_SPAN(in.p + i, in.n - i), 6, alphabet, out) : out;
}

#define RUN5(c, v) [c] = v, v + 1, v + 2, v + 3, v + 4
#define RUN13(c, v) RUN5(c, v), v + 5, v + 6, v + 7, v + 8, v + 9, v + 10, v + 11, v + 12

/* Of each character one more than its value. */
static const uint8_t B64URL_PLACE[256] = {
    RUN13('A', 1), RUN13('N', 14), RUN13('a', 27), RUN13('n', 40),
    RUN5('0', 53), RUN5('5', 58),  ['-'] = 63,     ['_'] = 64,
};

static inline int b64url_value(uint8_t c)
{
    return B64URL_PLACE[c] - 1;
}

static int b32_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Nothing is written unless the whole text is good, so it is looked at twice. */
static inline __attribute__((always_inline)) vn_status check_bits(struct vn_span text,
                                                                  unsigned bits_per_char,
                                                                  int (*value)(uint8_t), size_t cap)
{
    size_t bits;
    if (!vn_ckd_mul(&bits, text.n, (size_t)bits_per_char))
        return VN_ERR_LIMIT;
    const unsigned left_over = (unsigned)(bits % 8);
    /* As many left-over bits as a whole character: that character encodes nothing. */
    if (left_over >= bits_per_char)
        return VN_ERR_MALFORMED;
    int any = 0;
    for (size_t i = 0; i < text.n; i++)
        any |= value(text.p[i]);
    if (any < 0)
        return VN_ERR_MALFORMED;
    if (left_over > 0 && (value(text.p[text.n - 1]) & ((1 << left_over) - 1)) != 0)
        return VN_ERR_MALFORMED;
    return bits / 8 > cap ? VN_ERR_LIMIT : VN_OK;
}

/* Of a text that was checked. Returns the number of bytes. */
static inline __attribute__((always_inline)) size_t write_bits(struct vn_span text,
                                                               unsigned bits_per_char,
                                                               int (*value)(uint8_t), uint8_t *ret)
{
    unsigned acc = 0, have = 0;
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        acc = (acc << bits_per_char | (unsigned)value(text.p[i])) & 0xffff;
        have += bits_per_char;
        if (have >= 8) {
            have -= 8;
            ret[n++] = (uint8_t)(acc >> have);
        }
    }
    return n;
}

static inline __attribute__((always_inline)) vn_status decode_bits(struct vn_span text,
                                                                   unsigned bits_per_char,
                                                                   int (*value)(uint8_t),
                                                                   uint8_t *ret, size_t cap,
                                                                   size_t *ret_n)
{
    vn_status st = check_bits(text, bits_per_char, value, cap);
    if (st == VN_OK)
        *ret_n = write_bits(text, bits_per_char, value, ret);
    return st;
}

void vn_b64url_encode(struct vn_span in, char *ret)
{
    *encode_b64(in, B64URL, ret) = '\0';
}

vn_status vn_b64url_decode(struct vn_span text, uint8_t *ret, size_t cap, size_t *ret_n)
{
    vn_status st = check_bits(text, 6, b64url_value, cap);
    if (st != VN_OK)
        return st;
    size_t i = 0, n = 0;
    for (; text.n - i >= 4; i += 4, n += 3) {
        const unsigned v =
            (unsigned)b64url_value(text.p[i]) << 18 | (unsigned)b64url_value(text.p[i + 1]) << 12 |
            (unsigned)b64url_value(text.p[i + 2]) << 6 | (unsigned)b64url_value(text.p[i + 3]);
        ret[n] = (uint8_t)(v >> 16);
        ret[n + 1] = (uint8_t)(v >> 8);
        ret[n + 2] = (uint8_t)v;
    }
    if (i < text.n)
        n += write_bits(VN_SPAN(text.p + i, text.n - i), 6, b64url_value, ret + n);
    *ret_n = n;
    return VN_OK;
}

void vn_b64_encode(struct vn_span in, char *ret)
{
    char *end = encode_b64(in, B64, ret);
    while ((end - ret) % 4 != 0)
        *end++ = '=';
    *end = '\0';
}

void vn_hex_encode(struct vn_span in, char *ret)
{
    *encode_bits(in, 4, HEX, ret) = '\0';
}

vn_status vn_hex_decode(struct vn_span text, uint8_t *ret, size_t cap, size_t *ret_n)
{
    return decode_bits(text, 4, hex_value, ret, cap, ret_n);
}

void vn_base32_encode(struct vn_span in, char *ret)
{
    *encode_bits(in, 5, B32, ret) = '\0';
}

vn_status vn_base32_decode(struct vn_span text, uint8_t *ret, size_t cap, size_t *ret_n)
{
    return decode_bits(text, 5, b32_value, ret, cap, ret_n);
}
