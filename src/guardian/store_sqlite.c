#include "guardian/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/log.h"
#include "guardian/migrations.h"

#define BUSY_WAIT_MS 5000
#define CACHED_STATEMENTS 64

struct cached {
    const char *sql; /* identity of the literal */
    sqlite3_stmt *stmt;
};

struct vn_store {
    sqlite3 *db;
    struct cached cache[CACHED_STATEMENTS];
    size_t cached;
    bool in_tx;
    int64_t data_version;
};

static vn_status fail(struct vn_store *s, const char *what)
{
    int rc = sqlite3_extended_errcode(s->db);
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE)
        return VN_ERR_EXISTS;
    if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
        return VN_ERR_STATE;
    vn_log(VN_LOG_ERROR, "store_failed", VN_KV_STR("what", what),
           VN_KV_STR("error", sqlite3_errmsg(s->db)));
    return rc == SQLITE_NOMEM ? VN_ERR_NOMEM : VN_ERR_IO;
}

static vn_status exec(struct vn_store *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? VN_OK : fail(s, sql);
}

/* Prepares once per SQL literal; every user resets by `done`. */
static sqlite3_stmt *prepare(struct vn_store *s, const char *sql)
{
    for (size_t i = 0; i < s->cached; i++)
        if (s->cache[i].sql == sql)
            return s->cache[i].stmt;
    sqlite3_stmt *stmt = NULL;
    if (s->cached == CACHED_STATEMENTS ||
        sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK) {
        fail(s, sql);
        return NULL;
    }
    s->cache[s->cached++] = (struct cached){sql, stmt};
    return stmt;
}

static void done(sqlite3_stmt **q)
{
    if (*q) {
        sqlite3_reset(*q);
        sqlite3_clear_bindings(*q);
    }
}
#define QUERY VN_CLEANUP(done) sqlite3_stmt *

static void bind_blob(sqlite3_stmt *q, int i, struct vn_span v)
{
    /* A NULL pointer would bind NULL, which is not the empty blob. */
    sqlite3_bind_blob(q, i, v.n ? (const void *)v.p : "", (int)v.n, SQLITE_TRANSIENT);
}
static void bind_id(sqlite3_stmt *q, int i, const struct vn_id *id)
{
    bind_blob(q, i, VN_SPAN_ARRAY(id->b));
}
static void bind_secret(sqlite3_stmt *q, int i, const struct vn_secret32 *v)
{
    bind_blob(q, i, VN_SPAN_ARRAY(v->b));
}
static void bind_text(sqlite3_stmt *q, int i, const char *v)
{
    sqlite3_bind_text(q, i, v, -1, SQLITE_TRANSIENT);
}
static void bind_u64(sqlite3_stmt *q, int i, uint64_t v)
{
    sqlite3_bind_int64(q, i, (sqlite3_int64)v);
}

static struct vn_span col_span(sqlite3_stmt *q, int i)
{
    const void *p = sqlite3_column_blob(q, i);
    int n = sqlite3_column_bytes(q, i);
    return p ? VN_SPAN(p, (size_t)n) : VN_SPAN_NONE;
}
static bool col_copy(sqlite3_stmt *q, int i, void *dst, size_t n)
{
    struct vn_span v = col_span(q, i);
    if (v.n != n)
        return false;
    memcpy(dst, v.p, n);
    return true;
}
static bool col_id(sqlite3_stmt *q, int i, struct vn_id *ret)
{
    return col_copy(q, i, ret->b, sizeof(ret->b));
}
static bool col_up_to(sqlite3_stmt *q, int i, uint8_t *dst, size_t cap, size_t *ret_n)
{
    struct vn_span v = col_span(q, i);
    if (v.n > cap)
        return false;
    if (v.n)
        memcpy(dst, v.p, v.n);
    *ret_n = v.n;
    return true;
}
static bool col_text(sqlite3_stmt *q, int i, char *dst, size_t cap)
{
    const char *v = (const char *)sqlite3_column_text(q, i);
    return v && (size_t)snprintf(dst, cap, "%s", v) < cap;
}
static uint64_t col_u64(sqlite3_stmt *q, int i)
{
    return (uint64_t)sqlite3_column_int64(q, i);
}
static bool col_blob(sqlite3_stmt *q, int i, struct vn_blob *ret)
{
    struct vn_span v = col_span(q, i);
    ret->p = malloc(v.n ? v.n : 1);
    if (!ret->p)
        return false;
    if (v.n)
        memcpy(ret->p, v.p, v.n);
    ret->n = v.n;
    return true;
}

/* A record that does not fit its struct: the file was changed by something else. */
static vn_status corrupt(const char *what)
{
    vn_log(VN_LOG_ERROR, "store_corrupt", VN_KV_STR("what", what));
    return VN_ERR_MALFORMED;
}

