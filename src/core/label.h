/*
 * Labels that packets of circuits carry when they arrive here, by tether. One that was in use is
 * not given out again for VN_LABEL_REUSE_MS.
 */
#pragma once

#include <stdint.h>

#include "base/status.h"

struct vn_node;
struct vn_hop;
struct vn_circuit;

/** A new one for c on c->hop. */
VN_MUST_CHECK vn_status vn_label_make(struct vn_node *n, struct vn_circuit *c, uint32_t *ret);
void vn_label_retire(struct vn_node *n, uint32_t tether, uint32_t label);
/** NULL: nobody has it at present. */
struct vn_circuit *vn_circuit_by_label(struct vn_node *n, const struct vn_hop *h, uint32_t label);
void vn_labels_done(struct vn_node *n);
