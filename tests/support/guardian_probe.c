/*
 * guardian_probe CONFLUX_TOKEN_FILE [STEP...]: a node reduced to its credentials. The file holds a
 * "vc1." or "vn1."-like text {"g","k","c"}. Logs in, verifies everything in the answer as a node
 * would, then does the steps:
 *
 *   renew            log in again with the same keys
 *   other-keys       renew with new keys (to be refused)
 *   taint+X taint-X  change taints
 *   peers            list
 *   nats             connect to Master and try what is allowed and what is not
 *   hold             stay connected; print each message's subject and size, answer commands; until
 *                    standard input ends
 *   hold-two         connect twice; say when both connections have ended, and whether a third is
 *                    taken
 *   flood=IP4,COUNT,RATE
 *                    make so many queries for that address; after a line on standard input send
 *                    them, RATE a second, until they or standard input end
 *   logout
 *
 * One JSON object per step on standard output. Exit 0: every step did what it should say; the test
 * judges the rest.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <nats/nats.h>

#include "anchor.pb-c.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/writer.h"
#include "control/guardian_api.h"
#include "control/http.h"
#include "crypto/nkey.h"
#include "crypto/rng.h"
#include "crypto/x509.h"
#include "loop/io.h"
#include "loop/loop.h"
#include "support/light_node.h"
#include "support/member_flood.h"
#include "wire/envelope.h"
#include "wire/names.h"
#include "wire/revocation.h"

struct probe {
    struct vn_loop *loop;
    struct vn_io io;
    struct vn_join join;
    struct vn_guardian_api *api;
    const struct vn_authority *port;
    struct light_node self;
    /* credentials */
    struct vn_credentials *cred;
    uint64_t statement; /* number of the last one pushed */
    /* result of the step under way */
    bool failed;
    char detail[512];
    json_t *result;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "guardian_probe: %s failed\n", what);
    exit(1);
}

static void say(const char *step, json_t *o)
{
    json_object_set_new(o, "step", json_string(step));
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(o);
}

static bool failed(struct probe *p, const struct vn_authority_error *err)
{
    if (!err)
        return false;
    p->failed = true;
    snprintf(p->detail, sizeof(p->detail), "%s: %s", vn_status_name(err->status), err->detail);
    return true;
}

static void report_failure(struct probe *p, const char *step)
{
    if (p->failed)
        say(step, json_pack("{s:b, s:s}", "ok", 0, "detail", p->detail));
}

/* ---- login ---- */

static void on_login(void *arg, struct vn_credentials *cred, const struct vn_authority_error *err)
{
    struct probe *p = arg;
    if (!failed(p, err)) {
        p->cred = vn_credentials_free(p->cred);
        p->cred = cred;
    }
    vn_loop_stop(p->loop);
}

static struct vn_span span(const struct vn_blob *b)
{
    return VN_SPAN(b->p, b->n);
}

