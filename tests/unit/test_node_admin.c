/* Commands of Guardian: each acts once, binds at once, and is answered. */
#include "anchor.pb-c.h"
#include "base/limits.h"
#include "support/node_world.h"
#include "support/test.h"
#include "wire/command.h"
#include "wire/types.h"

struct desk {
    struct vn_world w;
    struct vn_world_node *a, *b, *c;
    Vn__CommandAnswer *answer; /* the last one, of anybody */
    size_t answers;
    uint64_t delay_ms; /* of commands */
    unsigned copies;
    uint8_t next_id;
    char slow[64]; /* subjects that begin so take 200 ms */
};

/* The broker: hands answers to Guardian. */
static void on_publish(void *arg, struct vn_mem_message *m)
{
    struct desk *d = arg;
    if (d->slow[0] && strncmp(m->subject, d->slow, strlen(d->slow)) == 0)
        m->delay_ms = 200;
    for (size_t i = 0; i < d->w.count; i++) {
        Vn__CommandAnswer *answer =
            vn_mem_authority_answer(d->w.authority, i, m->subject, VN_SPAN(m->p, m->n));
        if (!answer)
            continue;
        if (d->answer)
            vn__command_answer__free_unpacked(d->answer, NULL);
        d->answer = answer;
        d->answers++;
    }
}

static void open_desk(struct desk *d)
{
    *d = (struct desk){.copies = 1};
    vn_world_init(&d->w, VN_SUITE_DEFAULT);
    vn_mem_broker_hook(d->w.broker, on_publish, d);
    d->a = vn_world_add(&d->w, "alice", "home");
    d->b = vn_world_add(&d->w, "bob", "home");
    d->c = vn_world_add(&d->w, "carol", "home");
}

static void close_desk(struct desk *d)
{
    if (d->answer)
        vn__command_answer__free_unpacked(d->answer, NULL);
    vn_world_done(&d->w);
}

/* Sends it as Guardian does, and runs for a moment. NULL: no answer came. */
static Vn__CommandAnswer *command(struct desk *d, struct vn_world_node *n, Vn__Command *c)
{
    uint8_t id[VN_COMMAND_ID_LEN] = {++d->next_id};
    struct vn_buf envelope;
    char subject[80];
    size_t before = d->answers;
    c->id = (ProtobufCBinaryData){sizeof(id), id};
    vn_mem_authority_command(d->w.authority, n->member, c, subject, &envelope);
    vn_world_run(&d->w, d->delay_ms);
    for (unsigned i = 0; i < d->copies; i++)
        vn_mem_broker_inject(d->w.broker, subject, envelope.p, envelope.len);
    vn_buf_done(&envelope);
    vn_world_run(&d->w, 50);
    if (d->answers == before)
        return NULL;
    assert_int_equal(d->answers, before + 1);
    assert_int_equal(d->answer->id.len, sizeof(id));
    assert_memory_equal(d->answer->id.data, id, sizeof(id));
    return d->answer;
}

static Vn__CommandAnswer *plain(struct desk *d, struct vn_world_node *n, Vn__Command__KindCase kind)
{
    Vn__Nothing none = VN__NOTHING__INIT;
    Vn__Command c = VN__COMMAND__INIT;
    c.kind_case = kind;
    c.info = &none; /* the same place for all of them */
    return command(d, n, &c);
}

static Vn__CommandAnswer *sessions(struct desk *d, struct vn_world_node *n, uint32_t offset)
{
    Vn__SessionsQuery q = VN__SESSIONS_QUERY__INIT;
    Vn__Command c = VN__COMMAND__INIT;
    q.offset = offset;
    c.kind_case = VN__COMMAND__KIND_SESSIONS;
    c.sessions = &q;
    return command(d, n, &c);
}

static Vn__CommandAnswer *routes(struct desk *d, struct vn_world_node *n, uint32_t offset)
{
    Vn__SessionsQuery q = VN__SESSIONS_QUERY__INIT;
    Vn__Command c = VN__COMMAND__INIT;
    q.offset = offset;
    c.kind_case = VN__COMMAND__KIND_ROUTES;
    c.routes = &q;
    return command(d, n, &c);
}

