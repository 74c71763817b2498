/*
 * bench_guardian TOKENS URL PIN PARALLEL: session logins at a Guardian, as nodes make them: each on
 * a connection of its own, nonce, proof, credentials taken apart. TOKENS holds conflux JWTs, one a
 * line; each logs in once. Prints one JSON object.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/writer.h"
#include "control/guardian_api.h"
#include "control/http.h"
#include "control/join_token.h"
#include "crypto/nkey.h"
#include "crypto/rng.h"
#include "crypto/x509.h"
#include "loop/io.h"
#include "loop/loop.h"

#define PARALLEL_MAX 64
#define LOGINS_MAX 100000

struct bench;

/* One node after the other. Its keys are made once: what is measured is Guardian. */
struct slot {
    struct bench *b;
    struct vn_guardian_api *api;
    struct vn_id realm;
    struct vn_sig_key *identity, *nkey;
    struct vn_kem_dk *session;
    char *tls_key;
    uint8_t *csr;
    size_t csr_n;
    uint64_t began_us;
    uint8_t scratch[16384];
};

struct bench {
    struct vn_loop *loop;
    struct vn_io io;
    struct vn_guardian_address guardian;
    struct vn_io_timer *next; /* a client must not be freed inside its own callback */
    FILE *tokens;
    struct slot slots[PARALLEL_MAX];
    size_t parallel, busy, done, failed;
    uint32_t *took_us;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_guardian: %s failed\n", what);
    exit(1);
}

static void make_keys(struct slot *s)
{
    struct vn_secret32 seed;
    must(vn_sig_generate(VN_SIG_MLDSA65, &s->identity) == VN_OK, "ML-DSA key");
    must(vn_rng_bytes(seed.b, sizeof(seed.b)) == VN_OK, "random");
    must(vn_sig_from_seed(VN_SIG_ED25519, VN_SPAN_ARRAY(seed.b), &s->nkey) == VN_OK, "nkey");
    must(vn_kem_generate(vn_suite_get(VN_SUITE_DEFAULT)->kem, &s->session) == VN_OK, "KEM key");
    must(vn_tls_key_new(&s->tls_key) == VN_OK, "TLS key");
    must(vn_tls_csr(s->tls_key, "node", &s->csr, &s->csr_n) == VN_OK, "CSR");
    vn_wipe(&seed, sizeof(seed));
}

static vn_status sign(void *arg, const uint8_t nonce[32], const uint8_t binding[32],
                      const uint8_t token_hash[32], uint8_t *ret_sig, size_t *ret_sig_n,
                      uint8_t ret_nkey_sig[64])
{
    struct slot *s = arg;
    struct vn_writer w = vn_writer_of(s->scratch, sizeof(s->scratch));
    vn_write_bytes(&w, nonce, 32);
    vn_write_bytes(&w, binding, 32);
    vn_write_bytes(&w, token_hash, 32);
    vn_write_bytes(&w, s->realm.b, VN_ID_LEN);
    vn_write_block16(&w, vn_sig_pk(s->identity));
    vn_write_block16(&w, vn_kem_ek(s->session));
    vn_write_span(&w, vn_sig_pk(s->nkey));
    vn_write_block16(&w, VN_SPAN(s->csr, s->csr_n));
    *ret_sig_n = vn_suite_get(VN_SUITE_DEFAULT)->sig_len;
    vn_status st = vn_sig_sign(s->identity, "anchor-pop-v1", vn_writer_span(&w), ret_sig);
    return st == VN_OK ? vn_sig_sign(s->nkey, NULL, vn_writer_span(&w), ret_nkey_sig) : st;
}

static void on_login(void *arg, struct vn_credentials *cred, const struct vn_authority_error *err)
{
    struct slot *s = arg;
    struct bench *b = s->b;
    if (err)
        fprintf(stderr, "bench_guardian: %s: %s\n", vn_status_name(err->status), err->detail);
    b->failed += err != NULL;
    if (!err)
        b->took_us[b->done++] = (uint32_t)(vn_clock_mono_us() - s->began_us);
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
    if (b->done + b->busy == LOGINS_MAX || !fgets(jwt, sizeof(jwt), b->tokens))
        return false;
    jwt[strcspn(jwt, "\n")] = 0;
    must(vn_join_ids(jwt, &conflux, &s->realm) == VN_OK, "token");
    const struct vn_guardian_api_config cfg = {
        .io = &b->io, .guardian = &b->guardian, .conflux_token = jwt};
    must(vn_guardian_api_new(&cfg, &s->api) == VN_OK, "client");
    struct vn_login_request req = {
        .sig_pk = vn_sig_pk(s->identity),
        .session_ek = vn_kem_ek(s->session),
        .csr = VN_SPAN(s->csr, s->csr_n),
        .sign = sign,
        .sign_arg = s,
    };
    memcpy(req.nkey_pk, vn_sig_pk(s->nkey).p, 32);
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

static void read_words(struct bench *b, char **argv)
{
    size_t n = 0;
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
}

int main(int argc, char **argv)
{
    static struct bench b;
    vn_log_setup(VN_LOG_WARN, -1);
    must(argc == 5, "arguments");
    must(vn_http_global_init() == VN_OK, "HTTP");
    read_words(&b, argv);
    b.took_us = calloc(LOGINS_MAX, sizeof(*b.took_us));
    must(b.took_us && vn_loop_new(&b.loop) == VN_OK, "memory");
    b.io = (struct vn_io){
        .self = b.loop,
        .watch = vn_loop_watch,
        .rewatch = vn_loop_rewatch,
        .unwatch = vn_loop_unwatch,
        .timer_new = vn_loop_timer_new,
        .timer_arm = vn_loop_timer_arm,
        .timer_disarm = vn_loop_timer_disarm,
        .timer_free = vn_loop_timer_free,
        .now_us = vn_loop_io_now_us,
    };
    for (size_t i = 0; i < b.parallel; i++) {
        b.slots[i].b = &b;
        make_keys(&b.slots[i]);
    }
    must(b.io.timer_new(b.io.self, on_next, &b, &b.next) == VN_OK, "timer");
    const uint64_t began_us = vn_clock_mono_us();
    b.io.timer_arm(b.next, 0);
    vn_loop_run(b.loop);
    const double seconds = (double)(vn_clock_mono_us() - began_us) / 1e6;
    must(b.done > 0 && b.failed == 0, "every login");
    qsort(b.took_us, b.done, sizeof(*b.took_us), by_value);
    const size_t median = b.done / 2, late = b.done * 99 / 100;
    printf("{\"logins\": %zu, \"per_second\": %.1f, \"p50_ms\": %.2f, \"p99_ms\": %.2f}\n", b.done,
           (double)b.done / seconds, b.took_us[median] / 1e3, b.took_us[late] / 1e3);
    return 0;
}