/* What a node checks before it believes an answer. */
static json_t *check_credentials(struct probe *p)
{
    const struct vn_credentials *c = p->cred;
    uint64_t now = c->guardian_time_ms;
    struct vn_sig_pub *root = NULL, *issuing = NULL, *command = NULL;
    must(c->realm.suite == p->self.suite->id, "suite of the realm");
    /* The root comes over pinned HTTPS: its own key is taken from it, then everything hangs from
     * that. */
    must(vn_x509_check_authority(VN_AUTHORITY_ROOT, &p->self.realm, span(&c->realm.root_cert), NULL,
                                 now, &root) == VN_OK,
         "root certificate");
    must(vn_x509_check_authority(VN_AUTHORITY_ISSUING, &p->self.realm, span(&c->realm.issuing_cert),
                                 root, now, &issuing) == VN_OK,
         "issuing certificate");
    must(vn_x509_check_authority(VN_AUTHORITY_COMMAND, &p->self.realm, span(&c->realm.command_cert),
                                 root, now, &command) == VN_OK,
         "command certificate");
    struct vn_id gid;
    must(vn_node_id_of(vn_sig_pub_bytes(command), &gid) == VN_OK &&
             vn_id_equal(&gid, &c->realm.gid),
         "Guardian's id");
    must(c->realm.guardian_ek.n == p->self.suite->ek_len, "Guardian's KEM key");

    struct vn_identity id;
    must(vn_x509_check_identity(span(&c->certificate), issuing, &p->self.realm, now, &id) == VN_OK,
         "identity certificate");
    must(vn_id_equal(&id.node, &p->self.node) && strcmp(id.tag, c->tag) == 0 &&
             id.addr_count == 2 && vn_ip_equal(&id.addrs[0], &c->ip4) &&
             vn_ip_equal(&id.addrs[1], &c->ip6),
         "names in the certificate");
    must(vn_prefix_contains(&c->realm.range4, &c->ip4) &&
             vn_prefix_contains(&c->realm.range6, &c->ip6),
         "addresses in the realm's ranges");
    must(id.not_after_ms / 1000 == c->expires_ms / 1000, "end of the certificate");

    struct vn_statement s;
    must(vn_statement_check(span(&c->statement), command, p->self.suite, &p->self.realm, now, &s) ==
             VN_OK,
         "statement");
    must(vn_id_equal(&s.node, &p->self.node), "node of the statement");
    must(s.taint_count + s.scope_count == c->identity_count, "identities and tags are as many");
    /* each identity's key gives one of the statement's tags */
    json_t *taints = json_array(), *claims = json_array();
    for (size_t i = 0; i < c->identity_count; i++) {
        struct vn_affinity_tag tag;
        must(vn_affinity_tag(p->self.suite->hash, &c->identities[i].key, c->identities[i].kind,
                             &s.pk_hash, &tag) == VN_OK,
             "tag");
        bool taint = c->identities[i].kind == VN_KIND_TAINT, found = false;
        for (size_t k = 0; k < (taint ? s.taint_count : s.scope_count); k++)
            found = found || memcmp((taint ? s.taints : s.scopes)[k].b, tag.b, sizeof(tag.b)) == 0;
        must(found, "every identity has its tag in the statement");
        if (taint)
            json_array_append_new(taints, json_string(c->identities[i].label));
        if (c->identities[i].kind == VN_KIND_OAUTH)
            json_array_append_new(claims, json_string(c->identities[i].label));
    }
    uint32_t hour;
    must(vn_hour_keys_now(&c->hour_keys, now, &hour) && hour == vn_hour_of(now), "hour key of now");
    must(vn_hour_keys_now(&c->hour_keys, c->expires_ms, &hour) != NULL,
         "hour key of the certificate's end");

    /* each list goes on where the one before it ended */
    static struct vn_revocation_list list;
    uint64_t known = 0;
    size_t revoked = 0;
    for (size_t i = 0; i < c->revocation_count; i++, revoked += list.count, known = list.to)
        must(vn_revocation_list_check(span(&c->revocations[i]), command, p->self.suite,
                                      &p->self.realm, &list) == VN_OK &&
                 list.after == known,
             "revocations");

    char node[VN_ID_TEXT], ip4[VN_IP_TEXT], ip6[VN_IP_TEXT];
    vn_id_format(&p->self.node, node);
    vn_ip_format(&c->ip4, ip4);
    vn_ip_format(&c->ip6, ip6);
    vn_sig_pub_free(root);
    vn_sig_pub_free(issuing);
    vn_sig_pub_free(command);
    return json_pack("{s:b, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:i, s:I, s:i, s:i}", "ok",
                     1, "node", node, "tag", c->tag, "ip4", ip4, "ip6", ip6, "statement",
                     (json_int_t)s.number, "time", (json_int_t)now, "expires",
                     (json_int_t)c->expires_ms, "taints", taints, "claims", claims, "hours",
                     (int)c->hour_keys.count, "nats_jwt_bytes", (json_int_t)strlen(c->nats_jwt),
                     "revoked", (int)revoked, "lists", (int)c->revocation_count);
}

static void login(struct probe *p, const char *step, bool renew)
{
    const struct vn_login_request req = light_node_login(&p->self, renew);
    p->failed = false;
    must(p->port->login(p->port->self, &req, on_login, p) == VN_OK, "login");
    vn_loop_run(p->loop);
    if (p->failed)
        report_failure(p, step);
    else
        say(step, check_credentials(p));
}

/* ---- other calls ---- */

static void on_logout(void *arg, const struct vn_authority_error *err)
{
    failed(arg, err);
    vn_loop_stop(((struct probe *)arg)->loop);
}