/* From these; from: NULL, nobody; itself: all. */
static Vn__CommandAnswer *quarantine(struct desk *d, struct vn_world_node *n, uint64_t number,
                                     struct vn_world_node *from)
{
    Vn__Quarantine q = VN__QUARANTINE__INIT;
    Vn__Command c = VN__COMMAND__INIT;
    ProtobufCBinaryData addr;
    q.number = number;
    q.all = from == n;
    if (from && from != n) {
        addr =
            (ProtobufCBinaryData){16, vn_mem_authority_member(d->w.authority, from->member)->ip6.b};
        q.addrs = &addr;
        q.n_addrs = 1;
    }
    c.kind_case = VN__COMMAND__KIND_QUARANTINE;
    c.quarantine = &q;
    return command(d, n, &c);
}

static void assert_done(const Vn__CommandAnswer *a)
{
    assert_non_null(a);
    assert_int_equal(a->result, VN_COMMAND_DONE);
}

static bool reaches(struct vn_world_node *from, struct vn_world_node *to)
{
    return vn_world_ping(from, to, false, 6000) != UINT64_MAX;
}

static bool linked(struct vn_world_node *n, const struct vn_world_node *to)
{
    struct vn_node_link links[8];
    size_t count = vn_node_links(n->node, links, 8);
    const struct vn_mem_member *m = vn_mem_authority_member(n->world->authority, to->member);
    for (size_t i = 0; i < count; i++) {
        if (vn_id_equal(&links[i].node, &m->node))
            return true;
    }
    return false;
}

/* ---- queries ---- */

static void test_info_and_networks(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    vn_world_run(&d.w, 1000);
    const struct vn_node_status s = vn_world_status(d.b);
    const Vn__CommandAnswer *a = plain(&d, d.b, VN__COMMAND__KIND_INFO);
    assert_done(a);
    assert_int_equal(a->detail_case, VN__COMMAND_ANSWER__DETAIL_INFO);
    assert_string_equal(a->info->version, VN_VERSION);
    assert_memory_equal(a->info->conflux.data, s.cred->conflux_id.b, VN_ID_LEN);
    assert_string_equal(a->info->tag, "bob");
    assert_int_equal(a->info->n_addrs, 2);
    assert_memory_equal(a->info->addrs[0].data, s.cred->ip4.b, 16);
    assert_memory_equal(a->info->addrs[1].data, s.cred->ip6.b, 16);
    assert_int_equal(a->info->n_taints, 1);
    assert_string_equal(a->info->taints[0], "home");
    assert_int_equal(a->info->mtu, VN_MTU_DEFAULT);
    assert_int_equal(a->info->expires_ms, s.cred->expires_ms);
    assert_true(a->info->uptime_ms >= 1000 && a->info->uptime_ms < 1200);
    assert_false(a->info->quarantined);
    assert_int_equal(a->statement, vn_mem_authority_member(d.w.authority, d.b->member)->number);

    a = plain(&d, d.b, VN__COMMAND__KIND_NETWORKS);
    assert_done(a);
    assert_int_equal(a->networks->n_networks, 1);
    assert_string_equal(a->networks->networks[0]->interface, "eth0");
    assert_int_equal(a->networks->networks[0]->bits, 120);
    assert_int_equal(vn_world_drops(d.b), 0);
    close_desk(&d);
}

