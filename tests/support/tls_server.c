#include "support/tls_server.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include "crypto/tls.h"

#define REQUEST_MAX 131072

struct tls_server {
    SSL_CTX *ctx;
    int fd, stop;
    pthread_t thread;
    char url[64];
    struct tls_answer (*answer)(void *arg, const struct tls_request *rq);
    void *arg;
    unsigned connections, requests;
};

static BIO *bio_of(const char *text)
{
    return BIO_new_mem_buf(text, -1);
}

/* Readable within the time, or false; also false when the server is to end. */
static bool readable(struct tls_server *s, int fd)
{
    struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = s->stop, .events = POLLIN}};
    return poll(p, 2, -1) > 0 && !p[1].revents;
}

static size_t content_length(const char *head)
{
    const char *p = strcasestr(head, "\r\ncontent-length:");
    return p ? strtoul(p + 17, NULL, 10) : 0;
}

static void parse(const char *text, struct tls_request *rq)
{
    const char *auth = strcasestr(text, "\r\nauthorization: ");
    sscanf(text, "%7s %127s", rq->method, rq->path);
    if (auth)
        sscanf(auth + 17, "%255[^\r]", rq->authorization);
    rq->body = strstr(text, "\r\n\r\n") + 4;
}

/* One request and its answer; false ends the connection. */
static bool exchange(struct tls_server *s, SSL *ssl, unsigned connection, char *buf)
{
    size_t n = 0;
    const char *end = NULL;
    for (;;) {
        buf[n] = 0;
        end = strstr(buf, "\r\n\r\n");
        if (end && n >= (size_t)(end - buf) + 4 + content_length(buf))
            break;
        if (!SSL_pending(ssl) && !readable(s, SSL_get_fd(ssl)))
            return false;
        const int got = SSL_read(ssl, buf + n, (int)(REQUEST_MAX - n - 1));
        if (got <= 0)
            return false;
        n += (size_t)got;
    }
    struct tls_request rq = {.connection = connection, .number = ++s->requests};
    parse(buf, &rq);
    if (vn_tls_binding(ssl, rq.binding) != VN_OK)
        memset(rq.binding, 0, sizeof(rq.binding));
    const struct tls_answer a = s->answer(s->arg, &rq);
    if (a.hang_up)
        return false;
    if (a.wait_ms)
        usleep(a.wait_ms * 1000);
    char head[512];
    const size_t len = a.body ? strlen(a.body) : 0;
    const int h =
        snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s%s%s%s%s%s%s\r\n",
                 a.code, len, a.location ? "Location: " : "", a.location ? a.location : "",
                 a.location ? "\r\n" : "", a.cache ? "Cache-Control: " : "", a.cache ? a.cache : "",
                 a.cache ? "\r\n" : "", a.close ? "Connection: close\r\n" : "");
    if (SSL_write(ssl, head, h) != h || (len && SSL_write(ssl, a.body, (int)len) != (int)len))
        return false;
    return !a.close;
}

static void serve(struct tls_server *s, int fd, char *buf)
{
    SSL *ssl = SSL_new(s->ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        const unsigned connection = ++s->connections;
        while (exchange(s, ssl, connection, buf))
            ;
        SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    close(fd);
}

static void *thread(void *arg)
{
    struct tls_server *s = arg;
    char *buf = malloc(REQUEST_MAX);
    while (readable(s, s->fd)) {
        const int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            serve(s, fd, buf);
    }
    free(buf);
    return NULL;
}

struct tls_server *
tls_server_new(const char *key_pem, const char *cert_pem, bool tls12_only,
               struct tls_answer (*answer)(void *arg, const struct tls_request *rq), void *arg)
{
    struct tls_server *s = calloc(1, sizeof(*s));
    BIO *kb = bio_of(key_pem), *cb = bio_of(cert_pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(kb, NULL, NULL, NULL);
    X509 *cert = PEM_read_bio_X509(cb, NULL, NULL, NULL);
    signal(SIGPIPE, SIG_IGN); /* clients leave in the middle */
    s->answer = answer;
    s->arg = arg;
    s->ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(s->ctx, cert);
    SSL_CTX_use_PrivateKey(s->ctx, key);
    if (tls12_only)
        SSL_CTX_set_max_proto_version(s->ctx, TLS1_2_VERSION);
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(kb);
    BIO_free(cb);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    s->stop = eventfd(0, EFD_CLOEXEC);
    if (bind(s->fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(s->fd, 8) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&a, &len) != 0 ||
        pthread_create(&s->thread, NULL, thread, s) != 0)
        abort();
    snprintf(s->url, sizeof(s->url), "https://127.0.0.1:%u", ntohs(a.sin_port));
    return s;
}

struct tls_server *tls_server_free(struct tls_server *s)
{
    eventfd_write(s->stop, 1);
    pthread_join(s->thread, NULL);
    close(s->fd);
    close(s->stop);
    SSL_CTX_free(s->ctx);
    free(s);
    return NULL;
}

const char *tls_server_url(const struct tls_server *s)
{
    return s->url;
}