static void on_taints(void *arg, const struct vn_taint_result *res,
                      const struct vn_authority_error *err)
{
    struct probe *p = arg;
    if (!failed(p, err)) {
        struct vn_statement s;
        struct vn_span part, sig;
        must(vn_statement_decode(span(&res->statement), p->self.suite, &s, &part, &sig) == VN_OK,
             "new statement");
        json_t *taints = json_array();
        for (size_t i = 0; i < res->identity_count; i++)
            if (res->identities[i].kind == VN_KIND_TAINT)
                json_array_append_new(taints, json_string(res->identities[i].label));
        if (res->nats_jwt) {
            free(p->cred->nats_jwt);
            p->cred->nats_jwt = strdup(res->nats_jwt);
        }
        p->result = json_pack("{s:b, s:I, s:o, s:i, s:b}", "ok", 1, "statement",
                              (json_int_t)s.number, "taints", taints, "tags", (int)s.taint_count,
                              "nats_jwt", res->nats_jwt != NULL);
    }
    vn_loop_stop(p->loop);
}

static void on_peers(void *arg, const struct vn_peer_entry *list, size_t n,
                     const struct vn_authority_error *err)
{
    struct probe *p = arg;
    if (!failed(p, err)) {
        json_t *items = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(items, json_string(list[i].tag));
        p->result = json_pack("{s:b, s:o}", "ok", 1, "peers", items);
    }
    vn_loop_stop(p->loop);
}

static void finish(struct probe *p, const char *step, vn_status st)
{
    must(st == VN_OK, step);
    vn_loop_run(p->loop);
    if (p->failed)
        report_failure(p, step);
    else
        say(step, p->result ? p->result : json_pack("{s:b}", "ok", 1));
    p->result = NULL;
}

/* ---- Master ---- */

struct heard {
    pthread_mutex_t lock;
    char error[256]; /* the last permission violation */
    unsigned violations, messages;
    struct probe *probe;        /* print messages */
    natsSubscription *subs[80]; /* until the connection ends */
    size_t sub_count;
};

static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus err, void *arg)
{
    struct heard *h = arg;
    (void)sub;
    const char *text = NULL;
    (void)err;
    natsConnection_GetLastError(nc, &text);
    pthread_mutex_lock(&h->lock);
    h->violations++;
    snprintf(h->error, sizeof(h->error), "%s", text ? text : "");
    pthread_mutex_unlock(&h->lock);
}

/* Opens an envelope of Guardian as a node does. ret: borrows from plain. */
static void open_guardian(struct probe *p, struct vn_span bytes, uint8_t *plain,
                          struct vn_envelope_view *v, struct vn_envelope_plain *ret,
                          struct vn_sig_pub **ret_command)
{
    const struct vn_credentials *c = p->cred;
    struct vn_sig_pub *root = NULL;
    must(vn_envelope_parse(bytes, p->self.suite, &p->self.realm, &p->self.node, v) == VN_OK,
         "envelope");
    must(vn_id_equal(&v->h.src, &c->realm.gid), "sender");
    uint64_t sent, now = vn_clock_wall_ms();
    must(vn_tai64n_ms(v->h.tai64n, &sent) == VN_OK && sent <= now && now - sent < 60000,
         "freshness");
    must(vn_envelope_open(v, p->self.suite, NULL, p->self.session, now, plain, ret) == VN_OK,
         "opening");
    must(vn_x509_check_authority(VN_AUTHORITY_ROOT, &p->self.realm, span(&c->realm.root_cert), NULL,
                                 now, &root) == VN_OK,
         "root");
    must(vn_x509_check_authority(VN_AUTHORITY_COMMAND, &p->self.realm, span(&c->realm.command_cert),
                                 root, now, ret_command) == VN_OK,
         "command key");
    must(vn_envelope_verify(v, ret, *ret_command, "anchor-cmd-v1") == VN_OK, "signature");
    vn_sig_pub_free(root);
}