static void test_sessions_and_health(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    assert_true(reaches(d.a, d.b) && reaches(d.b, d.a) && reaches(d.c, d.b));
    const Vn__CommandAnswer *a = sessions(&d, d.b, 0);
    assert_done(a);
    assert_int_equal(a->sessions->total, 2);
    assert_int_equal(a->sessions->n_sessions, 2);
    const Vn__NodeSession *alice = a->sessions->sessions[0];
    if (strcmp(alice->tag, "alice") != 0)
        alice = a->sessions->sessions[1];
    assert_string_equal(alice->tag, "alice");
    assert_memory_equal(alice->node.data,
                        &vn_mem_authority_member(d.w.authority, d.a->member)->node, VN_ID_LEN);
    assert_string_equal(alice->tx_state, "open");
    assert_true(alice->rx && alice->tether && alice->tether_up);
    assert_int_equal(alice->tx_packets, 1);
    assert_int_equal(alice->rx_packets, 1);
    a = sessions(&d, d.b, 1);
    assert_int_equal(a->sessions->total, 2);
    assert_int_equal(a->sessions->n_sessions, 1);
    a = sessions(&d, d.b, 4000000000u);
    assert_int_equal(a->sessions->n_sessions, 0);

    vn_mem_broker_inject(d.w.broker, "a.rev", "xxx", 3);
    vn_world_run(&d.w, 10);
    a = plain(&d, d.b, VN__COMMAND__KIND_HEALTH);
    assert_done(a);
    const struct vn_node_status s = vn_world_status(d.b);
    assert_int_equal(a->health->streams_tx, s.stream_tx_count);
    assert_int_equal(a->health->streams_rx, 2);
    assert_int_equal(a->health->tethers, 2);
    assert_int_equal(a->health->peers, 2);
    assert_int_equal(a->health->n_drops, 1);
    assert_string_equal(a->health->drops[0]->name, "control_malformed");
    assert_int_equal(a->health->drops[0]->value, 1);
    bool found = false;
    for (size_t i = 0; i < a->health->n_counters; i++) {
        if (strcmp(a->health->counters[i]->name, "tun_tx_packets") == 0)
            found = a->health->counters[i]->value == 2;
    }
    assert_true(found);
    close_desk(&d);
}

static void test_routes(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    const Vn__CommandAnswer *a = routes(&d, d.b, 0);
    assert_done(a);
    assert_int_equal(a->routes->total, 0);
    assert_true(reaches(d.b, d.a) && reaches(d.c, d.b));
    a = routes(&d, d.b, 0);
    assert_done(a);
    assert_int_equal(a->routes->n_routes, a->routes->total);
    const Vn__NodeRoute *alice = NULL;
    for (size_t i = 0; i < a->routes->n_routes; i++)
        if (strcmp(a->routes->routes[i]->tag, "alice") == 0)
            alice = a->routes->routes[i];
    assert_non_null(alice);
    assert_memory_equal(alice->node.data,
                        &vn_mem_authority_member(d.w.authority, d.a->member)->node, VN_ID_LEN);
    assert_string_equal(alice->state, "open");
    assert_int_equal(alice->n_via, 0);
    assert_true(alice->n_ways >= 1);
    assert_int_equal(alice->ways[0]->relay.len, 0);
    assert_string_equal(alice->ways[0]->why, "in_use");
    const uint32_t total = a->routes->total;
    a = routes(&d, d.b, total);
    assert_int_equal(a->routes->total, total);
    assert_int_equal(a->routes->n_routes, 0);
    a = plain(&d, d.b, VN__COMMAND__KIND_REMOTES); /* no portal among them */
    assert_done(a);
    assert_int_equal(a->detail_case, VN__COMMAND_ANSWER__DETAIL_REMOTES);
    assert_int_equal(a->remotes->n_networks, 0);
    close_desk(&d);
}

static void test_not_understood(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    Vn__Command none = VN__COMMAND__INIT; /* of a later version */
    const Vn__CommandAnswer *a = command(&d, d.b, &none);
    assert_non_null(a);
    assert_int_equal(a->result, VN_COMMAND_UNKNOWN);

    Vn__Quarantine q = VN__QUARANTINE__INIT;
    Vn__Command c = VN__COMMAND__INIT;
    c.kind_case = VN__COMMAND__KIND_QUARANTINE;
    c.quarantine = &q;
    a = command(&d, d.b, &c); /* number 0 */
    assert_int_equal(a->result, VN_COMMAND_BAD);
    ProtobufCBinaryData addrs[VN_QUARANTINE_ADDRS_MAX + 1];
    uint8_t bytes[16] = {0xfd};
    for (size_t i = 0; i < VN_ARRAY_LEN(addrs); i++)
        addrs[i] = (ProtobufCBinaryData){15, bytes};
    q.number = 1;
    q.addrs = addrs;
    q.n_addrs = 1;
    a = command(&d, d.b, &c);
    assert_int_equal(a->result, VN_COMMAND_BAD);
    q.n_addrs = VN_ARRAY_LEN(addrs);
    a = command(&d, d.b, &c);
    assert_int_equal(a->result, VN_COMMAND_BAD);
    for (size_t i = 0; i < VN_ARRAY_LEN(addrs); i++)
        addrs[i].len = 16;
    q.n_addrs = VN_QUARANTINE_ADDRS_MAX; /* as many as there may be fit in a message */
    a = command(&d, d.b, &c);
    assert_int_equal(a->result, VN_COMMAND_DONE);
    assert_int_equal(vn_world_status(d.b).quarantined_from, VN_QUARANTINE_ADDRS_MAX);
    close_desk(&d);
}

