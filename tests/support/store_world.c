#include "support/store_world.h"

#include <stdlib.h>
#include <unistd.h>

#include "guardian/realm_make.h"
#include "support/test.h"

void vn_store_world_init(struct vn_store_world *w, uint64_t now_ms)
{
    snprintf(w->dir, sizeof(w->dir), "/tmp/vn-store-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof(w->path), "%s/g.db", w->dir);
    assert_ok(vn_store_open(w->path, true, &w->s));
    struct vn_realm_init init = {.name = "home",
                                 .suite = VN_SUITE_DEFAULT,
                                 .access = VN_ACCESS_TAINTS,
                                 .session_lifetime_s = 43200};
    assert_ok(vn_prefix_parse("10.77.0.0/16", &init.range4));
    struct vn_realm_record record;
    assert_ok(vn_realm_generate(&init, now_ms, &record));
    assert_ok(vn_store_realm_add(w->s, &record));
    assert_ok(vn_realm_load(&record, &w->realm)); /* takes what the record owns */
}

void vn_store_world_done(struct vn_store_world *w)
{
    static const char *const sides[] = {"", "-wal", "-shm"};
    vn_store_close(w->s);
    vn_realm_unref(w->realm);
    for (size_t i = 0; i < VN_ARRAY_LEN(sides); i++) {
        char side[128];
        snprintf(side, sizeof(side), "%s%s", w->path, sides[i]);
        (void)unlink(side);
    }
    assert_int_equal(rmdir(w->dir), 0);
}