/* Does nothing, and says that it is done. */
static void answer_command(struct probe *p, natsConnection *nc, struct vn_span body)
{
    const struct vn_credentials *c = p->cred;
    Vn__Command *m = vn__command__unpack(NULL, body.n, body.p);
    must(m && m->kind_case != VN__COMMAND__KIND__NOT_SET, "command");
    Vn__CommandAnswer a = VN__COMMAND_ANSWER__INIT;
    a.id = m->id;
    a.statement = p->statement;
    uint8_t packed[256], nonce[16];
    must(vn_rng_bytes(nonce, sizeof(nonce)) == VN_OK, "random");
    const struct vn_envelope_send send = {
        .suite = p->self.suite,
        .type = VN_T_COMMAND_ANSWER,
        .realm = p->self.realm,
        .src = p->self.node,
        .dst = c->realm.gid,
        .hour_keys = &c->hour_keys,
        .now_ms = vn_clock_wall_ms(),
        .recipient_ek = span(&c->realm.guardian_ek),
        .cert = span(&c->certificate),
        .key = p->self.identity,
        .context = "anchor-env-v1",
        .body = VN_SPAN(packed, vn__command_answer__pack(&a, packed)),
    };
    struct vn_buf out;
    char subject[VN_SUBJECT_MAX];
    vn_buf_init(&out, VN_CONTROL_PAYLOAD_MAX);
    must(vn_envelope_seal(&send, nonce, &out) == VN_OK, "answer");
    vn_subject_format(
        &(struct vn_subject){.kind = VN_SUBJ_IN, .name = c->realm.gid, .src = p->self.node},
        subject);
    must(natsConnection_Publish(nc, subject, out.p, (int)out.len) == NATS_OK, "publishing");
    vn_buf_done(&out);
    vn__command__free_unpacked(m, NULL);
}

/* What it says goes into o. */
static void read_update(struct probe *p, struct vn_span body, const struct vn_sig_pub *command,
                        json_t *o)
{
    uint64_t now = vn_clock_wall_ms();
    Vn__IdentityUpdate *m = vn__identity_update__unpack(NULL, body.n, body.p);
    must(m != NULL, "body");
    struct vn_statement s;
    must(vn_statement_check(VN_SPAN(m->statement.data, m->statement.len), command, p->self.suite,
                            &p->self.realm, now, &s) == VN_OK,
         "statement");
    json_t *taints = json_array();
    for (size_t i = 0; i < m->n_identities; i++)
        if (m->identities[i]->kind == VN_KIND_TAINT)
            json_array_append_new(taints, json_string(m->identities[i]->label));
    must(s.taint_count == json_array_size(taints), "tags");
    json_object_set_new(o, "taints", taints);
    json_object_set_new(o, "statement", json_integer((json_int_t)s.number));
    json_object_set_new(o, "nats_jwt", json_boolean(m->nats_jwt[0] != 0));
    p->statement = s.number;
    vn__identity_update__free_unpacked(m, NULL);
}

/* False: a command, which is answered and not shown. */
static bool read_admin(struct probe *p, natsConnection *nc, struct vn_span bytes, json_t *o)
{
    static uint8_t plain[VN_CONTROL_PAYLOAD_MAX];
    struct vn_envelope_view v;
    struct vn_envelope_plain e;
    struct vn_sig_pub *command = NULL;
    open_guardian(p, bytes, plain, &v, &e, &command);
    must(v.h.type == VN_T_UPDATE || v.h.type == VN_T_COMMAND, "type");
    if (v.h.type == VN_T_UPDATE)
        read_update(p, e.body, command, o);
    else
        answer_command(p, nc, e.body);
    vn_sig_pub_free(command);
    return v.h.type == VN_T_UPDATE;
}

static void on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
    struct heard *h = arg;
    (void)sub;
    pthread_mutex_lock(&h->lock);
    h->messages++;
    pthread_mutex_unlock(&h->lock);
    if (h->probe) {
        const char *subject = natsMsg_GetSubject(msg);
        json_t *o =
            json_pack("{s:s, s:i}", "subject", subject, "bytes", natsMsg_GetDataLength(msg));
        struct vn_span bytes = VN_SPAN(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
        if (strncmp(subject, "a.adm.", 6) != 0 || read_admin(h->probe, nc, bytes, o))
            say("message", o);
        else
            json_decref(o);
    }
    natsMsg_Destroy(msg);
}

static void handle_errors(natsOptions *o, void *arg)
{
    natsOptions_SetErrorHandler(o, on_error, arg);
}

