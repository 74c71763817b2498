/*
 * bench_guardian TOKENS URL PIN PARALLEL [hold]: session logins at a Guardian, as nodes make them:
 * each on a connection of its own, nonce, proof, credentials taken apart. TOKENS holds conflux
 * JWTs, one a line; each logs in once. Prints one JSON object.
 *
 * With hold each has keys of its own, connects to Master and listens for revocations. After the
 * first object, for each line with the number of a token (0 is the first): says {"ready"}, then
 * when each connection heard a list with that token's node in it, and when that node's connection
 * ended; microseconds of CLOCK_MONOTONIC. Ends with standard input.
 *
 * bench_guardian sign COUNT: what an ML-DSA-65 signature costs where nothing else runs.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "control/http.h"
#include "control/join_token.h"
#include "crypto/x509.h"
#include "loop/io.h"
#include "loop/loop.h"
#include "support/light_node.h"

#define PARALLEL_MAX 64
#define LOGINS_MAX 100000
#define HEARD_WITHIN_MS 10000
#define CONNECTED_WITHIN_MS 20000

struct bench;

/* One node after the other. Its keys are made once unless they are held: what is measured is
 * Guardian. */
struct slot {
    struct bench *b;
    struct vn_guardian_api *api;
    struct light_node node;
    size_t token; /* number */
    uint64_t began_us;
};

/* A node that logged in and stays connected. */
struct held {
    natsConnection *nc;
    natsSubscription *sub;
    struct vn_id node;
    atomic_uint_fast64_t heard_us, closed_us;
};

struct bench {
    struct vn_loop *loop;
    struct vn_io io;
    struct vn_guardian_address guardian;
    struct vn_io_timer *next; /* a client must not be freed inside its own callback */
    FILE *tokens;
    struct slot slots[PARALLEL_MAX];
    size_t parallel, busy, done, failed, read;
    uint32_t *took_us;
    struct held *held; /* by number of token; NULL: nobody stays */
};

static struct vn_id revoked; /* written while no list is on its way */

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_guardian: %s failed\n", what);
    exit(1);
}

/* ---- staying ---- */

static void on_list(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
    struct held *h = arg;
    (void)nc;
    (void)sub;
    if (memmem(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg), revoked.b, VN_ID_LEN)) {
        uint_fast64_t never = 0;
        atomic_compare_exchange_strong(&h->heard_us, &never, vn_clock_mono_us());
    }
    natsMsg_Destroy(msg);
}

static void on_closed(natsConnection *nc, void *arg)
{
    struct held *h = arg;
    (void)nc;
    atomic_store(&h->closed_us, vn_clock_mono_us());
}

/* Thousands connect, and the machine may have other work: who waits long still has its place. */
static void handle_end(natsOptions *o, void *arg)
{
    natsOptions_SetClosedCB(o, on_closed, arg);
    natsOptions_SetTimeout(o, CONNECTED_WITHIN_MS);
}

static void stay(struct slot *s, const struct vn_credentials *cred)
{
    struct held *h = &s->b->held[s->token];
    h->node = s->node.node;
    const natsStatus st = light_node_connect(&s->node, cred, handle_end, h, &h->nc);
    must(st == NATS_OK, natsStatus_GetText(st));
    must(natsConnection_Subscribe(&h->sub, h->nc, "a.rev", on_list, h) == NATS_OK &&
             natsConnection_FlushTimeout(h->nc, 5000) == NATS_OK,
         "subscription");
}

/* How many others have not heard of it, and whether it has been cut. */
static size_t unheard(const struct bench *b, size_t number, bool *ret_cut)
{
    size_t n = 0;
    for (size_t i = 0; i < b->done; i++) {
        struct held *h = &b->held[i];
        n += i != number && !atomic_load(&h->closed_us) && !atomic_load(&h->heard_us);
    }
    *ret_cut = atomic_load(&b->held[number].closed_us) != 0;
    return n;
}

