/*
 * What floods need: three members of a realm, recorded messages of one to another, and the means to
 * change them so that they cost their receiver as much as may be.
 */
#pragma once

#include "base/buf.h"
#include "support/node_world.h"
#include "wire/names.h"

#define FLOOD_HANDSHAKE_MS 2000 /* who is honest completes one within that, whatever floods */

struct flood_net {
    struct vn_world w;
    struct vn_world_node *alice, *bob, *carol;
    struct vn_buf m1, query; /* alice's to bob */
    char m1_subject[96], query_subject[96];
};

/** Alice has a link to bob, and her messages were recorded. */
struct flood_net *flood_net_new(void);
void flood_net_free(struct flood_net *t);
/** An id that nobody has. */
struct vn_id flood_source(uint32_t number);
/** To bob's inbox, from src. */
void flood_inject(struct flood_net *t, const struct vn_id *src, const struct vn_buf *b);
/** An M1 that only the hour keys are needed for: a new sid, and mac1 made right again. */
void flood_remac(struct flood_net *t, uint32_t number);
/**
 * A query of that source to bob, which anybody with the hour keys makes: alice's descriptor is in
 * it, so two signatures are verified until it shows that it is another's. ret is initialized here.
 */
void flood_costly(struct flood_net *t, uint32_t number, char subject[VN_SUBJECT_MAX],
                  struct vn_buf *ret);