/* ---- who commands, when, and how often ---- */

static void test_repeated_acts_once(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    d.copies = 3;
    assert_done(plain(&d, d.b, VN__COMMAND__KIND_INFO)); /* asserts that one answer came */
    assert_int_equal(vn_world_status(d.b).drops[VN_NDROP_REPLAY], 2);
    d.copies = 2;
    struct vn_mem_member *m = vn_mem_authority_member(d.w.authority, d.b->member);
    assert_done(plain(&d, d.b, VN__COMMAND__KIND_INVALIDATE));
    vn_world_run(&d.w, 5000);
    assert_int_equal(m->logins, 2);
    close_desk(&d);
}

static void test_old_command_is_dropped(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    d.delay_ms = VN_ENVELOPE_FRESH_MS + 100;
    assert_null(quarantine(&d, d.b, 1, d.b));
    assert_false(vn_world_status(d.b).quarantined);
    assert_int_equal(vn_world_status(d.b).drops[VN_NDROP_STALE], 1);
    d.delay_ms = VN_ENVELOPE_FRESH_MS - 100;
    assert_done(quarantine(&d, d.b, 1, d.b));
    assert_true(vn_world_status(d.b).quarantined);
    close_desk(&d);
}

static void test_only_guardian_commands(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    Vn__Nothing none = VN__NOTHING__INIT;
    Vn__Command c = VN__COMMAND__INIT;
    c.kind_case = VN__COMMAND__KIND_SHUTDOWN;
    c.shutdown = &none;
    struct vn_buf envelope;
    char subject[80], self[VN_ID_TEXT], other[VN_ID_TEXT];
    vn_mem_authority_command(d.w.authority, d.b->member, &c, subject, &envelope);
    for (size_t i = 0; i < envelope.len; i += 97) {
        envelope.p[i] ^= 1;
        vn_mem_broker_inject(d.w.broker, subject, envelope.p, envelope.len);
        vn_world_run(&d.w, 30);
        envelope.p[i] ^= 1;
        assert_false(d.b->wants_stop);
    }
    uint64_t drops = vn_world_drops(d.b);
    assert_int_equal(drops, (envelope.len + 96) / 97);
    /* To its inbox, as a node would send it; and to another node. */
    vn_id_format(&vn_mem_authority_member(d.w.authority, d.b->member)->node, self);
    vn_id_format(&vn_mem_authority_member(d.w.authority, d.a->member)->node, other);
    snprintf(subject, sizeof(subject), "a.in.%s.%s", self, other);
    vn_mem_broker_inject(d.w.broker, subject, envelope.p, envelope.len);
    snprintf(subject, sizeof(subject), "a.adm.%s", other);
    vn_mem_broker_inject(d.w.broker, subject, envelope.p, envelope.len);
    vn_world_run(&d.w, 30);
    assert_int_equal(vn_world_drops(d.b), drops + 1);
    assert_false(d.b->wants_stop);
    assert_false(d.a->wants_stop);
    vn_buf_done(&envelope);
    close_desk(&d);
}

/* ---- quarantine ---- */

