#include "support/guardian_world.h"

#include <stdlib.h>

#include "base/clock.h"
#include "guardian/password.h"
#include "guardian/realm_make.h"
#include "guardian/regtoken.h"
#include "guardian/revoked.h"
#include "guardian/statements.h"
#include "guardian/store_sql.h"
#include "support/test.h"

#define REALMS 16

/* ---- the connection ---- */

static void on_answer(struct vn_web_conn *c, const struct vn_answer *take)
{
    struct vn_guardian_world *w = VN_CONTAINER_OF(c, struct vn_guardian_world, conn);
    w->answers++;
    w->status = take->status;
    w->text = take->text;
}

static vn_status binding(struct vn_web_conn *c, uint8_t ret[32])
{
    (void)c;
    memset(ret, 7, 32);
    return VN_OK;
}

static vn_status peer(struct vn_web_conn *c, struct vn_ip *ret)
{
    (void)c;
    return vn_ip_parse("192.0.2.7", ret);
}

void vn_guardian_world_start(struct vn_guardian_world *w, enum vn_web_method method,
                             const char *path, const char *bearer, const char *body)
{
    char only[128], query[VN_WEB_QUERY_MAX] = "";
    struct vn_id ids[2] = {{{0}}};
    unsigned allowed;
    const size_t n = strcspn(path, "?");
    snprintf(only, sizeof(only), "%.*s", (int)n, path);
    if (path[n])
        snprintf(query, sizeof(query) - 1, "%s", path + n + 1);
    for (char *p = query; (p = strchr(p, '&')); p++)
        *p = 0;
    const struct vn_web_call call = {
        .route = vn_route_find(method, only, ids, &allowed),
        .path_id = ids,
        .query = query,
        .bearer = bearer,
        .body = body ? VN_SPAN_STR(body) : VN_SPAN_NONE,
    };
    assert_non_null(call.route);
    vn_secret_strp(&w->text);
    w->answers = 0;
    vn_web_dispatch(&w->g, w->rates, &w->conn, &call);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
}

void vn_guardian_world_ask(struct vn_guardian_world *w, enum vn_web_method method, const char *path,
                           const char *bearer, const char *body)
{
    vn_guardian_world_start(w, method, path, bearer, body);
    assert_int_equal(w->answers, 1);
    assert_null(w->conn.req);
}

/* ---- what it holds ---- */

static void make_people(struct vn_guardian_world *w, uint64_t now_ms)
{
    struct vn_store *s = w->g.store;
    struct vn_user_record ann = {
        .id = w->user, .name = "ann", .superuser = true, .created_ms = now_ms};
    const struct vn_org_record org = {.id = w->org, .name = "acme", .created_ms = now_ms};
    const struct vn_team_record team = {
        .id = w->team, .org = w->org, .name = "ops", .created_ms = now_ms};
    const struct vn_user_session session = {.id = {{30}},
                                            .user = w->user,
                                            .created_ms = now_ms,
                                            .used_ms = now_ms,
                                            .expires_ms = now_ms + 3600000};
    const struct vn_token access = {.type = VN_TOKEN_ACCESS,
                                    .id = w->user,
                                    .realm = session.id,
                                    .issued_ms = now_ms,
                                    .expires_ms = now_ms + 3600000};
    assert_ok(vn_password_hash(VN_WORLD_PASSWORD, ann.password, sizeof(ann.password)));
    assert_ok(vn_store_user_add(s, &ann));
    assert_ok(vn_store_org_add(s, &org));
    assert_ok(vn_store_member_put(s, &org.id, &ann.id, VN_ROLE_OWNER, now_ms));
    assert_ok(vn_store_team_add(s, &team));
    assert_ok(vn_store_team_member_put(s, &team.id, &ann.id, now_ms));
    assert_ok(vn_store_session_add(s, &session));
    assert_ok(vn_token_issue(&w->g.cfg.token_keys, &access, &w->access));
}

static void make_realm(struct vn_guardian_world *w, uint64_t now_ms)
{
    VN_CLEANUP(vn_realm_record_done) struct vn_realm_record record = {0};
    struct vn_realm_init init = {.name = "home",
                                 .suite = VN_SUITE_DEFAULT,
                                 .access = VN_ACCESS_TAINTS,
                                 .session_lifetime_s = 3600};
    const struct vn_realm_place place = {.org = w->org};
    assert_ok(vn_prefix_parse("10.77.0.0/16", &init.range4));
    assert_ok(vn_realm_generate(&init, now_ms, &record));
    assert_ok(vn_store_realm_add(w->g.store, &record));
    assert_ok(vn_store_realm_place_set(w->g.store, &record.id, &place));
    w->realm = record.id;
}

static void make_nodes(struct vn_guardian_world *w, uint64_t now_ms)
{
    struct vn_regtoken_init init = {.realm = w->realm,
                                    .owner = w->user,
                                    .expires_in_s = 3600,
                                    .uses = 100,
                                    .allowed = {.any = true},
                                    .rights = {.bits = VN_RIGHT_RELAY}};
    struct vn_regtoken t = {0};
    char why[200];
    assert_ok(vn_regtoken_create(w->g.store, &w->g.cfg, &init, now_ms, &t, why, sizeof(why)));
    w->registration = VN_TAKE(t.jwt);
    for (uint8_t i = 0; i < 2; i++) {
        struct vn_conflux_record c = {.id = w->node,
                                      .realm = w->realm,
                                      .token = t.record.id,
                                      .owner = w->user,
                                      .allowed = {.any = true},
                                      .rights = {.bits = VN_RIGHT_RELAY},
                                      .created_ms = now_ms};
        c.id.b[1] = i;
        snprintf(c.tag, sizeof(c.tag), "node-%u", i);
        assert_ok(vn_taints_parse("db", &c.taints));
        c.ip4 = 0x0a4d0005u + i;
        assert_ok(vn_store_conflux_add(w->g.store, &c));
    }
    const struct vn_token claims = {
        .type = VN_TOKEN_CONFLUX, .id = w->node, .realm = w->realm, .issued_ms = now_ms};
    assert_ok(vn_token_issue(&w->g.cfg.token_keys, &claims, &w->conflux));
    vn_regtoken_done(&t);
}