/* Runs a statement that returns no rows; ret_changes may be NULL. */
static vn_status run(struct vn_store *s, sqlite3_stmt *q, const char *what, int *ret_changes)
{
    if (sqlite3_step(q) != SQLITE_DONE)
        return fail(s, what);
    if (ret_changes)
        *ret_changes = sqlite3_changes(s->db);
    return VN_OK;
}

/* VN_OK with a row, VN_ERR_NOTFOUND without. */
static vn_status row(struct vn_store *s, sqlite3_stmt *q, const char *what)
{
    switch (sqlite3_step(q)) {
    case SQLITE_ROW:
        return VN_OK;
    case SQLITE_DONE:
        return VN_ERR_NOTFOUND;
    default:
        return fail(s, what);
    }
}

/* ---- open, migrate, transactions ---- */

static vn_status schema_version(struct vn_store *s, int *ret)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &q, NULL) != SQLITE_OK)
        return fail(s, "user_version");
    vn_status st = row(s, q, "user_version");
    if (st == VN_OK)
        *ret = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return st;
}

static vn_status migrate(struct vn_store *s)
{
    int count = 0;
    while (vn_migrations[count])
        count++;
    vn_status st = vn_store_begin(s, true);
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
        st = exec(s, vn_migrations[i]);
        if (st == VN_OK)
            st = exec(s, set);
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
        return fail(s, "open");
    sqlite3_busy_timeout(s->db, BUSY_WAIT_MS);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    vn_status st =
        exec(s, "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
                "PRAGMA secure_delete = ON");
    if (st == VN_OK)
        st = migrate(s);
    if (st != VN_OK)
        return st;
    (void)vn_store_changed_outside(s);
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
    free(s);
    return NULL;
}

void vn_store_closep(struct vn_store **s)
{
    *s = vn_store_close(*s);
}

vn_status vn_store_begin(struct vn_store *s, bool durable)
{
    vn_status st = exec(s, durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    /* IMMEDIATE: a reader that becomes a writer later could fail with SQLITE_BUSY. */
    if (st == VN_OK)
        st = exec(s, "BEGIN IMMEDIATE");
    s->in_tx = st == VN_OK;
    return st;
}

vn_status vn_store_commit(struct vn_store *s)
{
    vn_status st = exec(s, "COMMIT");
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
        (void)exec(s, "ROLLBACK");
}

void vn_store_rollbackp(struct vn_store **s)
{
    if (*s)
        vn_store_rollback(*s);
}

bool vn_store_changed_outside(struct vn_store *s)
{
    QUERY q = prepare(s, "PRAGMA data_version");
    if (!q || row(s, q, "data_version") != VN_OK)
        return false;
    int64_t now = sqlite3_column_int64(q, 0);
    bool changed = now != s->data_version;
    s->data_version = now;
    return changed;
}

/* ---- settings ---- */

vn_status vn_store_get(struct vn_store *s, const char *name, char **ret, size_t *ret_n)
{
    QUERY q = prepare(s, "SELECT value FROM setting WHERE name = ?");
    if (!q)
        return VN_ERR_IO;
    bind_text(q, 1, name);
    vn_status st = row(s, q, name);
    if (st != VN_OK)
        return st;
    struct vn_span v = col_span(q, 0);
    char *copy = malloc(v.n + 1);
    if (!copy)
        return VN_ERR_NOMEM;
    if (v.n)
        memcpy(copy, v.p, v.n);
    copy[v.n] = 0;
    *ret = copy;
    if (ret_n)
        *ret_n = v.n;
    return VN_OK;
}

vn_status vn_store_put(struct vn_store *s, const char *name, struct vn_span value)
{
    QUERY q = prepare(s, "INSERT INTO setting (name, value) VALUES (?, ?)"
                         " ON CONFLICT (name) DO UPDATE SET value = excluded.value");
    if (!q)
        return VN_ERR_IO;
    bind_text(q, 1, name);
    bind_blob(q, 2, value);
    return run(s, q, name, NULL);
}

/* ---- users ---- */

vn_status vn_store_user_add(struct vn_store *s, const struct vn_user_record *u)
{
    QUERY q = prepare(
        s, "INSERT INTO user (id, name, password, role, created_at) VALUES (?, ?, ?, ?, ?)");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, &u->id);
    bind_text(q, 2, u->name);
    bind_text(q, 3, u->password);
    sqlite3_bind_int(q, 4, (int)u->role);
    bind_u64(q, 5, u->created_ms);
    return run(s, q, "user add", NULL);
}

static vn_status user_of(struct vn_store *s, sqlite3_stmt *q, struct vn_user_record *ret)
{
    vn_status st = row(s, q, "user");
    if (st != VN_OK)
        return st;
    struct vn_user_record u = {0};
    if (!col_id(q, 0, &u.id) || !col_text(q, 1, u.name, sizeof(u.name)) ||
        !col_text(q, 2, u.password, sizeof(u.password)))
        return corrupt("user");
    u.role = (enum vn_role)sqlite3_column_int(q, 3);
    u.created_ms = col_u64(q, 4);
    *ret = u;
    return VN_OK;
}

