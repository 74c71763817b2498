#include "conflux/client.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "conflux/last_words.h"
#include "conflux/local_socket.h"

static vn_status refuse(struct vn_client_error *err, enum vn_exit code, vn_status st,
                        const char *text)
{
    err->exit = code;
    snprintf(err->text, sizeof(err->text), "%s", text);
    return st;
}

static bool send_all(int fd, struct vn_span s)
{
    while (s.n) {
        const ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s.p += n;
        s.n -= (size_t)n;
    }
    return true;
}

/* Reads until a whole answer is there. */
static vn_status receive(int fd, struct vn_buf *in, int timeout_ms, Vn__Local__Response **ret)
{
    const uint64_t end = vn_clock_mono_us() / 1000 + (uint64_t)timeout_ms;
    for (;;) {
        struct vn_span bytes;
        size_t used;
        vn_status st = vn_local_next(vn_buf_span(in), &bytes, &used);
        if (st == VN_OK) {
            *ret = vn_local_response(bytes);
            return *ret ? VN_OK : VN_ERR_MALFORMED;
        }
        if (st != VN_ERR_AGAIN)
            return st;
        const uint64_t now = vn_clock_mono_us() / 1000;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (now >= end || poll(&p, 1, (int)(end - now)) == 0)
            return VN_ERR_AGAIN;
        st = vn_buf_reserve(in, 16384);
        if (st != VN_OK)
            return st;
        const ssize_t n = recv(fd, in->p + in->len, 16384, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return VN_ERR_IO;
        in->len += (size_t)n;
    }
}

static vn_status exchange(int fd, Vn__Local__Request *request, int timeout_ms,
                          Vn__Local__Response **ret)
{
    struct vn_buf b;
    vn_buf_init(&b, VN_LOCAL_HEAD + VN_LOCAL_MAX + 16384);
    request->id = 1;
    vn_status st = vn_local_put(&b, &request->base);
    if (st == VN_OK && !send_all(fd, vn_buf_span(&b)))
        st = VN_ERR_IO;
    b.len = 0;
    if (st == VN_OK)
        st = receive(fd, &b, timeout_ms, ret);
    vn_buf_done(&b);
    return st;
}

vn_status vn_client_ask(const char *state_dir, Vn__Local__Request *request, int timeout_ms,
                        Vn__Local__Response **ret, struct vn_client_error *ret_err)
{
    int fd;
    vn_status st = vn_local_connect(state_dir, &fd);
    char text[sizeof(ret_err->text)];
    if (st == VN_ERR_NOTFOUND) {
        char words[VN_LAST_WORDS_MAX];
        vn_last_words_load(state_dir, words);
        snprintf(text, sizeof(text),
                 words[0] ? "the node of %.180s is not running; it ended: %s"
                          : "the node of %.180s is not running: start it with 'veilnet-conflux "
                            "run'%s",
                 state_dir, words);
        return refuse(ret_err, VN_EXIT_NOT_RUNNING, st, text);
    }
    if (st != VN_OK) {
        snprintf(
            text, sizeof(text),
            "may not talk to the node of %.120s: be root, or a member of group " VN_SOCKET_GROUP,
            state_dir);
        return refuse(ret_err, VN_EXIT_FAILURE, st, text);
    }
    Vn__Local__Response *r = NULL;
    st = exchange(fd, request, timeout_ms, &r);
    close(fd);
    if (st == VN_ERR_AGAIN)
        return refuse(ret_err, VN_EXIT_FAILURE, st,
                      "the running node does not answer: look at its log");
    if (st != VN_OK)
        return refuse(
            ret_err, VN_EXIT_FAILURE, st,
            "the running node closed the connection: it may be stopping, or of another version");
    if (r->kind_case == VN__LOCAL__RESPONSE__KIND_ERROR) {
        (void)refuse(ret_err, r->error->exit ? (enum vn_exit)r->error->exit : VN_EXIT_FAILURE,
                     VN_ERR_DENIED, r->error->text);
        vn__local__response__free_unpacked(r, NULL);
        return VN_ERR_DENIED;
    }
    *ret = r;
    return VN_OK;
}
