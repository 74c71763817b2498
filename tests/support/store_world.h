/* Guardian's store in a folder of its own, with one realm, as the unit tests of its parts need it.
 */
#pragma once

#include "guardian/realm.h"
#include "guardian/store.h"

struct vn_store_world {
    char dir[64], path[96];
    struct vn_store *s;
    struct vn_realm *realm; /* "home", 10.77.0.0/16, sessions of 12 h */
};

/** Fails the test when something does not work. */
void vn_store_world_init(struct vn_store_world *w, uint64_t now_ms);
/** Closes and removes it. */
void vn_store_world_done(struct vn_store_world *w);