static void watch_revocation(struct bench *b, size_t number)
{
    for (size_t i = 0; i < b->done; i++)
        atomic_store(&b->held[i].heard_us, 0);
    revoked = b->held[number].node;
    printf("{\"ready\": true}\n");
    fflush(stdout);
    bool cut;
    size_t deaf = unheard(b, number, &cut);
    for (int i = 0; i < HEARD_WITHIN_MS && (deaf || !cut); i++) {
        usleep(1000);
        deaf = unheard(b, number, &cut);
    }
    if (deaf || !cut)
        fprintf(stderr, "bench_guardian: %zu of %zu did not hear that node %zu is over, which %s\n",
                deaf, b->done, number, cut ? "was cut off" : "was not cut off");
    must(!deaf && cut, "a revocation");
    printf("{\"closed_us\": %llu, \"heard_us\": [",
           (unsigned long long)atomic_load(&b->held[number].closed_us));
    const char *comma = "";
    for (size_t i = 0; i < b->done; i++) {
        const unsigned long long at_us = atomic_load(&b->held[i].heard_us);
        if (i == number || !at_us)
            continue;
        printf("%s%llu", comma, at_us);
        comma = ", ";
    }
    puts("]}");
    fflush(stdout);
}

static void serve(struct bench *b)
{
    char line[32], *end;
    while (fgets(line, sizeof(line), stdin)) {
        const unsigned long number = strtoul(line, &end, 10);
        must(*end == '\n' && number < b->done, "number of a token");
        watch_revocation(b, number);
    }
    for (size_t i = 0; i < b->done; i++) {
        natsSubscription_Destroy(b->held[i].sub);
        natsConnection_Destroy(b->held[i].nc);
    }
}

/* ---- logins ---- */

static void on_login(void *arg, struct vn_credentials *cred, const struct vn_authority_error *err)
{
    struct slot *s = arg;
    struct bench *b = s->b;
    if (err)
        fprintf(stderr, "bench_guardian: %s: %s\n", vn_status_name(err->status), err->detail);
    b->failed += err != NULL;
    if (!err)
        b->took_us[b->done++] = (uint32_t)(vn_clock_mono_us() - s->began_us);
    if (!err && b->held)
        stay(s, cred);
    vn_credentials_free(cred);
    s->began_us = 0;
    b->busy--;
    b->io.timer_arm(b->next, 0);
}

/* Returns false when all have logged in. */
static bool start(struct slot *s)
{
    struct bench *b = s->b;
    char jwt[VN_JOIN_JWT_MAX + 2];
    struct vn_id conflux;
    s->api = vn_guardian_api_free(s->api);
    if (b->read == LOGINS_MAX || !fgets(jwt, sizeof(jwt), b->tokens))
        return false;
    s->token = b->read++;
    jwt[strcspn(jwt, "\n")] = 0;
    if (b->held)
        light_node_make(&s->node);
    must(vn_join_ids(jwt, &conflux, &s->node.realm) == VN_OK, "token");
    const struct vn_guardian_api_config cfg = {
        .io = &b->io, .guardian = &b->guardian, .conflux_token = jwt};
    must(vn_guardian_api_new(&cfg, &s->api) == VN_OK, "client");
    const struct vn_login_request req = light_node_login(&s->node, false);
    const struct vn_authority *a = vn_guardian_api_port(s->api);
    s->began_us = vn_clock_mono_us();
    b->busy++;
    must(a->login(a->self, &req, on_login, s) == VN_OK, "login");
    return true;
}

static void on_next(void *arg)
{
    struct bench *b = arg;
    for (size_t i = 0; i < b->parallel; i++)
        if (!b->slots[i].began_us && !start(&b->slots[i]))
            break;
    if (b->busy == 0)
        vn_loop_stop(b->loop);
}

static int by_value(const void *x, const void *y)
{
    const uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return a < b ? -1 : a > b;
}