static natsStatus connect_master(struct probe *p, struct heard *h, natsConnection **ret)
{
    return light_node_connect(&p->self, p->cred, handle_errors, h, ret);
}

/* True when the broker refused the last action; waits for its answer to a PING behind it. */
static bool refused(natsConnection *nc, struct heard *h)
{
    natsConnection_FlushTimeout(nc, 5000);
    for (int i = 0; i < 20; i++) { /* the handler runs on libnats's thread */
        pthread_mutex_lock(&h->lock);
        bool yes = h->violations > 0;
        h->violations = 0;
        pthread_mutex_unlock(&h->lock);
        if (yes)
            return true;
        usleep(10000);
    }
    return false;
}

static bool publish_refused(natsConnection *nc, struct heard *h, const char *subject, int size)
{
    static char data[65536];
    /* libnats knows the limit of the payload from Master and refuses a larger one itself */
    return natsConnection_Publish(nc, subject, data, size) != NATS_OK || refused(nc, h);
}

static bool subscribe_refused(natsConnection *nc, struct heard *h, const char *subject,
                              const char *queue)
{
    if (h->sub_count == VN_ARRAY_LEN(h->subs))
        return true;
    natsSubscription **sub = &h->subs[h->sub_count++];
    natsStatus st = queue ? natsConnection_QueueSubscribe(sub, nc, subject, queue, on_message, h)
                          : natsConnection_Subscribe(sub, nc, subject, on_message, h);
    return st != NATS_OK || refused(nc, h);
}

static void disconnect(natsConnection *nc, struct heard *h)
{
    for (size_t i = 0; i < h->sub_count; i++)
        natsSubscription_Destroy(h->subs[i]);
    h->sub_count = 0;
    natsConnection_Close(nc);
    natsConnection_Destroy(nc);
}

static void name_pattern(struct probe *p, enum vn_subject_kind kind, enum vn_name_kind name_kind,
                         struct vn_span name, char ret[VN_SUBJECT_MAX])
{
    struct vn_id h;
    must(vn_name_hash(p->self.suite->hash, &p->cred->realm.name_key, name_kind, name, &h) == VN_OK,
         "name");
    vn_subject_pattern(kind, &h, ret);
}

