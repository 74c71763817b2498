/* What the parts of the SQLite store share; nothing else includes it. */
#pragma once

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "base/secret.h"
#include "guardian/store.h"
#include "guardian/store_revocations.h"

#define VN_STORE_STATEMENTS 192

/** A prepared statement. Its parameters are given to it by vn_sql_bind_…, which remember the first
 * that fails: it is then not run, and whoever runs it hears of that. */
struct vn_query {
    const char *sql; /* identity of the literal */
    sqlite3_stmt *stmt;
    int unbound; /* SQLite's code for that failure, or SQLITE_OK */
};

struct vn_store {
    sqlite3 *db;
    struct vn_query cache[VN_STORE_STATEMENTS];
    size_t cached;
    bool in_tx;
    bool deferred;
    int wal_fd; /* constant once deferred */
    pthread_mutex_t sync;
    bool sync_failed; /* under sync */
    uint64_t changes; /* since deferred */
    int64_t data_version;
    uint64_t revocations_added, revocations_removed;
    struct vn_revocation_marks none_pending; /* when there was none to publish */
};

/** What SQLite's last error means here; logs what is nobody's business but the operator's. */
vn_status vn_sql_fail(struct vn_store *s, const char *what);
vn_status vn_sql_exec(struct vn_store *s, const char *sql);
/** Prepares once per SQL literal, which must live as long as the store; hold it in a VN_QUERY. */
struct vn_query *vn_sql_prepare(struct vn_store *s, const char *sql);
/** Another number after each change by another connection. */
vn_status vn_sql_data_version(struct vn_store *s, int64_t *ret);
/** Runs a statement that returns no rows; ret_changes may be NULL. */
vn_status vn_sql_run(struct vn_store *s, struct vn_query *q, const char *what, int *ret_changes);
/** Runs one that changes a row: VN_ERR_NOTFOUND when there is none. */
vn_status vn_sql_change(struct vn_store *s, struct vn_query *q, const char *what);
/** The same for a statement whose only parameter is an id. */
vn_status vn_sql_change_one(struct vn_store *s, const char *sql, const struct vn_id *id,
                            const char *what);
/** VN_OK with a row, VN_ERR_NOTFOUND without. */
vn_status vn_sql_row(struct vn_store *s, struct vn_query *q, const char *what);
/** The same for one whose first column is an id. */
vn_status vn_sql_row_id(struct vn_store *s, struct vn_query *q, const char *what,
                        struct vn_id *ret);
/** A record that does not fit its struct: the file was changed by something else. */
vn_status vn_sql_corrupt(const char *what);
/** Two columns or parameters from i on: bits, networks. */
void vn_sql_bind_rights(struct vn_query *q, int i, const struct vn_rights *rights);
bool vn_sql_col_rights(struct vn_query *q, int i, struct vn_rights *ret);
/** Comma list of a node's teams. */
void vn_sql_teams_format(const struct vn_team_set *t, char ret[VN_NODE_TEAMS_TEXT]);
bool vn_sql_teams_parse(const char *text, struct vn_team_set *ret);
bool vn_sql_col_blob(struct vn_query *q, int i, struct vn_blob *ret); /* the caller frees ret->p */

static inline void vn_sql_done(struct vn_query **q)
{
    if (!*q)
        return;
    sqlite3_reset((*q)->stmt);
    sqlite3_clear_bindings((*q)->stmt);
    (*q)->unbound = SQLITE_OK;
}
/** A prepared statement that is reset at the end of its block. */
#define VN_QUERY VN_CLEANUP(vn_sql_done) struct vn_query *

/** Makes each row a record by of(q, record) and hands it to fn(arg, record), which returns false to
 * stop. Its value is the status. */
#define VN_SQL_EACH(s, q, what, record, of, fn, arg)                                               \
    ({                                                                                             \
        vn_status each_st;                                                                         \
        while ((each_st = vn_sql_row(s, q, what)) == VN_OK) {                                      \
            each_st = of(q, record);                                                               \
            if (each_st != VN_OK || !fn(arg, record))                                              \
                break;                                                                             \
        }                                                                                          \
        each_st == VN_ERR_NOTFOUND ? VN_OK : each_st;                                              \
    })

