#include "conflux/local_api.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"

#define OUT_MAX (4u << 20) /* bytes of answers a client has not read */

/* Counted: by the server while connected, and by each call under way. */
struct client {
    struct vn_list link;
    struct vn_local_api *api; /* NULL: closed */
    unsigned refs;
    int fd;
    struct vn_io_watch *watch;
    struct vn_buf in, out;
    unsigned calls;
    bool taking; /* client_take_all is on the stack */
};

struct vn_local_call {
    struct client *client;
    uint64_t id;
};

struct vn_local_api {
    struct vn_local_api_config cfg;
    struct vn_io_watch *watch;
    struct vn_list clients;
    size_t count;
};

static void client_unref(struct client *c)
{
    if (--c->refs == 0)
        free(c);
}

static void client_close(struct client *c)
{
    if (!c->api)
        return;
    c->api->cfg.io->unwatch(c->watch);
    c->api->count--;
    c->api = NULL;
    vn_list_remove(&c->link);
    close(c->fd);
    vn_buf_done(&c->in);
    vn_buf_done(&c->out);
    client_unref(c);
}

static void client_events(struct client *c)
{
    const unsigned events = (c->calls < VN_LOCAL_CALLS_MAX ? (unsigned)VN_IO_READ : 0u) |
                            (c->out.len ? (unsigned)VN_IO_WRITE : 0u);
    c->api->cfg.io->rewatch(c->watch, events);
}

static bool client_write(struct client *c)
{
    while (c->out.len) {
        const ssize_t n = send(c->fd, c->out.p, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        vn_buf_consume(&c->out, (size_t)n);
    }
    return true;
}

/* One request of the input. False when the connection cannot go on. */
static bool client_take(struct client *c, bool *more)
{
    struct vn_span bytes;
    size_t used;
    *more = false;
    if (c->calls >= VN_LOCAL_CALLS_MAX)
        return true;
    const vn_status st = vn_local_next(vn_buf_span(&c->in), &bytes, &used);
    if (st == VN_ERR_AGAIN)
        return true;
    Vn__Local__Request *r = st == VN_OK ? vn_local_request(bytes) : NULL;
    if (!r)
        return false;
    vn_buf_consume(&c->in, used);
    struct vn_local_call *call = malloc(sizeof(*call));
    if (!call) {
        vn__local__request__free_unpacked(r, NULL);
        return false;
    }
    *call = (struct vn_local_call){.client = c, .id = r->id};
    c->refs++;
    c->calls++;
    c->api->cfg.request(c->api->cfg.arg, call, r);
    vn__local__request__free_unpacked(r, NULL);
    *more = c->api != NULL;
    return true;
}

/* All requests that are there. An answer given at once comes back here through vn_local_answer: not
 * deeper than once. */
static bool client_take_all(struct client *c)
{
    bool ok = true, more = true;
    if (c->taking)
        return true;
    c->taking = true;
    while (ok && more && c->api)
        ok = client_take(c, &more);
    c->taking = false;
    return ok;
}

static bool client_read(struct client *c)
{
    const vn_status st = vn_buf_reserve(&c->in, 4096);
    if (st != VN_OK)
        return false;
    const ssize_t n = recv(c->fd, c->in.p + c->in.len, 4096, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    c->in.len += (size_t)n;
    return true;
}

static void on_client(void *arg, unsigned events)
{
    struct client *c = arg;
    c->refs++;
    bool ok = true;
    if (events & VN_IO_WRITE)
        ok = client_write(c);
    if (ok && events & VN_IO_READ)
        ok = client_read(c);
    if (ok)
        ok = client_take_all(c);
    if (!ok)
        client_close(c);
    else if (c->api)
        client_events(c);
    client_unref(c);
}

static void on_accept(void *arg, unsigned events)
{
    struct vn_local_api *a = arg;
    (void)events;
    const int fd = accept4(a->cfg.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct client *c = a->count < VN_LOCAL_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
    if (!c) {
        close(fd);
        return;
    }
    *c = (struct client){.api = a, .refs = 1, .fd = fd};
    vn_list_init(&c->link);
    vn_buf_init(&c->in, VN_LOCAL_HEAD + VN_LOCAL_MAX + 4096);
    vn_buf_init(&c->out, OUT_MAX);
    if (a->cfg.io->watch(a->cfg.io->self, fd, VN_IO_READ, on_client, c, &c->watch) != VN_OK) {
        close(fd);
        free(c);
        return;
    }
    vn_list_append(&a->clients, &c->link);
    a->count++;
}

void vn_local_answer(struct vn_local_call *call, Vn__Local__Response *r)
{
    struct client *c = call->client;
    c->calls--;
    r->id = call->id;
    free(call);
    if (c->api) {
        /* A client that does not read its answers loses the connection. */
        if (vn_local_put(&c->out, &r->base) != VN_OK || !client_write(c) || !client_take_all(c))
            client_close(c);
        else if (c->api)
            client_events(c);
    }
    client_unref(c);
}

void vn_local_answer_error(struct vn_local_call *call, unsigned exit_code, const char *text)
{
    Vn__Local__Error e = VN__LOCAL__ERROR__INIT;
    Vn__Local__Response r = VN__LOCAL__RESPONSE__INIT;
    e.exit = exit_code;
    e.text = (char *)text;
    r.kind_case = VN__LOCAL__RESPONSE__KIND_ERROR;
    r.error = &e;
    vn_local_answer(call, &r);
}

vn_status vn_local_api_new(const struct vn_local_api_config *cfg, struct vn_local_api **ret)
{
    struct vn_local_api *a = calloc(1, sizeof(*a));
    if (!a) {
        close(cfg->fd);
        return VN_ERR_NOMEM;
    }
    a->cfg = *cfg;
    vn_list_init(&a->clients);
    const vn_status st =
        cfg->io->watch(cfg->io->self, cfg->fd, VN_IO_READ, on_accept, a, &a->watch);
    if (st != VN_OK) {
        close(cfg->fd);
        free(a);
        return st;
    }
    *ret = a;
    return VN_OK;
}

struct vn_local_api *vn_local_api_free(struct vn_local_api *a)
{
    if (!a)
        return NULL;
    VN_LIST_EACH(it, &a->clients)
    {
        client_close(VN_LIST_ENTRY(it, struct client, link));
    }
    a->cfg.io->unwatch(a->watch);
    close(a->cfg.fd);
    free(a);
    return NULL;
}
