/*
 * A library to preload: writes every key that a process makes or uses with libcrypto to the file
 * VN_KEYLOG, so that a test knows what to look for in its memory. It keeps no copy: what goes to
 * the file is the caller's memory. tests/e2e/keylog.py reads it.
 *
 * A record: kind u8, count of parts u8, thread u32, context u64, time u64 (ns, monotonic), lengths
 * of four parts u32, parts. All in the machine's byte order. Kinds: I key of a MAC; R the same key
 * again; D copy of that context; U data; F output; S shared secret of a KEM; K new private key
 * (name, key).
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define PARTS_MAX 4
#define DATA_MAX 512

static int fd = -1;

__attribute__((constructor)) static void open_log(void)
{
    const char *path = getenv("VN_KEYLOG");
    if (path)
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

struct part {
    const void *p;
    size_t n;
};

static void record(char kind, const void *context, const struct part *parts, size_t count)
{
    struct __attribute__((packed)) {
        uint8_t kind, count;
        uint32_t thread;
        uint64_t context, time_ns;
        uint32_t n[PARTS_MAX];
    } head = {.kind = (uint8_t)kind,
              .count = (uint8_t)count,
              .thread = (uint32_t)gettid(),
              .context = (uint64_t)(uintptr_t)context};
    struct timespec now;
    struct iovec v[PARTS_MAX + 1] = {{&head, sizeof(head)}};
    if (fd < 0)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    head.time_ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
    for (size_t i = 0; i < count; i++) {
        head.n[i] = (uint32_t)parts[i].n;
        v[i + 1] = (struct iovec){(void *)(uintptr_t)parts[i].p, parts[i].n};
    }
    /* One call: records of two threads do not mix. */
    if (writev(fd, v, (int)count + 1) < 0)
        abort();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

EXPORT int EVP_MAC_init(EVP_MAC_CTX *ctx, const unsigned char *key, size_t n,
                        const OSSL_PARAM params[])
{
    static __typeof__(&EVP_MAC_init) real;
    if (!real)
        real = REAL(EVP_MAC_init);
    record(key ? 'I' : 'R', ctx, &(struct part){key, n}, key ? 1 : 0);
    return real(ctx, key, n, params);
}

EXPORT EVP_MAC_CTX *EVP_MAC_CTX_dup(const EVP_MAC_CTX *ctx)
{
    static __typeof__(&EVP_MAC_CTX_dup) real;
    if (!real)
        real = REAL(EVP_MAC_CTX_dup);
    EVP_MAC_CTX *copy = real(ctx);
    const uint64_t from = (uint64_t)(uintptr_t)ctx;
    record('D', copy, &(struct part){&from, sizeof(from)}, 1);
    return copy;
}

EXPORT int EVP_MAC_update(EVP_MAC_CTX *ctx, const unsigned char *p, size_t n)
{
    static __typeof__(&EVP_MAC_update) real;
    if (!real)
        real = REAL(EVP_MAC_update);
    record('U', ctx, &(struct part){p, n < DATA_MAX ? n : DATA_MAX}, 1);
    return real(ctx, p, n);
}

EXPORT int EVP_MAC_final(EVP_MAC_CTX *ctx, unsigned char *out, size_t *out_n, size_t cap)
{
    static __typeof__(&EVP_MAC_final) real;
    if (!real)
        real = REAL(EVP_MAC_final);
    size_t n = 0; /* who knows the size does not ask for it */
    int done = real(ctx, out, &n, cap);
    if (done == 1 && out)
        record('F', ctx, &(struct part){out, n}, 1);
    if (done == 1 && out_n)
        *out_n = n;
    return done;
}

EXPORT int EVP_PKEY_encapsulate(EVP_PKEY_CTX *ctx, unsigned char *ct, size_t *ct_n,
                                unsigned char *ss, size_t *ss_n)
{
    static __typeof__(&EVP_PKEY_encapsulate) real;
    if (!real)
        real = REAL(EVP_PKEY_encapsulate);
    int done = real(ctx, ct, ct_n, ss, ss_n);
    if (done == 1 && ss)
        record('S', ctx, &(struct part){ss, *ss_n}, 1);
    return done;
}

EXPORT int EVP_PKEY_decapsulate(EVP_PKEY_CTX *ctx, unsigned char *ss, size_t *ss_n,
                                const unsigned char *ct, size_t ct_n)
{
    static __typeof__(&EVP_PKEY_decapsulate) real;
    if (!real)
        real = REAL(EVP_PKEY_decapsulate);
    int done = real(ctx, ss, ss_n, ct, ct_n);
    if (done == 1 && ss)
        record('S', ctx, &(struct part){ss, *ss_n}, 1);
    return done;
}

EXPORT EVP_PKEY *EVP_PKEY_Q_keygen(OSSL_LIB_CTX *lib, const char *query, const char *type, ...)
{
    EVP_PKEY *(*real)(OSSL_LIB_CTX *, const char *, const char *, ...) = REAL(EVP_PKEY_Q_keygen);
    va_list more;
    va_start(more, type);
    EVP_PKEY *pkey = strcmp(type, "EC") == 0 ? real(lib, query, type, va_arg(more, char *))
                                             : real(lib, query, type);
    va_end(more);
    uint8_t key[8192];
    size_t n = 0;
    BIGNUM *number = NULL;
    if (pkey && strcmp(type, "EC") == 0) {
        /* As it lies in memory: the least byte first. */
        if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1)
            n = (size_t)BN_bn2lebinpad(number, key, 32);
        BN_clear_free(number);
    } else if (pkey && EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, key,
                                                       sizeof(key), &n) != 1) {
        n = 0;
    }
    if (n > 0)
        record('K', pkey, (struct part[]){{type, strlen(type)}, {key, n}}, 2);
    explicit_bzero(key, sizeof(key));
    return pkey;
}
