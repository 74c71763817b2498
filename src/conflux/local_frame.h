/*
 * Framing of the local API: u32 length, big-endian, then a protobuf message of at most VN_LOCAL_MAX
 * bytes.
 *
 *   +--------+----------------------+
 *   | length | Request or Response  |
 *   |   4    |        length        |
 *   +--------+----------------------+
 */
#pragma once

#include "base/buf.h"
#include "local.pb-c.h"

#define VN_LOCAL_MAX (1u << 20)
#define VN_LOCAL_HEAD 4

/**
 * Looks for a whole message at the start of in.
 * @param ret       its bytes, borrowed from in
 * @param ret_used  what to consume afterwards
 * @return VN_OK; VN_ERR_AGAIN: more bytes are needed; VN_ERR_LIMIT: longer than allowed, close the
 * connection
 */
VN_MUST_CHECK vn_status vn_local_next(struct vn_span in, struct vn_span *ret, size_t *ret_used);
/** Appends a message with its length. VN_ERR_LIMIT, VN_ERR_NOMEM; b is unchanged on error. */
VN_MUST_CHECK vn_status vn_local_put(struct vn_buf *b, const ProtobufCMessage *m);

/** Decodes and checks a request: kind set, lists and texts within limits. NULL otherwise. */
Vn__Local__Request *vn_local_request(struct vn_span bytes);
/** Decodes a response of the daemon. NULL on error. */
Vn__Local__Response *vn_local_response(struct vn_span bytes);