static void test_quarantine_from_all(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    assert_true(reaches(d.a, d.b) && reaches(d.b, d.a) && reaches(d.c, d.b));
    assert_done(quarantine(&d, d.b, 5, d.b));
    /* At once, in both directions, tethers too; the others go on. */
    assert_false(linked(d.b, d.a) || linked(d.b, d.c));
    assert_false(linked(d.a, d.b) || linked(d.c, d.b));
    assert_false(reaches(d.a, d.b));
    assert_false(reaches(d.b, d.a));
    assert_false(linked(d.b, d.a) || linked(d.a, d.b));
    assert_true(vn_world_status(d.b).drops[VN_NDROP_QUARANTINE] > 0);
    assert_true(reaches(d.a, d.c));
    const Vn__CommandAnswer *a = plain(&d, d.b, VN__COMMAND__KIND_INFO);
    assert_true(a->info->quarantined);
    /* The broker repeats and reorders: what is not newer changes nothing. */
    assert_done(quarantine(&d, d.b, 4, NULL));
    assert_true(vn_world_status(d.b).quarantined);
    assert_done(quarantine(&d, d.b, 6, NULL));
    vn_world_run(&d.w, 10000);
    assert_true(reaches(d.b, d.a) && reaches(d.a, d.b));
    close_desk(&d);
}

/* One of the two ends is enough. */
static void test_quarantine_from_one(void **state)
{
    (void)state;
    for (int whose = 0; whose < 2; whose++) {
        struct desk d;
        open_desk(&d);
        struct vn_world_node *cooperates = whose ? d.a : d.b, *other = whose ? d.b : d.a;
        assert_true(reaches(d.a, d.b) && reaches(d.b, d.a) && reaches(d.c, d.b));
        assert_done(quarantine(&d, cooperates, 1, other));
        assert_false(linked(d.a, d.b) || linked(d.b, d.a));
        assert_true(linked(d.c, d.b) && linked(d.b, d.c));
        assert_false(reaches(d.a, d.b));
        assert_false(reaches(d.b, d.a));
        assert_true(reaches(d.c, d.b) && reaches(d.b, d.c) && reaches(d.c, d.a));
        vn_world_kill(other);
        vn_world_revive(other); /* another node id, the same node */
        assert_false(reaches(other, cooperates));
        assert_int_equal(vn_world_status(other).handshakes_started, 0); /* nobody answered */
        assert_false(reaches(cooperates, other));
        assert_done(quarantine(&d, cooperates, 2, NULL));
        vn_world_run(&d.w, 10000);
        assert_true(reaches(d.a, d.b) && reaches(d.b, d.a));
        close_desk(&d);
    }
}

/* A handshake and a tether offer that were sent before arrive after it. */
static void test_quarantine_meets_what_is_under_way(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    char self[VN_ID_TEXT];
    vn_id_format(&vn_mem_authority_member(d.w.authority, d.b->member)->node, self);
    snprintf(d.slow, sizeof(d.slow), "a.in.%s.", self);
    vn_world_send(d.a, d.b, false, 1);
    vn_world_run(&d.w, 100);
    assert_int_equal(vn_world_status(d.a).handshakes_started, 1);
    assert_int_equal(vn_world_status(d.b).handshakes_started, 0);
    assert_done(quarantine(&d, d.b, 1, d.a));
    d.slow[0] = 0;
    vn_world_run(&d.w, 200);
    assert_true(vn_world_status(d.b).drops[VN_NDROP_QUARANTINE] >= 2);
    assert_int_equal(vn_world_status(d.b).handshakes_answered, 0);
    assert_false(linked(d.b, d.a));
    close_desk(&d);
}

static void test_quarantine_comes_with_the_login(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    struct vn_mem_member *m = vn_mem_authority_member(d.w.authority, d.b->member);
    m->quarantine_number = 9;
    m->quarantine_all = true;
    vn_world_kill(d.b);
    vn_world_revive(d.b);
    assert_true(vn_world_status(d.b).quarantined);
    assert_false(reaches(d.b, d.a));
    assert_false(reaches(d.a, d.b));
    close_desk(&d);
}

/* ---- keys, and the end ---- */