static void step_nats(struct probe *p, bool hold)
{
    struct heard h = {.lock = PTHREAD_MUTEX_INITIALIZER};
    natsConnection *nc;
    natsStatus st = connect_master(p, &h, &nc);
    if (st != NATS_OK) {
        say(hold ? "hold" : "nats",
            json_pack("{s:b, s:s}", "ok", 0, "detail", natsStatus_GetText(st)));
        return;
    }
    char self[VN_ID_TEXT], other[VN_ID_TEXT], gid[VN_ID_TEXT], room[4], wrong[4] = "q0";
    struct vn_id stranger;
    must(vn_rng_bytes(stranger.b, sizeof(stranger.b)) == VN_OK, "random");
    vn_id_format(&p->self.node, self);
    vn_id_format(&stranger, other);
    vn_id_format(&p->cred->realm.gid, gid);
    const char *queue = vn_subject_queue(&p->self.node, VN_NAME_TAG, room);
    wrong[1] = queue[1] == '0' ? '1' : '0';
    char s[VN_SUBJECT_MAX + 80], own[VN_SUBJECT_MAX], tag[VN_SUBJECT_MAX], grp[VN_SUBJECT_MAX],
        foreign[VN_SUBJECT_MAX];
    name_pattern(p, VN_SUBJ_OWN, VN_NAME_ID, VN_SPAN_ARRAY(p->self.node.b), own);
    name_pattern(p, VN_SUBJ_OWN, VN_NAME_ID, VN_SPAN_ARRAY(stranger.b), foreign);
    if (hold) {
        h.probe = p;
        snprintf(s, sizeof(s), "a.in.%s.*", self);
        must(!subscribe_refused(nc, &h, s, NULL), "inbox");
        snprintf(s, sizeof(s), "a.adm.%s", self);
        must(!subscribe_refused(nc, &h, s, NULL), "commands");
        say("hold", json_pack("{s:b, s:s}", "ok", 1, "self", self));
        while (getchar() != EOF)
            continue;
        disconnect(nc, &h);
        return;
    }
    json_t *o = json_pack("{s:b}", "ok", 1);
#define TRY(name, call) json_object_set_new(o, name, json_boolean(!(call)))
    /* allowed */
    snprintf(s, sizeof(s), "a.in.%s.*", self);
    TRY("inbox", subscribe_refused(nc, &h, s, NULL));
    snprintf(s, sizeof(s), "a.adm.%s", self);
    TRY("commands", subscribe_refused(nc, &h, s, NULL));
    TRY("revocations", subscribe_refused(nc, &h, "a.rev", NULL));
    TRY("hubs", subscribe_refused(nc, &h, "a.hub.*", "hub"));
    TRY("own_name", subscribe_refused(nc, &h, own, NULL));
    name_pattern(p, VN_SUBJ_OWN, VN_NAME_TAG, VN_SPAN_STR(p->cred->tag), tag);
    TRY("own_tag", subscribe_refused(nc, &h, tag, queue));
    name_pattern(p, VN_SUBJ_OWN, VN_NAME_IP4, VN_SPAN(p->cred->ip4.b + 12, 4), own);
    TRY("own_ip4", subscribe_refused(nc, &h, own, NULL));
    name_pattern(p, VN_SUBJ_OWN, VN_NAME_IP6, VN_SPAN_ARRAY(p->cred->ip6.b), own);
    TRY("own_ip6", subscribe_refused(nc, &h, own, NULL));
    for (size_t i = 0; i < p->cred->identity_count; i++) {
        if (p->cred->identities[i].kind != VN_KIND_TAINT)
            continue;
        name_pattern(p, VN_SUBJ_GRP, VN_NAME_TAINT, VN_SPAN_STR(p->cred->identities[i].label), grp);
        TRY("own_group", subscribe_refused(nc, &h, grp, queue));
    }
    snprintf(s, sizeof(s), "a.in.%s.%s", other, self);
    TRY("send", publish_refused(nc, &h, s, 100));
    snprintf(s, sizeof(s), "a.own.%s.%s", other, self);
    TRY("ask_name", publish_refused(nc, &h, s, 100));
    snprintf(s, sizeof(s), "a.hub.%s", self);
    TRY("offer_relay", publish_refused(nc, &h, s, 100));
    /* delivered to oneself: the path works at all */
    snprintf(s, sizeof(s), "a.in.%s.%s", self, self);
    h.messages = 0;
    natsConnection_Publish(nc, s, "x", 1);
    for (int i = 0; i < 200 && !h.messages; i++)
        usleep(10000);
    TRY("delivered", h.messages == 0);

    /* not allowed; the answers must be false */
    snprintf(s, sizeof(s), "a.in.%s.%s", self, other);
    TRY("forged_sender", publish_refused(nc, &h, s, 100));
    snprintf(s, sizeof(s), "a.own.%s.%s", other, other);
    TRY("forged_query", publish_refused(nc, &h, s, 100));
    snprintf(s, sizeof(s), "a.hub.%s", other);
    TRY("forged_hub", publish_refused(nc, &h, s, 100));
    snprintf(s, sizeof(s), "a.adm.%s", other);
    TRY("forged_command", publish_refused(nc, &h, s, 100));
    TRY("forged_revocation", publish_refused(nc, &h, "a.rev", 100));
    snprintf(s, sizeof(s), "a.in.%s.%s", self, gid);
    TRY("forged_guardian", publish_refused(nc, &h, s, 100));
    snprintf(s, sizeof(s), "a.in.%s.*", other);
    TRY("others_inbox", subscribe_refused(nc, &h, s, NULL));
    TRY("all_inboxes", subscribe_refused(nc, &h, "a.in.*.*", NULL));
    TRY("everything", subscribe_refused(nc, &h, ">", NULL));
    snprintf(s, sizeof(s), "a.adm.%s", other);
    TRY("others_commands", subscribe_refused(nc, &h, s, NULL));
    TRY("others_name", subscribe_refused(nc, &h, foreign, NULL));
    TRY("without_queue", subscribe_refused(nc, &h, tag, NULL));
    TRY("wrong_queue", subscribe_refused(nc, &h, tag, wrong));
    name_pattern(p, VN_SUBJ_GRP, VN_NAME_TAINT, VN_SPAN_LIT("not-mine"), grp);
    TRY("others_group", subscribe_refused(nc, &h, grp, queue));
    TRY("nets", subscribe_refused(nc, &h, "a.net.*", NULL));
    TRY("system", subscribe_refused(nc, &h, "$SYS.>", NULL));
    TRY("own_inbox_prefix", subscribe_refused(nc, &h, "_INBOX.>", NULL));
    disconnect(nc, &h);

    /* too large: the broker ends the connection */
    memset(h.error, 0, sizeof(h.error));
    h.violations = 0;
    must(connect_master(p, &h, &nc) == NATS_OK, "second connection");
    snprintf(s, sizeof(s), "a.in.%s.%s", other, self);
    TRY("payload_24576", publish_refused(nc, &h, s, 24576) || natsConnection_IsClosed(nc));
    TRY("payload_24577", publish_refused(nc, &h, s, 24577) || natsConnection_IsClosed(nc));
    disconnect(nc, &h);

    /* more subscriptions than a node needs, each of them permitted */
    must(connect_master(p, &h, &nc) == NATS_OK, "third connection");
    size_t taken = 0;
    while (h.sub_count < VN_ARRAY_LEN(h.subs) &&
           natsConnection_Subscribe(&h.subs[h.sub_count], nc, "a.rev", on_message, &h) == NATS_OK) {
        h.sub_count++;
        if (natsConnection_FlushTimeout(nc, 5000) != NATS_OK)
            break;
        taken++;
    }
    natsConnection_ReadLastError(nc, h.error, sizeof(h.error));
    json_object_set_new(o, "subscriptions", json_integer((json_int_t)taken));
    json_object_set_new(o, "subscriptions_error", json_string(h.error));
    disconnect(nc, &h);

    /* somebody else's key under the same JWT */
    struct vn_sig_key *own_nkey = p->self.nkey;
    struct vn_secret32 seed;
    must(vn_rng_bytes(seed.b, sizeof(seed.b)) == VN_OK &&
             vn_sig_from_seed(VN_SIG_ED25519, VN_SPAN_ARRAY(seed.b), &p->self.nkey) == VN_OK,
         "another nkey");
    TRY("others_key", connect_master(p, &h, &nc) != NATS_OK);
    natsConnection_Destroy(nc);
    vn_sig_free(p->self.nkey);
    p->self.nkey = own_nkey;
    say("nats", o);
}