static void read_words(struct bench *b, int argc, char **argv)
{
    size_t n = 0;
    must(argc == 5 || (argc == 6 && strcmp(argv[5], "hold") == 0), "arguments");
    b->tokens = fopen(argv[1], "re");
    must(b->tokens != NULL, "tokens");
    b->guardian.url_count = 1;
    b->guardian.pinned = true;
    snprintf(b->guardian.urls[0], sizeof(b->guardian.urls[0]), "%s", argv[2]);
    must(vn_b64url_decode(VN_SPAN_STR(argv[3]), b->guardian.pin, 32, &n) == VN_OK && n == 32,
         "pin");
    char *end;
    errno = 0;
    const long parallel = strtol(argv[4], &end, 10);
    must(!errno && !*end && parallel >= 1 && parallel <= PARALLEL_MAX, "parallel");
    b->parallel = (size_t)parallel;
    b->took_us = calloc(LOGINS_MAX, sizeof(*b->took_us));
    b->held = argc == 6 ? calloc(LOGINS_MAX, sizeof(*b->held)) : NULL;
    must(b->took_us && (argc == 5 || b->held), "memory");
}

/* What an ML-DSA signature cost among the logins. */
static double signature_ms(const struct bench *b)
{
    uint64_t ns = 0;
    size_t n = 0;
    for (size_t i = 0; i < b->parallel; i++) {
        ns += b->slots[i].node.signed_ns;
        n += b->slots[i].node.signed_n;
    }
    return (double)ns / 1e6 / (double)n;
}

/* Of this process so far. */
static double cpu_ms(void)
{
    struct rusage u;
    must(getrusage(RUSAGE_SELF, &u) == 0, "processor time");
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static int sign_alone(const char *count)
{
    static const uint8_t MESSAGE[4096]; /* about as long as a certificate */
    uint8_t sig[VN_SIG_MAX];
    VN_CLEANUP(vn_sig_freep) struct vn_sig_key *key = NULL;
    char *end;
    const unsigned long n = strtoul(count, &end, 10);
    must(n > 0 && !*end, "count");
    must(vn_sig_generate(VN_SIG_MLDSA65, &key) == VN_OK, "key");
    const double began_ms = cpu_ms();
    for (unsigned long i = 0; i < n; i++)
        must(vn_sig_sign(key, "bench", VN_SPAN_ARRAY(MESSAGE), sig) == VN_OK, "signature");
    printf("{\"signature_ms\": %.4f}\n", (cpu_ms() - began_ms) / (double)n);
    return 0;
}

int main(int argc, char **argv)
{
    static struct bench b;
    struct rlimit files;
    vn_log_setup(VN_LOG_WARN, -1);
    if (argc == 3 && strcmp(argv[1], "sign") == 0)
        return sign_alone(argv[2]);
    read_words(&b, argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    must(vn_http_global_init() == VN_OK, "HTTP");
    must(vn_loop_new(&b.loop) == VN_OK, "memory");
    b.io = (struct vn_io)VN_LOOP_IO(b.loop);
    for (size_t i = 0; i < b.parallel; i++) {
        b.slots[i].b = &b;
        b.slots[i].node.suite = vn_suite_get(VN_SUITE_DEFAULT);
        light_node_make(&b.slots[i].node);
    }
    must(b.io.timer_new(b.io.self, on_next, &b, &b.next) == VN_OK, "timer");
    const uint64_t began_us = vn_clock_mono_us();
    b.io.timer_arm(b.next, 0);
    const double made_ms = cpu_ms();
    vn_loop_run(b.loop);
    const uint64_t ended_us = vn_clock_mono_us();
    const double used_ms = cpu_ms() - made_ms;
    must(b.done > 0 && b.failed == 0, "every login");
    qsort(b.took_us, b.done, sizeof(*b.took_us), by_value);
    const size_t median = b.done / 2, late = b.done * 99 / 100;
    printf("{\"logins\": %zu, \"began_us\": %llu, \"ended_us\": %llu, \"p50_ms\": %.2f, "
           "\"p99_ms\": %.2f, \"cpu_ms\": %.3f, \"signature_ms\": %.4f}\n",
           b.done, (unsigned long long)began_us, (unsigned long long)ended_us,
           b.took_us[median] / 1e3, b.took_us[late] / 1e3, used_ms, signature_ms(&b));
    fflush(stdout);
    if (b.held)
        serve(&b);
    return 0;
}