void vn_guardian_world_init(struct vn_guardian_world *w)
{
    const uint64_t now_ms = vn_clock_wall_ms();
    const struct vn_config_init init = {.public_host = "g.example",
                                        .public_port = 8443,
                                        .listen_host = "*",
                                        .listen_port = 8443,
                                        .master_port = 4222};
    *w = (struct vn_guardian_world){.org = {{10}}, .user = {{20}}, .team = {{40}}, .node = {{50}}};
    w->conn = (struct vn_web_conn){.answer = on_answer, .peer = peer, .binding = binding};
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->g.uv = &w->loop;
    assert_ok(vn_statements_new(&w->loop, &w->g.statements));
    assert_ok(vn_store_open(":memory:", false, &w->g.store));
    assert_ok(vn_config_create(w->g.store, &init, now_ms));
    assert_ok(vn_config_load(w->g.store, &w->g.cfg));
    make_people(w, now_ms);
    make_realm(w, now_ms);
    make_nodes(w, now_ms);
    assert_int_equal(sqlite3_open(":memory:", &w->saved), SQLITE_OK);
    vn_guardian_world_save(w);
    vn_guardian_world_restore(w);
}

static void drop_realms(struct vn_guardian_world *w)
{
    size_t cursor = 0;
    const void *key;
    void *realm;
    while (w->g.realms && vn_map_next(w->g.realms, &cursor, &key, &realm))
        vn_realm_unref(realm);
    w->g.realms = vn_map_free(w->g.realms);
    vn_revoked_done(&w->g);
}

void vn_guardian_world_done(struct vn_guardian_world *w)
{
    drop_realms(w);
    w->g.store = vn_store_close(w->g.store);
    vn_config_done(&w->g.cfg);
    w->g.statements = vn_statements_free(w->g.statements);
    sqlite3_close(w->saved);
    w->rates = vn_rates_free(w->rates);
    vn_secret_strp(&w->access);
    vn_secret_strp(&w->registration);
    vn_secret_strp(&w->conflux);
    vn_secret_strp(&w->text);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

static void copy(sqlite3 *to, sqlite3 *from)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    assert_non_null(b);
    assert_int_equal(sqlite3_backup_step(b, -1), SQLITE_DONE);
    assert_int_equal(sqlite3_backup_finish(b), SQLITE_OK);
}

void vn_guardian_world_save(struct vn_guardian_world *w)
{
    copy(w->saved, w->g.store->db);
}

void vn_guardian_world_restore(struct vn_guardian_world *w)
{
    copy(w->g.store->db, w->saved);
    drop_realms(w);
    assert_ok(vn_map_new(VN_ID_LEN, REALMS, &w->g.realms));
    assert_ok(vn_map_new(VN_ID_LEN, REALMS, &w->g.revoked));
    w->rates = vn_rates_free(w->rates);
    assert_ok(vn_rates_new(&w->rates));
}

/* ---- what became of it ---- */

static uint64_t add(uint64_t sum, struct vn_span v) /* FNV-1a */
{
    for (size_t i = 0; i < v.n; i++)
        sum = (sum ^ v.p[i]) * 0x100000001b3ull;
    return sum;
}

static uint64_t sum_of(struct vn_guardian_world *w, const char *columns)
{
    sqlite3 *db = w->g.store->db;
    sqlite3_stmt *tables, *rows;
    uint64_t sum = 0xcbf29ce484222325ull;
    assert_true(sqlite3_get_autocommit(db)); /* nothing half-done is left open */
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT name FROM sqlite_master WHERE type = 'table' AND "
                                        "name NOT IN ('audit', 'sqlite_sequence') ORDER BY name",
                                        -1, &tables, NULL),
                     SQLITE_OK);
    while (sqlite3_step(tables) == SQLITE_ROW) {
        char sql[160];
        snprintf(sql, sizeof(sql), "SELECT %s FROM \"%s\"", columns,
                 (const char *)sqlite3_column_text(tables, 0));
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &rows, NULL), SQLITE_OK);
        while (sqlite3_step(rows) == SQLITE_ROW)
            for (int i = 0; i < sqlite3_column_count(rows); i++)
                sum = add(add(sum, vn_sql_col_span(&(struct vn_query){.stmt = rows}, i)),
                          VN_SPAN_LIT("|"));
        sqlite3_finalize(rows);
    }
    sqlite3_finalize(tables);
    return sum;
}

uint64_t vn_guardian_world_content(struct vn_guardian_world *w)
{
    return sum_of(w, "*");
}

uint64_t vn_guardian_world_shape(struct vn_guardian_world *w)
{
    return sum_of(w, "COUNT(*)");
}

size_t vn_json_parts(json_t *j)
{
    const char *name;
    json_t *value;
    size_t i, n = json_is_string(j) ? json_string_length(j) > 0 : 1;
    json_object_foreach(j, name, value) n += vn_json_parts(value);
    json_array_foreach(j, i, value) n += vn_json_parts(value);
    return n;
}