static inline void vn_sql_bound(struct vn_query *q, int rc)
{
    if (q->unbound == SQLITE_OK)
        q->unbound = rc;
}
static inline void vn_sql_bind_blob(struct vn_query *q, int i, struct vn_span v)
{
    /* A NULL pointer would bind NULL, which is not the empty blob. */
    vn_sql_bound(
        q, sqlite3_bind_blob64(q->stmt, i, v.n ? (const void *)v.p : "", v.n, SQLITE_TRANSIENT));
}
static inline void vn_sql_bind_id(struct vn_query *q, int i, const struct vn_id *id)
{
    vn_sql_bind_blob(q, i, VN_SPAN_ARRAY(id->b));
}
static inline void vn_sql_bind_secret(struct vn_query *q, int i, const struct vn_secret32 *v)
{
    vn_sql_bind_blob(q, i, VN_SPAN_ARRAY(v->b));
}
static inline void vn_sql_bind_text(struct vn_query *q, int i, const char *v)
{
    vn_sql_bound(q, sqlite3_bind_text(q->stmt, i, v, -1, SQLITE_TRANSIENT));
}
static inline void vn_sql_bind_i64(struct vn_query *q, int i, int64_t v)
{
    vn_sql_bound(q, sqlite3_bind_int64(q->stmt, i, v));
}
static inline void vn_sql_bind_u64(struct vn_query *q, int i, uint64_t v)
{
    vn_sql_bind_i64(q, i, (int64_t)v);
}
/** For "(time, id) > (?, ?) … LIMIT ?", from parameter i on. */
static inline void vn_sql_bind_page(struct vn_query *q, int i, const struct vn_page *page)
{
    static const struct vn_place BEGINNING = {0};
    const struct vn_place *after = page ? &page->after : &BEGINNING;
    vn_sql_bind_u64(q, i, after->at_ms);
    vn_sql_bind_id(q, i + 1, &after->id);
    vn_sql_bind_i64(q, i + 2, page ? (int64_t)page->limit : -1);
}
static inline struct vn_span vn_sql_col_span(struct vn_query *q, int i)
{
    const void *p = sqlite3_column_blob(q->stmt, i);
    int n = sqlite3_column_bytes(q->stmt, i);
    return p ? VN_SPAN(p, (size_t)n) : VN_SPAN_NONE;
}
static inline bool vn_sql_col_copy(struct vn_query *q, int i, void *dst, size_t n)
{
    struct vn_span v = vn_sql_col_span(q, i);
    if (v.n != n)
        return false;
    memcpy(dst, v.p, n);
    return true;
}
static inline bool vn_sql_col_id(struct vn_query *q, int i, struct vn_id *ret)
{
    return vn_sql_col_copy(q, i, ret->b, sizeof(ret->b));
}
static inline bool vn_sql_col_up_to(struct vn_query *q, int i, uint8_t *dst, size_t cap,
                                    size_t *ret_n)
{
    struct vn_span v = vn_sql_col_span(q, i);
    if (v.n > cap)
        return false;
    if (v.n)
        memcpy(dst, v.p, v.n);
    *ret_n = v.n;
    return true;
}
/** NULL where the column is, and without memory. Until the next step. */
static inline const char *vn_sql_col_str(struct vn_query *q, int i)
{
    return (const char *)sqlite3_column_text(q->stmt, i);
}
static inline bool vn_sql_col_text(struct vn_query *q, int i, char *dst, size_t cap)
{
    const char *v = vn_sql_col_str(q, i);
    return v && (size_t)snprintf(dst, cap, "%s", v) < cap;
}
static inline bool vn_sql_col_null(struct vn_query *q, int i)
{
    return sqlite3_column_type(q->stmt, i) == SQLITE_NULL;
}
static inline int64_t vn_sql_col_i64(struct vn_query *q, int i)
{
    return sqlite3_column_int64(q->stmt, i);
}
static inline uint64_t vn_sql_col_u64(struct vn_query *q, int i)
{
    return (uint64_t)vn_sql_col_i64(q, i);
}
static inline bool vn_sql_col_bool(struct vn_query *q, int i)
{
    return vn_sql_col_i64(q, i) != 0;
}
