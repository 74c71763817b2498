/*
 * Merkle trees (DESIGN section 8, protocol.md section 4): one signature for many messages. inner =
 * H(0x03 ‖ l ‖ r), leaf = H(0x01 ‖ message); the odd one of a level is promoted.
 */
#pragma once

#include "base/reader.h"
#include "base/writer.h"
#include "crypto/kdf.h"

#define VN_MERKLE_LEAVES_MAX 1024
#define VN_MERKLE_PATH_MAX 10 /* siblings of a leaf */

struct vn_merkle;

/** Of a message. */
VN_MUST_CHECK vn_status vn_merkle_leaf(enum vn_hash_alg alg, struct vn_span message,
                                       struct vn_hash *ret);
/** leaves: 1 to VN_MERKLE_LEAVES_MAX hashes of alg, copied. VN_ERR_ARG, VN_ERR_NOMEM. */
VN_MUST_CHECK vn_status vn_merkle_new(enum vn_hash_alg alg, const struct vn_hash *leaves, size_t n,
                                      struct vn_merkle **ret);
struct vn_merkle *vn_merkle_free(struct vn_merkle *m); /* returns NULL */
void vn_merkle_freep(struct vn_merkle **m);
/** Borrowed from m. */
const struct vn_hash *vn_merkle_root(const struct vn_merkle *m);
/** The siblings from leaf i up to the root; returns how many. */
size_t vn_merkle_path(const struct vn_merkle *m, size_t i,
                      const struct vn_hash *ret[VN_MERKLE_PATH_MAX]);

/** How many siblings leaf i of n has. */
size_t vn_merkle_path_len(size_t i, size_t n);
/**
 * The root above leaf i of n, by its siblings: vn_merkle_path_len of them, hash_len bytes each, one
 * after the other. VN_ERR_ARG when there are more or fewer.
 */
VN_MUST_CHECK vn_status vn_merkle_climb(enum vn_hash_alg alg, const struct vn_hash *leaf, size_t i,
                                        size_t n, struct vn_span path, struct vn_hash *ret_root);

/** Where a leaf is: what a message brings along, before the signature of the root. */
struct vn_merkle_place {
    uint16_t index, leaves;
    struct vn_span path; /* borrows */
};
/** index u16, leaves u16, path. */
void vn_merkle_write_place(const struct vn_merkle *m, size_t i, struct vn_writer *w);
/** False: malformed, or leaves beyond `most`. */
VN_MUST_CHECK bool vn_merkle_read_place(struct vn_reader *r, size_t hash_len, size_t most,
                                        struct vn_merkle_place *ret);