/* Waits 20 s at most. */
static void step_hold_two(struct probe *p)
{
    struct heard h = {.lock = PTHREAD_MUTEX_INITIALIZER};
    natsConnection *nc[2], *again;
    int closed = 0;
    for (int i = 0; i < 2; i++)
        must(connect_master(p, &h, &nc[i]) == NATS_OK, "connection");
    say("hold-two", json_pack("{s:i}", "connections", 2));
    for (int i = 0; i < 2000 && closed < 2; i++) {
        usleep(10000);
        closed = natsConnection_IsClosed(nc[0]) + natsConnection_IsClosed(nc[1]);
    }
    for (int i = 0; i < 2; i++)
        natsConnection_Destroy(nc[i]);
    const bool taken = connect_master(p, &h, &again) == NATS_OK;
    natsConnection_Destroy(again);
    say("ended", json_pack("{s:i, s:b}", "closed", closed, "again", taken));
}

/* ---- floods ---- */

#define FLOOD_MAX 2000

static void send_at_rate(natsConnection *nc, char (*subjects)[VN_SUBJECT_MAX],
                         struct vn_buf *queries, size_t count, unsigned rate)
{
    const uint64_t began_us = vn_clock_mono_us();
    for (size_t i = 0; i < count; i++) {
        uint64_t due_us = began_us + i * 1000000 / rate, now_us = vn_clock_mono_us();
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        int wait_ms = due_us > now_us ? (int)((due_us - now_us) / 1000) : 0;
        if (poll(&in, 1, wait_ms) > 0)
            return;
        must(natsConnection_Publish(nc, subjects[i], queries[i].p, (int)queries[i].len) == NATS_OK,
             "publishing");
    }
}