static void test_invalidate(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    assert_true(reaches(d.a, d.b) && reaches(d.b, d.a));
    struct vn_mem_member *m = vn_mem_authority_member(d.w.authority, d.b->member);
    const struct vn_id old = m->node;
    char text[VN_ID_TEXT], subject[80];
    vn_id_format(&old, text);
    assert_done(plain(&d, d.b, VN__COMMAND__KIND_INVALIDATE));
    assert_false(linked(d.a, d.b));
    vn_world_run(&d.w, 100);
    assert_false(vn_id_equal(&m->node, &old));
    assert_int_equal(m->logins, 2);
    assert_int_equal(m->logouts, 1);
    assert_int_equal(d.b->refused, 0);
    snprintf(subject, sizeof(subject), "a.adm.%s", text);
    assert_false(vn_mem_client_subscribed(d.b->client, subject));
    vn_id_format(&m->node, text);
    snprintf(subject, sizeof(subject), "a.adm.%s", text);
    assert_true(vn_mem_client_subscribed(d.b->client, subject));
    /* Traffic finds it under its new id by itself. */
    assert_true(vn_world_ping(d.b, d.a, false, 1000) < 200);
    assert_true(vn_world_ping(d.a, d.b, false, 2000) < 2000);
    assert_done(plain(&d, d.b, VN__COMMAND__KIND_INFO));
    close_desk(&d);
}

/* Packets of its own meanwhile, and while Guardian does not answer, are not refused for longer than
 * that takes. */
static void test_invalidate_under_traffic(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    assert_true(reaches(d.a, d.b) && reaches(d.b, d.a));
    struct vn_mem_member *m = vn_mem_authority_member(d.w.authority, d.b->member);
    m->refuse = VN_ERR_AGAIN;
    assert_done(plain(&d, d.b, VN__COMMAND__KIND_INVALIDATE));
    vn_world_send(d.b, d.a, false, 4000);
    vn_world_run(&d.w, 500);
    m->refuse = VN_OK;
    vn_world_run(&d.w, 1000);
    assert_int_equal(m->logins, 2);
    bool there = false, back = false;
    uint32_t number = 5000;
    for (int i = 0; i < 50 && !there; i++) {
        vn_world_send(d.b, d.a, false, ++number);
        vn_world_run(&d.w, 10);
        there = vn_world_received(d.a, number);
    }
    assert_true(there); /* within half a second */
    for (int i = 0; i < 50 && !back; i++) {
        vn_world_send(d.a, d.b, false, ++number);
        vn_world_run(&d.w, 10);
        back = vn_world_received(d.b, number);
    }
    assert_true(back);
    close_desk(&d);
}

static void test_shutdown(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    assert_true(reaches(d.a, d.b) && reaches(d.b, d.a));
    d.w.hold_jobs = true; /* the answer is not signed yet */
    assert_null(plain(&d, d.b, VN__COMMAND__KIND_SHUTDOWN));
    assert_false(d.b->wants_stop);
    d.w.hold_jobs = false;
    vn_world_run(&d.w, 50);
    assert_int_equal(d.answers, 1);
    assert_true(d.b->wants_stop);
    assert_int_equal(d.b->stopped, 1);
    assert_false(linked(d.a, d.b));
    const struct vn_mem_member *m = vn_mem_authority_member(d.w.authority, d.b->member);
    assert_int_equal(m->logouts, 1);
    vn_world_run(&d.w, 60000);
    assert_int_equal(m->logins, 1);
    assert_int_equal(vn_world_status(d.b).state, VN_NODE_STOPPED);
    close_desk(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info_and_networks),
        cmocka_unit_test(test_sessions_and_health),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_not_understood),
        cmocka_unit_test(test_repeated_acts_once),
        cmocka_unit_test(test_old_command_is_dropped),
        cmocka_unit_test(test_only_guardian_commands),
        cmocka_unit_test(test_quarantine_from_all),
        cmocka_unit_test(test_quarantine_from_one),
        cmocka_unit_test(test_quarantine_meets_what_is_under_way),
        cmocka_unit_test(test_quarantine_comes_with_the_login),
        cmocka_unit_test(test_invalidate),
        cmocka_unit_test(test_invalidate_under_traffic),
        cmocka_unit_test(test_shutdown),
    };
    if (getenv("VN_TEST_ONLY"))
        cmocka_set_test_filter(getenv("VN_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
