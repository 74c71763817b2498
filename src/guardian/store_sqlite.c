#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/log.h"
#include "guardian/migrations.h"
#include "guardian/store_sql.h"

#define BUSY_WAIT_MS 5000
#define CHECKPOINT_PAGES 1000 /* of the log, as SQLite has it */

static vn_status fail_as(int rc, const char *error, const char *what)
{
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE)
        return VN_ERR_EXISTS;
    if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
        return VN_ERR_STATE;
    vn_log(VN_LOG_ERROR, "store_failed", VN_KV_STR("what", what), VN_KV_STR("error", error));
    return rc == SQLITE_NOMEM ? VN_ERR_NOMEM : VN_ERR_IO;
}

vn_status vn_sql_fail(struct vn_store *s, const char *what)
{
    return fail_as(sqlite3_extended_errcode(s->db), sqlite3_errmsg(s->db), what);
}

vn_status vn_sql_exec(struct vn_store *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? VN_OK : vn_sql_fail(s, sql);
}

struct vn_query *vn_sql_prepare(struct vn_store *s, const char *sql)
{
    for (size_t i = 0; i < s->cached; i++)
        if (s->cache[i].sql == sql)
            return &s->cache[i];
    sqlite3_stmt *stmt = NULL;
    if (s->cached == VN_STORE_STATEMENTS ||
        sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK) {
        vn_sql_fail(s, sql);
        return NULL;
    }
    s->cache[s->cached] = (struct vn_query){.sql = sql, .stmt = stmt};
    return &s->cache[s->cached++];
}

bool vn_sql_col_blob(struct vn_query *q, int i, struct vn_blob *ret)
{
    struct vn_span v = vn_sql_col_span(q, i);
    ret->p = malloc(v.n ? v.n : 1);
    if (!ret->p)
        return false;
    if (v.n)
        memcpy(ret->p, v.p, v.n);
    ret->n = v.n;
    return true;
}

void vn_sql_bind_rights(struct vn_query *q, int i, const struct vn_rights *rights)
{
    char portal[VN_PORTAL_TEXT];
    vn_portal_format(rights, portal);
    vn_sql_bind_i64(q, i, rights->bits);
    vn_sql_bind_text(q, i + 1, portal);
}

bool vn_sql_col_rights(struct vn_query *q, int i, struct vn_rights *ret)
{
    const char *portal = vn_sql_col_str(q, i + 1);
    *ret = (struct vn_rights){.bits = (uint32_t)vn_sql_col_i64(q, i)};
    return portal && vn_portal_parse(portal, ret) == VN_OK;
}

vn_status vn_sql_corrupt(const char *what)
{
    vn_log(VN_LOG_ERROR, "store_corrupt", VN_KV_STR("what", what));
    return VN_ERR_MALFORMED;
}

vn_status vn_sql_row(struct vn_store *s, struct vn_query *q, const char *what)
{
    if (q->unbound != SQLITE_OK)
        return fail_as(q->unbound, sqlite3_errstr(q->unbound), what);
    switch (sqlite3_step(q->stmt)) {
    case SQLITE_ROW:
        return VN_OK;
    case SQLITE_DONE:
        return VN_ERR_NOTFOUND;
    default:
        return vn_sql_fail(s, what);
    }
}

vn_status vn_sql_row_id(struct vn_store *s, struct vn_query *q, const char *what, struct vn_id *ret)
{
    vn_status st = vn_sql_row(s, q, what);
    return st == VN_OK && !vn_sql_col_id(q, 0, ret) ? vn_sql_corrupt(what) : st;
}

vn_status vn_sql_run(struct vn_store *s, struct vn_query *q, const char *what, int *ret_changes)
{
    vn_status st = vn_sql_row(s, q, what);
    if (st != VN_ERR_NOTFOUND)
        return st == VN_OK ? vn_sql_fail(s, what) : st;
    if (ret_changes)
        *ret_changes = sqlite3_changes(s->db);
    return VN_OK;
}

vn_status vn_sql_change(struct vn_store *s, struct vn_query *q, const char *what)
{
    int changes;
    vn_status st = vn_sql_run(s, q, what, &changes);
    return st == VN_OK && !changes ? VN_ERR_NOTFOUND : st;
}

vn_status vn_sql_change_one(struct vn_store *s, const char *sql, const struct vn_id *id,
                            const char *what)
{
    VN_QUERY q = vn_sql_prepare(s, sql);
    if (!q)
        return VN_ERR_IO;
    vn_sql_bind_id(q, 1, id);
    return vn_sql_change(s, q, what);
}

/* ---- open, migrate ---- */

static vn_status schema_version(struct vn_store *s, int *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "PRAGMA user_version");
    if (!q)
        return VN_ERR_IO;
    vn_status st = vn_sql_row(s, q, "user_version");
    if (st == VN_OK)
        *ret = (int)vn_sql_col_i64(q, 0);
    return st;
}