static void step_flood(struct probe *p, const char *what)
{
    static struct vn_buf queries[FLOOD_MAX];
    static char subjects[FLOOD_MAX][VN_SUBJECT_MAX];
    char address[VN_IP_TEXT];
    unsigned count, rate;
    struct vn_ip ip;
    must(sscanf(what, "%39[0-9.],%u,%u", address, &count, &rate) == 3 && count <= FLOOD_MAX &&
             rate > 0 && vn_ip_parse(address, &ip) == VN_OK,
         "flood=IP4,COUNT,RATE");
    struct heard h = {.lock = PTHREAD_MUTEX_INITIALIZER};
    natsConnection *nc;
    must(connect_master(p, &h, &nc) == NATS_OK, "connection");
    const struct member m = {p->self.suite, p->cred, p->self.identity, p->self.node};
    for (size_t i = 0; i < count; i++)
        must(member_query(&m, &ip, vn_clock_wall_ms(), subjects[i], &queries[i]) == VN_OK, "query");
    say("flood", json_pack("{s:b}", "ready", 1));
    must(getchar() == '\n', "a line");
    send_at_rate(nc, subjects, queries, count, rate);
    natsConnection_FlushTimeout(nc, 5000);
    for (size_t i = 0; i < count; i++)
        vn_buf_done(&queries[i]);
    natsConnection_Destroy(nc);
    say("ended", json_pack("{s:i}", "refused", (int)h.violations));
}

int main(int argc, char **argv)
{
    vn_log_setup(VN_LOG_WARN, 0);
    must(argc >= 2, "arguments");
    must(vn_http_global_init() == VN_OK, "HTTP");
    struct probe p = {0};
    struct vn_buf text;
    vn_buf_init(&text, VN_JOIN_TEXT_MAX);
    must(vn_file_read(argv[1], &text) == VN_OK, "token file");
    must(vn_join_parse(vn_buf_span(&text), &p.join) == VN_OK, "token");
    struct vn_id conflux;
    must(vn_join_ids(p.join.jwt, &conflux, &p.self.realm) == VN_OK, "realm of the token");
    p.self.suite = vn_suite_get(p.join.cnsa ? VN_SUITE_CNSA : VN_SUITE_DEFAULT);
    must(vn_loop_new(&p.loop) == VN_OK, "loop");
    p.io = (struct vn_io)VN_LOOP_IO(p.loop);
    const struct vn_guardian_api_config cfg = {
        .io = &p.io, .guardian = &p.join.guardian, .conflux_token = p.join.jwt};
    must(vn_guardian_api_new(&cfg, &p.api) == VN_OK, "client");
    p.port = vn_guardian_api_port(p.api);
    light_node_make(&p.self);
    login(&p, "login", false);
    for (int i = 2; i < argc && p.cred; i++) {
        const char *step = argv[i];
        const char *label = step + 6;
        p.failed = false;
        if (strcmp(step, "renew") == 0) {
            login(&p, step, true);
        } else if (strcmp(step, "other-keys") == 0) {
            light_node_make(&p.self); /* the last step that makes sense for this session */
            login(&p, step, true);
        } else if (strncmp(step, "taint+", 6) == 0) {
            finish(&p, step,
                   p.port->change_taints(p.port->self, &label, 1, NULL, 0, on_taints, &p));
        } else if (strncmp(step, "taint-", 6) == 0) {
            finish(&p, step,
                   p.port->change_taints(p.port->self, NULL, 0, &label, 1, on_taints, &p));
        } else if (strcmp(step, "peers") == 0) {
            finish(&p, step, p.port->peers(p.port->self, on_peers, &p));
        } else if (strcmp(step, "logout") == 0) {
            finish(&p, step, p.port->logout(p.port->self, &p.self.node, on_logout, &p));
        } else if (strncmp(step, "flood=", 6) == 0) {
            step_flood(&p, label);
        } else if (strcmp(step, "hold-two") == 0) {
            step_hold_two(&p);
        } else if (strcmp(step, "nats") == 0 || strcmp(step, "hold") == 0) {
            step_nats(&p, step[0] == 'h');
        } else {
            must(false, step);
        }
    }
    vn_guardian_api_free(p.api);
    vn_loop_free(p.loop);
    vn_credentials_free(p.cred);
    light_node_done(&p.self);
    vn_join_wipe(&p.join);
    vn_buf_wipe(&text);
    return 0;
}
