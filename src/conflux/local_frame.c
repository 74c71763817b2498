#include "conflux/local_frame.h"

#include <string.h>

#include "base/reader.h"
#include "base/writer.h"
#include "wire/statement.h"

#define NAME_MAX_BYTES 128
#define RELAY_CHANGES_MAX 64 /* of one request; the rules have a limit of their own */

vn_status vn_local_next(struct vn_span in, struct vn_span *ret, size_t *ret_used)
{
    struct vn_reader r = vn_reader_of(in);
    uint32_t n;
    if (!vn_read_u32(&r, &n))
        return VN_ERR_AGAIN;
    if (n > VN_LOCAL_MAX)
        return VN_ERR_LIMIT;
    if (!vn_read_span(&r, n, ret))
        return VN_ERR_AGAIN;
    *ret_used = VN_LOCAL_HEAD + n;
    return VN_OK;
}

vn_status vn_local_put(struct vn_buf *b, const ProtobufCMessage *m)
{
    const size_t n = protobuf_c_message_get_packed_size(m);
    if (n > VN_LOCAL_MAX)
        return VN_ERR_LIMIT;
    const vn_status st = vn_buf_reserve(b, VN_LOCAL_HEAD + n);
    if (st != VN_OK)
        return st;
    struct vn_writer w = vn_writer_of(b->p + b->len, VN_LOCAL_HEAD);
    vn_write_u32(&w, (uint32_t)n);
    protobuf_c_message_pack(m, b->p + b->len + VN_LOCAL_HEAD);
    b->len += VN_LOCAL_HEAD + n;
    return VN_OK;
}

static bool labels_ok(char *const *list, size_t n)
{
    if (n > VN_TAINTS_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!list[i][0] || strlen(list[i]) > VN_IDENTITY_LABEL_MAX)
            return false;
    }
    return true;
}

static bool request_ok(const Vn__Local__Request *r)
{
    switch (r->kind_case) {
    case VN__LOCAL__REQUEST__KIND_STATUS:
    case VN__LOCAL__REQUEST__KIND_NETCHECK:
    case VN__LOCAL__REQUEST__KIND_PEERS:
    case VN__LOCAL__REQUEST__KIND_STOP:
        return true;
    case VN__LOCAL__REQUEST__KIND_TAINTS:
        return labels_ok(r->taints->add, r->taints->n_add) &&
               labels_ok(r->taints->remove, r->taints->n_remove);
    case VN__LOCAL__REQUEST__KIND_RESOLVE:
        return r->resolve->name[0] && strlen(r->resolve->name) <= NAME_MAX_BYTES;
    case VN__LOCAL__REQUEST__KIND_RELAYS:
        return r->relays->n_put <= RELAY_CHANGES_MAX && r->relays->n_forget <= RELAY_CHANGES_MAX;
    default:
        return false;
    }
}

Vn__Local__Request *vn_local_request(struct vn_span bytes)
{
    Vn__Local__Request *r = vn__local__request__unpack(NULL, bytes.n, bytes.p);
    if (r && !request_ok(r)) {
        vn__local__request__free_unpacked(r, NULL);
        return NULL;
    }
    return r;
}

Vn__Local__Response *vn_local_response(struct vn_span bytes)
{
    return vn__local__response__unpack(NULL, bytes.n, bytes.p);
}