static vn_status migrate(struct vn_store *s)
{
    int count = 0;
    while (vn_migrations[count])
        count++;
    vn_status st = vn_store_begin(s);
    int version = 0;
    if (st == VN_OK)
        st = schema_version(s, &version);
    if (st == VN_OK && version > count) {
        vn_log(VN_LOG_ERROR, "store_too_new", VN_KV_I64("version", version),
               VN_KV_I64("known", count));
        st = VN_ERR_UNSUPPORTED;
    }
    for (int i = version; st == VN_OK && i < count; i++) {
        char set[48];
        snprintf(set, sizeof(set), "PRAGMA user_version = %d", i + 1);
        st = vn_sql_exec(s, vn_migrations[i]);
        if (st == VN_OK)
            st = vn_sql_exec(s, set);
    }
    if (st == VN_OK)
        return vn_store_commit(s);
    vn_store_rollback(s);
    return st;
}

vn_status vn_store_open(const char *path, bool create, struct vn_store **ret)
{
    VN_CLEANUP(vn_store_closep) struct vn_store *s = calloc(1, sizeof(*s));
    if (!s)
        return VN_ERR_NOMEM;
    if (create) {
        /* SQLite would make it 0644; its -wal and -shm take the mode of the file. */
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return VN_ERR_IO;
        close(fd);
    }
    if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return vn_sql_fail(s, "open");
    /* SQLite's own slots for small allocations never come to free, which wipes. */
    if (sqlite3_db_config(s->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0) != SQLITE_OK)
        return vn_sql_fail(s, "lookaside");
    sqlite3_busy_timeout(s->db, BUSY_WAIT_MS);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    vn_status st = vn_sql_exec(
        s, "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
           "PRAGMA secure_delete = ON; PRAGMA synchronous = FULL");
    if (st == VN_OK)
        st = migrate(s);
    if (st != VN_OK)
        return st;
    (void)vn_store_changed_outside(s);
    s->none_pending.outside = -1; /* nobody has looked */
    *ret = VN_TAKE(s);
    return VN_OK;
}

struct vn_store *vn_store_close(struct vn_store *s)
{
    if (!s)
        return NULL;
    for (size_t i = 0; i < s->cached; i++)
        sqlite3_finalize(s->cache[i].stmt);
    sqlite3_close(s->db);
    if (s->deferred) {
        close(s->wal_fd);
        pthread_mutex_destroy(&s->sync);
    }
    free(s);
    return NULL;
}

void vn_store_closep(struct vn_store **s)
{
    *s = vn_store_close(*s);
}

/* ---- waiting for the disk ---- */

/* In place of SQLite's own hook, so it does what that one does. */
static int on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct vn_store *s = arg;
    s->changes++;
    if (pages >= CHECKPOINT_PAGES) /* what fails is tried again at the next change */
        (void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return SQLITE_OK;
}

/*
 * SQLite can wait for the disk at every commit or at none. At none it still waits where the order
 * of writes matters (a log begun anew, a checkpoint), so the file stays whole; and the log alone,
 * which has no locks on it that closing a descriptor would drop, is for us to sync.
 */
vn_status vn_store_defer(struct vn_store *s)
{
    const char *path = sqlite3_filename_wal(sqlite3_db_filename(s->db, "main"));
    s->wal_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (s->wal_fd < 0)
        return VN_ERR_IO;
    if (pthread_mutex_init(&s->sync, NULL) != 0) {
        close(s->wal_fd);
        return VN_ERR_NOMEM;
    }
    s->deferred = true;
    sqlite3_wal_hook(s->db, on_commit, s);
    return vn_sql_exec(s, "PRAGMA synchronous = NORMAL");
}

uint64_t vn_store_changes(const struct vn_store *s)
{
    return s->changes;
}

vn_status vn_store_sync(struct vn_store *s)
{
    if (!s->deferred)
        return VN_OK;
    pthread_mutex_lock(&s->sync);
    /* The kernel tells of a page it could not write once, and takes it for written then. */
    if (!s->sync_failed && fdatasync(s->wal_fd) != 0)
        s->sync_failed = true;
    const vn_status st = s->sync_failed ? VN_ERR_IO : VN_OK;
    pthread_mutex_unlock(&s->sync);
    return st;
}

/* ---- transactions ---- */

vn_status vn_store_begin(struct vn_store *s)
{
    /* IMMEDIATE: a reader that becomes a writer later could fail with SQLITE_BUSY. */
    vn_status st = vn_sql_exec(s, "BEGIN IMMEDIATE");
    s->in_tx = st == VN_OK;
    return st;
}

vn_status vn_store_commit(struct vn_store *s)
{
    vn_status st = vn_sql_exec(s, "COMMIT");
    if (st == VN_OK)
        s->in_tx = false;
    return st;
}

void vn_store_rollback(struct vn_store *s)
{
    if (!s->in_tx)
        return;
    s->in_tx = false;
    if (sqlite3_get_autocommit(s->db) == 0)
        (void)vn_sql_exec(s, "ROLLBACK");
}

void vn_store_rollbackp(struct vn_store **s)
{
    if (*s)
        vn_store_rollback(*s);
}

vn_status vn_sql_data_version(struct vn_store *s, int64_t *ret)
{
    VN_QUERY q = vn_sql_prepare(s, "PRAGMA data_version");
    vn_status st = q ? vn_sql_row(s, q, "data_version") : VN_ERR_IO;
    if (st == VN_OK)
        *ret = vn_sql_col_i64(q, 0);
    return st;
}

bool vn_store_changed_outside(struct vn_store *s)
{
    int64_t now;
    if (vn_sql_data_version(s, &now) != VN_OK)
        return false;
    bool changed = now != s->data_version;
    s->data_version = now;
    return changed;
}