vn_status vn_store_user_by_name(struct vn_store *s, const char *name, struct vn_user_record *ret)
{
    QUERY q = prepare(s, "SELECT id, name, password, role, created_at FROM user WHERE name = ?");
    if (!q)
        return VN_ERR_IO;
    bind_text(q, 1, name);
    return user_of(s, q, ret);
}

vn_status vn_store_user_get(struct vn_store *s, const struct vn_id *id, struct vn_user_record *ret)
{
    QUERY q = prepare(s, "SELECT id, name, password, role, created_at FROM user WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, id);
    return user_of(s, q, ret);
}

/* ---- realms ---- */

static void blob_wipe(struct vn_blob *b)
{
    if (b->p)
        vn_wipe(b->p, b->n);
    free(b->p);
    *b = (struct vn_blob){0};
}

void vn_realm_record_done(struct vn_realm_record *r)
{
    blob_wipe(&r->root_cert);
    blob_wipe(&r->issuing_cert);
    blob_wipe(&r->command_cert);
    blob_wipe(&r->kem_dk);
    vn_wipe(r, sizeof(*r));
}

vn_status vn_store_realm_add(struct vn_store *s, const struct vn_realm_record *r)
{
    QUERY q = prepare(
        s, "INSERT INTO realm (id, name, suite, access, ipv4, ipv6, session_lifetime_s, created_at,"
           " root_seed, issuing_seed, command_seed, root_cert, issuing_cert, command_cert, kem_dk,"
           " affinity_root, hour_root, hour_generation, name_key, address_key, nats_account_seed,"
           " nats_signing_seed) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    if (!q)
        return VN_ERR_IO;
    char range4[VN_PREFIX_TEXT], range6[VN_PREFIX_TEXT];
    vn_prefix_format(&r->range4, range4);
    vn_prefix_format(&r->range6, range6);
    bind_id(q, 1, &r->id);
    bind_text(q, 2, r->name);
    sqlite3_bind_int(q, 3, (int)r->suite);
    sqlite3_bind_int(q, 4, (int)r->access);
    bind_text(q, 5, range4);
    bind_text(q, 6, range6);
    sqlite3_bind_int64(q, 7, r->session_lifetime_s);
    bind_u64(q, 8, r->created_ms);
    bind_secret(q, 9, &r->root_seed);
    bind_secret(q, 10, &r->issuing_seed);
    bind_secret(q, 11, &r->command_seed);
    bind_blob(q, 12, VN_SPAN(r->root_cert.p, r->root_cert.n));
    bind_blob(q, 13, VN_SPAN(r->issuing_cert.p, r->issuing_cert.n));
    bind_blob(q, 14, VN_SPAN(r->command_cert.p, r->command_cert.n));
    bind_blob(q, 15, VN_SPAN(r->kem_dk.p, r->kem_dk.n));
    bind_secret(q, 16, &r->affinity_root);
    bind_secret(q, 17, &r->hour_root);
    sqlite3_bind_int64(q, 18, r->hour_generation);
    bind_secret(q, 19, &r->name_key);
    bind_secret(q, 20, &r->address_key);
    bind_secret(q, 21, &r->nats_account_seed);
    bind_secret(q, 22, &r->nats_signing_seed);
    return run(s, q, "realm add", NULL);
}

vn_status vn_store_realm_get(struct vn_store *s, const struct vn_id *id,
                             struct vn_realm_record *ret)
{
    QUERY q = prepare(
        s, "SELECT name, suite, access, ipv4, ipv6, session_lifetime_s, created_at,"
           " root_seed, issuing_seed, command_seed, root_cert, issuing_cert, command_cert, kem_dk,"
           " affinity_root, hour_root, hour_generation, name_key, address_key, nats_account_seed,"
           " nats_signing_seed FROM realm WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, id);
    vn_status st = row(s, q, "realm");
    if (st != VN_OK)
        return st;
    VN_CLEANUP(vn_realm_record_done) struct vn_realm_record r = {.id = *id};
    char range4[VN_PREFIX_TEXT], range6[VN_PREFIX_TEXT];
    r.suite = (enum vn_suite)sqlite3_column_int(q, 1);
    r.access = (enum vn_access_rule)sqlite3_column_int(q, 2);
    r.session_lifetime_s = (uint32_t)sqlite3_column_int64(q, 5);
    r.created_ms = col_u64(q, 6);
    r.hour_generation = (uint32_t)sqlite3_column_int64(q, 16);
    if (!col_text(q, 0, r.name, sizeof(r.name)) || !col_text(q, 3, range4, sizeof(range4)) ||
        !col_text(q, 4, range6, sizeof(range6)) || vn_prefix_parse(range4, &r.range4) != VN_OK ||
        vn_prefix_parse(range6, &r.range6) != VN_OK || !col_copy(q, 7, r.root_seed.b, 32) ||
        !col_copy(q, 8, r.issuing_seed.b, 32) || !col_copy(q, 9, r.command_seed.b, 32) ||
        !col_copy(q, 14, r.affinity_root.b, 32) || !col_copy(q, 15, r.hour_root.b, 32) ||
        !col_copy(q, 17, r.name_key.b, 32) || !col_copy(q, 18, r.address_key.b, 32) ||
        !col_copy(q, 19, r.nats_account_seed.b, 32) || !col_copy(q, 20, r.nats_signing_seed.b, 32))
        return corrupt("realm");
    if (!col_blob(q, 10, &r.root_cert) || !col_blob(q, 11, &r.issuing_cert) ||
        !col_blob(q, 12, &r.command_cert) || !col_blob(q, 13, &r.kem_dk))
        return VN_ERR_NOMEM;
    *ret = r;
    r.root_cert = r.issuing_cert = r.command_cert = r.kem_dk = (struct vn_blob){0};
    return VN_OK;
}

vn_status vn_store_realm_by_name(struct vn_store *s, const char *name, struct vn_id *ret)
{
    QUERY q = prepare(s, "SELECT id FROM realm WHERE name = ?");
    if (!q)
        return VN_ERR_IO;
    bind_text(q, 1, name);
    vn_status st = row(s, q, "realm by name");
    if (st == VN_OK && !col_id(q, 0, ret))
        return corrupt("realm");
    return st;
}

vn_status vn_store_realm_list(struct vn_store *s, bool (*fn)(void *arg, const struct vn_id *id),
                              void *arg)
{
    QUERY q = prepare(s, "SELECT id FROM realm ORDER BY created_at, id");
    if (!q)
        return VN_ERR_IO;
    vn_status st;
    while ((st = row(s, q, "realm list")) == VN_OK) {
        struct vn_id id;
        if (!col_id(q, 0, &id))
            return corrupt("realm");
        if (!fn(arg, &id))
            return VN_OK;
    }
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

vn_status vn_store_realm_delete(struct vn_store *s, const struct vn_id *id)
{
    QUERY q = prepare(s, "DELETE FROM realm WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, id);
    int changes;
    vn_status st = run(s, q, "realm delete", &changes);
    return st == VN_OK && !changes ? VN_ERR_NOTFOUND : st;
}

/* ---- registration tokens ---- */

vn_status vn_store_token_add(struct vn_store *s, const struct vn_token_record *t)
{
    QUERY q = prepare(
        s,
        "INSERT INTO registration_token (id, realm, owner, hash, created_at, expires_at, uses_left,"
        " taints, allowed_taints) VALUES (?,?,?,?,?,?,?,?,?)");
    if (!q)
        return VN_ERR_IO;
    char taints[VN_TAINTS_TEXT], allowed[VN_TAINTS_TEXT];
    vn_taints_format(&t->taints, taints);
    vn_allowed_format(&t->allowed, allowed);
    bind_id(q, 1, &t->id);
    bind_id(q, 2, &t->realm);
    bind_id(q, 3, &t->owner);
    bind_blob(q, 4, VN_SPAN_ARRAY(t->hash));
    bind_u64(q, 5, t->created_ms);
    bind_u64(q, 6, t->expires_ms);
    if (t->uses_left >= 0)
        sqlite3_bind_int64(q, 7, t->uses_left);
    bind_text(q, 8, taints);
    bind_text(q, 9, allowed);
    return run(s, q, "token add", NULL);
}

#define TOKEN_COLUMNS                                                                              \
    "SELECT id, realm, owner, hash, created_at, expires_at, uses_left, taints, allowed_taints, "   \
    "revoked"                                                                                      \
    " FROM registration_token "

static vn_status token_of(sqlite3_stmt *q, struct vn_token_record *t)
{
    char taints[VN_TAINTS_TEXT], allowed[VN_TAINTS_TEXT];
    *t = (struct vn_token_record){
        .created_ms = col_u64(q, 4),
        .expires_ms = col_u64(q, 5),
        .uses_left = sqlite3_column_type(q, 6) == SQLITE_NULL ? -1 : sqlite3_column_int64(q, 6),
        .revoked = sqlite3_column_int(q, 9) != 0,
    };
    if (!col_id(q, 0, &t->id) || !col_id(q, 1, &t->realm) || !col_id(q, 2, &t->owner) ||
        !col_copy(q, 3, t->hash, sizeof(t->hash)) || !col_text(q, 7, taints, sizeof(taints)) ||
        !col_text(q, 8, allowed, sizeof(allowed)) || vn_taints_parse(taints, &t->taints) != VN_OK ||
        vn_allowed_parse(allowed, &t->allowed) != VN_OK)
        return corrupt("registration token");
    return VN_OK;
}

vn_status vn_store_token_get(struct vn_store *s, const struct vn_id *id,
                             struct vn_token_record *ret)
{
    QUERY q = prepare(s, TOKEN_COLUMNS "WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, id);
    vn_status st = row(s, q, "token");
    return st == VN_OK ? token_of(q, ret) : st;
}

vn_status vn_store_token_list(struct vn_store *s, const struct vn_id *realm,
                              bool (*fn)(void *arg, const struct vn_token_record *t), void *arg)
{
    QUERY q = prepare(s, TOKEN_COLUMNS "WHERE realm = ? ORDER BY created_at, id");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, realm);
    vn_status st;
    while ((st = row(s, q, "token list")) == VN_OK) {
        struct vn_token_record t;
        st = token_of(q, &t);
        if (st != VN_OK || !fn(arg, &t))
            return st;
    }
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

vn_status vn_store_token_revoke(struct vn_store *s, const struct vn_id *id)
{
    QUERY q = prepare(s, "UPDATE registration_token SET revoked = 1 WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, id);
    int changes;
    vn_status st = run(s, q, "token revoke", &changes);
    return st == VN_OK && !changes ? VN_ERR_NOTFOUND : st;
}

vn_status vn_store_token_use(struct vn_store *s, const struct vn_id *id, uint64_t now_ms)
{
    QUERY q = prepare(s, "UPDATE registration_token SET uses_left = uses_left - 1"
                         " WHERE id = ? AND revoked = 0 AND expires_at > ? AND (uses_left IS NULL "
                         "OR uses_left > 0)");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, id);
    bind_u64(q, 2, now_ms);
    int changes;
    vn_status st = run(s, q, "token use", &changes);
    if (st != VN_OK || changes)
        return st;
    struct vn_token_record t;
    st = vn_store_token_get(s, id, &t);
    if (st != VN_OK)
        return st;
    return t.revoked ? VN_ERR_DENIED : t.expires_ms <= now_ms ? VN_ERR_EXPIRED : VN_ERR_LIMIT;
}

/* ---- nodes ---- */

vn_status vn_store_conflux_add(struct vn_store *s, const struct vn_conflux_record *c)
{
    QUERY q = prepare(
        s, "INSERT INTO conflux (id, realm, token, owner, allowed_taints, tag, ip4, ip6, taints,"
           " created_at, statement_number) VALUES (?,?,?,?,?,?,?,?,?,?,?)");
    if (!q)
        return VN_ERR_IO;
    char taints[VN_TAINTS_TEXT], allowed[VN_TAINTS_TEXT];
    vn_taints_format(&c->taints, taints);
    vn_allowed_format(&c->allowed, allowed);
    bind_id(q, 1, &c->id);
    bind_id(q, 2, &c->realm);
    bind_id(q, 3, &c->token);
    bind_id(q, 4, &c->owner);
    bind_text(q, 5, allowed);
    bind_text(q, 6, c->tag);
    sqlite3_bind_int64(q, 7, c->ip4);
    bind_blob(q, 8, VN_SPAN_ARRAY(c->ip6.b));
    bind_text(q, 9, taints);
    bind_u64(q, 10, c->created_ms);
    bind_u64(q, 11, c->statement_number);
    return run(s, q, "conflux add", NULL);
}

#define CONFLUX_COLUMNS                                                                            \
    "SELECT id, realm, token, owner, allowed_taints, tag, ip4, ip6, taints, created_at, "          \
    "statement_number, not_after,"                                                                 \
    " last_login_at, node, sig_pk, session_ek, nkey, serial FROM conflux "

static vn_status conflux_of(sqlite3_stmt *q, struct vn_conflux_record *c)
{
    char taints[VN_TAINTS_TEXT], allowed[VN_TAINTS_TEXT];
    memset(c, 0, sizeof(*c));
    c->ip4 = (uint32_t)sqlite3_column_int64(q, 6);
    c->created_ms = col_u64(q, 9);
    c->statement_number = col_u64(q, 10);
    c->session.not_after_ms = col_u64(q, 11);
    c->session.login_ms = col_u64(q, 12);
    c->has_session = sqlite3_column_type(q, 13) != SQLITE_NULL;
    if (!col_id(q, 0, &c->id) || !col_id(q, 1, &c->realm) || !col_id(q, 2, &c->token) ||
        !col_id(q, 3, &c->owner) || !col_text(q, 4, allowed, sizeof(allowed)) ||
        !col_text(q, 5, c->tag, sizeof(c->tag)) || !col_copy(q, 7, c->ip6.b, 16) ||
        !col_text(q, 8, taints, sizeof(taints)) || vn_taints_parse(taints, &c->taints) != VN_OK ||
        vn_allowed_parse(allowed, &c->allowed) != VN_OK)
        return corrupt("conflux");
    struct vn_session_record *n = &c->session;
    if (c->has_session &&
        (!col_id(q, 13, &n->node) || !col_up_to(q, 14, n->sig_pk, VN_PK_MAX, &n->sig_pk_n) ||
         !col_up_to(q, 15, n->session_ek, VN_EK_MAX, &n->session_ek_n) ||
         !col_copy(q, 16, n->nkey, 32) || !col_copy(q, 17, n->serial, 16)))
        return corrupt("conflux session");
    return VN_OK;
}

vn_status vn_store_conflux_get(struct vn_store *s, const struct vn_id *id,
                               struct vn_conflux_record *ret)
{
    QUERY q = prepare(s, CONFLUX_COLUMNS "WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, id);
    vn_status st = row(s, q, "conflux");
    return st == VN_OK ? conflux_of(q, ret) : st;
}

vn_status vn_store_conflux_list(struct vn_store *s, const struct vn_id *realm,
                                bool (*fn)(void *arg, const struct vn_conflux_record *c), void *arg)
{
    QUERY q = prepare(s, CONFLUX_COLUMNS "WHERE realm = ? ORDER BY created_at, id");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, realm);
    vn_status st;
    while ((st = row(s, q, "conflux list")) == VN_OK) {
        struct vn_conflux_record c;
        st = conflux_of(q, &c);
        if (st != VN_OK || !fn(arg, &c))
            return st;
    }
    return st == VN_ERR_NOTFOUND ? VN_OK : st;
}

vn_status vn_store_conflux_delete(struct vn_store *s, const struct vn_conflux_record *c,
                                  uint64_t now_ms)
{
    QUERY del = prepare(s, "DELETE FROM conflux WHERE id = ?");
    QUERY give_up =
        prepare(s, "UPDATE lease SET conflux = NULL, until = ? WHERE realm = ? AND ip4 = ?");
    QUERY purge = prepare(s, "DELETE FROM lease WHERE conflux IS NULL AND until <= ?");
    if (!del || !give_up || !purge)
        return VN_ERR_IO;
    bind_id(del, 1, &c->id);
    int changes;
    vn_status st = run(s, del, "conflux delete", &changes);
    if (st == VN_OK && !changes)
        st = VN_ERR_NOTFOUND;
    if (st != VN_OK)
        return st;
    bind_u64(give_up, 1, c->session.not_after_ms);
    bind_id(give_up, 2, &c->realm);
    sqlite3_bind_int64(give_up, 3, c->ip4);
    st = run(s, give_up, "lease give up", NULL);
    if (st != VN_OK)
        return st;
    bind_u64(purge, 1, now_ms);
    return run(s, purge, "lease purge", NULL);
}

vn_status vn_store_conflux_set_taints(struct vn_store *s, const struct vn_id *id,
                                      const struct vn_taint_set *taints, uint64_t statement_number)
{
    QUERY q = prepare(s, "UPDATE conflux SET taints = ?, statement_number = ? WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    char text[VN_TAINTS_TEXT];
    vn_taints_format(taints, text);
    bind_text(q, 1, text);
    bind_u64(q, 2, statement_number);
    bind_id(q, 3, id);
    int changes;
    vn_status st = run(s, q, "conflux taints", &changes);
    return st == VN_OK && !changes ? VN_ERR_NOTFOUND : st;
}

vn_status vn_store_conflux_set_session(struct vn_store *s, const struct vn_id *id,
                                       const struct vn_session_record *session,
                                       uint64_t statement_number)
{
    QUERY q = prepare(s, "UPDATE conflux SET node = ?, sig_pk = ?, session_ek = ?, nkey = ?, "
                         "serial = ?, not_after = ?,"
                         " last_login_at = ?, statement_number = ? WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, &session->node);
    bind_blob(q, 2, VN_SPAN(session->sig_pk, session->sig_pk_n));
    bind_blob(q, 3, VN_SPAN(session->session_ek, session->session_ek_n));
    bind_blob(q, 4, VN_SPAN_ARRAY(session->nkey));
    bind_blob(q, 5, VN_SPAN_ARRAY(session->serial));
    bind_u64(q, 6, session->not_after_ms);
    bind_u64(q, 7, session->login_ms);
    bind_u64(q, 8, statement_number);
    bind_id(q, 9, id);
    int changes;
    vn_status st = run(s, q, "conflux session", &changes);
    return st == VN_OK && !changes ? VN_ERR_NOTFOUND : st;
}

vn_status vn_store_conflux_end_session(struct vn_store *s, const struct vn_id *id)
{
    QUERY q =
        prepare(s, "UPDATE conflux SET node = NULL, sig_pk = NULL, session_ek = NULL, nkey = NULL,"
                   " serial = NULL WHERE id = ?");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, id);
    int changes;
    vn_status st = run(s, q, "conflux logout", &changes);
    return st == VN_OK && !changes ? VN_ERR_NOTFOUND : st;
}

vn_status vn_store_tag_foreign(struct vn_store *s, const struct vn_id *realm, const char *tag,
                               const struct vn_id *owner, const struct vn_id *token, bool *ret)
{
    QUERY q = prepare(
        s,
        "SELECT 1 FROM conflux WHERE realm = ? AND tag = ? AND owner <> ? AND token <> ? LIMIT 1");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, realm);
    bind_text(q, 2, tag);
    bind_id(q, 3, owner);
    bind_id(q, 4, token);
    vn_status st = row(s, q, "tag");
    if (st != VN_OK && st != VN_ERR_NOTFOUND)
        return st;
    *ret = st == VN_OK;
    return VN_OK;
}

vn_status vn_store_outbox_add(struct vn_store *s, const struct vn_id *conflux)
{
    QUERY q = prepare(s, "INSERT OR IGNORE INTO outbox (conflux) VALUES (?)");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, conflux);
    return run(s, q, "outbox add", NULL);
}

vn_status vn_store_outbox_take(struct vn_store *s, struct vn_id *ret)
{
    QUERY q = prepare(s, "DELETE FROM outbox WHERE conflux = (SELECT conflux FROM outbox LIMIT 1) "
                         "RETURNING conflux");
    if (!q)
        return VN_ERR_IO;
    vn_status st = row(s, q, "outbox take");
    if (st == VN_OK && !col_id(q, 0, ret))
        return corrupt("outbox");
    /* the deletion is done when the statement is */
    if (st == VN_OK && sqlite3_step(q) != SQLITE_DONE)
        return fail(s, "outbox take");
    return st;
}

/* ---- revocations ---- */

static vn_status next_number(struct vn_store *s, const struct vn_id *realm, uint64_t now_ms,
                             uint64_t *ret)
{
    QUERY q = prepare(s, "SELECT MAX(number) FROM revocation WHERE realm = ?");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, realm);
    vn_status st = row(s, q, "revocation number");
    if (st == VN_OK)
        *ret = VN_MAX(col_u64(q, 0) + 1, now_ms);
    return st;
}

vn_status vn_store_revocation_add(struct vn_store *s, const struct vn_id *realm,
                                  const struct vn_revocation_row *r, uint64_t now_ms)
{
    QUERY add = prepare(s, "INSERT INTO revocation (realm, number, kind, node, serial, minimum,"
                           " until, nkey) VALUES (?,?,?,?,?,?,?,?)");
    QUERY clean = prepare(s, "DELETE FROM revocation WHERE realm = ?1 AND number < ?2"
                             " AND (node = ?3 OR until <= ?4)");
    uint64_t number;
    if (!add || !clean)
        return VN_ERR_IO;
    vn_status st = next_number(s, realm, now_ms, &number);
    if (st != VN_OK)
        return st;
    bind_id(add, 1, realm);
    bind_u64(add, 2, number);
    sqlite3_bind_int(add, 3, (int)r->e.kind);
    bind_id(add, 4, &r->e.node);
    bind_blob(add, 5, VN_SPAN_ARRAY(r->e.serial));
    bind_u64(add, 6, r->e.minimum);
    bind_u64(add, 7, r->e.until_ms);
    if (r->has_nkey)
        bind_blob(add, 8, VN_SPAN_ARRAY(r->nkey));
    st = run(s, add, "revocation add", NULL);
    if (st != VN_OK)
        return st;
    bind_id(clean, 1, realm);
    bind_u64(clean, 2, number);
    bind_id(clean, 3, &r->e.node);
    bind_u64(clean, 4, now_ms);
    return run(s, clean, "revocation clean", NULL);
}

static bool revocation_of(sqlite3_stmt *q, struct vn_revocation_row *ret)
{
    *ret = (struct vn_revocation_row){
        .e = {.number = col_u64(q, 0),
              .kind = (enum vn_revocation_kind)sqlite3_column_int(q, 1),
              .minimum = col_u64(q, 4),
              .until_ms = col_u64(q, 5)},
        .has_nkey = sqlite3_column_type(q, 6) != SQLITE_NULL,
        .published = sqlite3_column_int(q, 7) != 0,
    };
    return col_id(q, 2, &ret->e.node) && col_copy(q, 3, ret->e.serial, sizeof(ret->e.serial)) &&
           (!ret->has_nkey || col_copy(q, 6, ret->nkey, sizeof(ret->nkey)));
}

vn_status vn_store_revocation_load(struct vn_store *s, const struct vn_id *realm, uint64_t now_ms,
                                   struct vn_revocation_row **ret, size_t *ret_n)
{
    QUERY q = prepare(s, "SELECT number, kind, node, serial, minimum, until, nkey, published"
                         " FROM revocation WHERE realm = ? AND until > ? ORDER BY number");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, realm);
    bind_u64(q, 2, now_ms);
    struct vn_revocation_row *rows = NULL;
    size_t n = 0, cap = 0;
    vn_status st;
    do {
        if (n == cap) {
            struct vn_revocation_row *more = realloc(rows, (cap += 64) * sizeof(*rows));
            if (!more) {
                free(rows);
                return VN_ERR_NOMEM;
            }
            rows = more;
        }
        st = row(s, q, "revocations");
        if (st == VN_OK && !revocation_of(q, &rows[n++]))
            st = corrupt("revocation");
    } while (st == VN_OK);
    if (st != VN_ERR_NOTFOUND) {
        free(rows);
        return st;
    }
    *ret = rows;
    *ret_n = n;
    return VN_OK;
}

vn_status vn_store_revocation_pending(struct vn_store *s, struct vn_id *ret_realm)
{
    QUERY q = prepare(s, "SELECT realm FROM revocation WHERE published = 0 LIMIT 1");
    if (!q)
        return VN_ERR_IO;
    vn_status st = row(s, q, "revocation pending");
    return st == VN_OK && !col_id(q, 0, ret_realm) ? corrupt("revocation") : st;
}

vn_status vn_store_revocation_published(struct vn_store *s, const struct vn_id *realm, uint64_t to)
{
    QUERY q = prepare(s, "UPDATE revocation SET published = 1 WHERE realm = ? AND number <= ?"
                         " AND published = 0");
    if (!q)
        return VN_ERR_IO;
    bind_id(q, 1, realm);
    bind_u64(q, 2, to);
    return run(s, q, "revocation published", NULL);
}

/* ---- address leases ---- */

vn_status vn_store_lease_find(struct vn_store *s, const struct vn_id *realm, uint32_t first,
                              uint32_t last, uint64_t now_ms, uint32_t *ret)
{
    QUERY purge = prepare(s, "DELETE FROM lease WHERE conflux IS NULL AND until <= ?");
    /* The first gap: either the range's start, or the place after a leased address whose successor
     * is free. */
    QUERY q = prepare(
        s,
        "SELECT ?2 WHERE NOT EXISTS (SELECT 1 FROM lease WHERE realm = ?1 AND ip4 = ?2)"
        " UNION ALL SELECT * FROM (SELECT l.ip4 + 1 FROM lease l WHERE l.realm = ?1 AND l.ip4 >= ?2"
        " AND l.ip4 < ?3 AND NOT EXISTS (SELECT 1 FROM lease n WHERE n.realm = ?1 AND"
        " n.ip4 = l.ip4 + 1) ORDER BY l.ip4 LIMIT 1) LIMIT 1");
    if (!purge || !q)
        return VN_ERR_IO;
    bind_u64(purge, 1, now_ms);
    vn_status st = run(s, purge, "lease purge", NULL);
    if (st != VN_OK)
        return st;
    bind_id(q, 1, realm);
    sqlite3_bind_int64(q, 2, first);
    sqlite3_bind_int64(q, 3, last);
    st = row(s, q, "lease find");
    if (st == VN_ERR_NOTFOUND)
        return VN_ERR_LIMIT;
    if (st == VN_OK)
        *ret = (uint32_t)sqlite3_column_int64(q, 0);
    return st;
}

vn_status vn_store_lease_take(struct vn_store *s, const struct vn_id *realm, uint32_t ip4,
                              const struct vn_id *conflux, const char *tag, uint64_t now_ms,
                              char ret_holder[64], uint64_t *ret_until_ms)
{
    QUERY holder =
        prepare(s, "SELECT tag, conflux IS NULL, until FROM lease WHERE realm = ? AND ip4 = ?"
                   " AND (conflux IS NOT NULL OR until > ?)");
    QUERY take = prepare(
        s, "INSERT OR REPLACE INTO lease (realm, ip4, conflux, tag, until) VALUES (?,?,?,?,0)");
    if (!holder || !take)
        return VN_ERR_IO;
    bind_id(holder, 1, realm);
    sqlite3_bind_int64(holder, 2, ip4);
    bind_u64(holder, 3, now_ms);
    vn_status st = row(s, holder, "lease");
    if (st == VN_OK) {
        if (!col_text(holder, 0, ret_holder, 64))
            return corrupt("lease");
        *ret_until_ms = sqlite3_column_int(holder, 1) ? col_u64(holder, 2) : 0;
        return VN_ERR_EXISTS;
    }
    if (st != VN_ERR_NOTFOUND)
        return st;
    bind_id(take, 1, realm);
    sqlite3_bind_int64(take, 2, ip4);
    bind_id(take, 3, conflux);
    bind_text(take, 4, tag);
    return run(s, take, "lease take", NULL);
}

/* ---- audit ---- */

vn_status vn_store_audit_add(struct vn_store *s, uint64_t at_ms, const struct vn_id *realm,
                             const char *actor, const char *action, const char *subject,
                             const char *detail)
{
    QUERY q = prepare(
        s, "INSERT INTO audit (at, realm, actor, action, subject, detail) VALUES (?,?,?,?,?,?)");
    if (!q)
        return VN_ERR_IO;
    bind_u64(q, 1, at_ms);
    if (realm)
        bind_id(q, 2, realm);
    bind_text(q, 3, actor);
    bind_text(q, 4, action);
    bind_text(q, 5, subject);
    bind_text(q, 6, detail);
    return run(s, q, "audit", NULL);
}
