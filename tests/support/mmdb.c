#include "support/mmdb.h"

#include <stdlib.h>
#include <string.h>

#define NODES_MAX 4096
#define EMPTY UINT32_MAX
#define LEAF 0x80000000u /* a network's number stands in the rest */

struct tree {
    uint32_t records[NODES_MAX][2];
    uint32_t count;
};

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void put(struct vn_buf *b, const void *p, size_t n)
{
    need(vn_buf_append(b, p, n) == VN_OK);
}

static void put_u8(struct vn_buf *b, uint32_t v)
{
    const uint8_t byte = (uint8_t)v;
    put(b, &byte, 1);
}

/* ---- data ---- */

static void put_text(struct vn_buf *b, const char *text)
{
    const size_t n = strlen(text);
    need(n < 29);
    put_u8(b, 2u << 5 | (uint32_t)n);
    put(b, text, n);
}

static void put_map(struct vn_buf *b, uint32_t pairs)
{
    put_u8(b, 7u << 5 | pairs);
}

static void put_number(struct vn_buf *b, uint32_t type, uint32_t v)
{
    put_u8(b, type << 5 | 4);
    for (int shift = 24; shift >= 0; shift -= 8)
        put_u8(b, v >> shift);
}

static void put_u16(struct vn_buf *b, uint32_t v)
{
    put_u8(b, 5u << 5 | 2);
    put_u8(b, v >> 8);
    put_u8(b, v);
}

static void put_entry(struct vn_buf *b, const char *country, enum mmdb_shape shape)
{
    put_map(b, 1);
    put_text(b, shape == MMDB_CODE ? "country_code" : "country");
    if (shape == MMDB_ISO) {
        put_map(b, 1);
        put_text(b, "iso_code");
    }
    put_text(b, country);
}

static void put_metadata(struct vn_buf *b, uint32_t nodes)
{
    put(b, "\xab\xcd\xefMaxMind.com", 14);
    put_map(b, 9);
    put_text(b, "node_count");
    put_number(b, 6, nodes);
    put_text(b, "record_size");
    put_u16(b, 24);
    put_text(b, "ip_version");
    put_u16(b, 6);
    put_text(b, "database_type");
    put_text(b, "Test-Country");
    put_text(b, "languages");
    put_u8(b, 0); /* an array of none: type 11, which is extended */
    put_u8(b, 11 - 7);
    put_text(b, "binary_format_major_version");
    put_u16(b, 2);
    put_text(b, "binary_format_minor_version");
    put_u16(b, 0);
    put_text(b, "build_epoch");
    put_u8(b, 4); /* unsigned 64 bits: type 9, of four bytes here */
    put_u8(b, 9 - 7);
    put(b, "\x65\x53\xf1\x00", 4);
    put_text(b, "description");
    put_map(b, 0);
}

/* ---- tree ---- */

static uint32_t node_new(struct tree *t)
{
    need(t->count < NODES_MAX);
    t->records[t->count][0] = t->records[t->count][1] = EMPTY;
    return t->count++;
}

static void insert(struct tree *t, const struct mmdb_net *net, uint32_t number)
{
    struct vn_ip ip = net->prefix.ip;
    uint32_t node = 0;
    if (vn_ip_is_v4(&ip)) /* ::ffff:a.b.c.d is ::a.b.c.d there */
        ip.b[10] = ip.b[11] = 0;
    for (unsigned bit = 0; bit + 1 < net->prefix.bits; bit++) {
        const unsigned side = ip.b[bit / 8] >> (7 - bit % 8) & 1;
        const uint32_t at = t->records[node][side];
        if (at == EMPTY || at & LEAF) {
            const uint32_t next = node_new(t);
            t->records[next][0] = t->records[next][1] =
                at; /* a network around it goes on in both */
            t->records[node][side] = next;
        }
        node = t->records[node][side];
    }
    const unsigned last = net->prefix.bits - 1;
    t->records[node][ip.b[last / 8] >> (7 - last % 8) & 1] = LEAF | number;
}

void mmdb_write(const struct mmdb_net *nets, size_t count, enum mmdb_shape shape,
                struct vn_buf *ret)
{
    static struct tree t;
    uint32_t offsets[64];
    struct vn_buf data;
    need(count <= VN_ARRAY_LEN(offsets));
    vn_buf_init(&data, 65536);
    t.count = 0;
    (void)node_new(&t);
    for (size_t i = 0; i < count; i++) {
        need(nets[i].prefix.bits > 0);
        insert(&t, &nets[i], (uint32_t)i);
        offsets[i] = (uint32_t)data.len;
        put_entry(&data, nets[i].country, shape);
    }
    for (uint32_t i = 0; i < t.count; i++) {
        for (int side = 0; side < 2; side++) {
            const uint32_t r = t.records[i][side];
            const uint32_t v = r == EMPTY ? t.count
                               : r & LEAF ? t.count + 16 + offsets[r & ~LEAF]
                                          : r;
            for (int shift = 16; shift >= 0; shift -= 8)
                put_u8(ret, v >> shift);
        }
    }
    put(ret, (const uint8_t[16]){0}, 16);
    put(ret, data.p, data.len);
    put_metadata(ret, t.count);
    vn_buf_done(&data);
}
