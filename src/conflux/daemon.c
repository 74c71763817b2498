#include "conflux/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "conflux/daemon_api.h"
#include "conflux/exit.h"
#include "conflux/last_words.h"
#include "conflux/local_socket.h"
#include "control/http.h"
#include "lib/adapt.h"
#include "lib/node_host.h"
#include "loop/loop.h"

#define LOCK_NAME "conflux.lock"

struct daemon {
    struct vn_loop *loop;
    struct vn_io io;
    struct vn_instance *instance;
    struct vn_daemon_api *api;
    struct vn_local_api *server;
    int exit_code;
    unsigned signals;
    char failure[512];
};

/* ---- before anything is changed ---- */

static void say(const char *sentence)
{
    fprintf(stderr, "veilnet-conflux: %s\n", sentence);
}

static bool has_net_admin(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    return syscall(SYS_capget, &head, data) == 0 &&
           (data[0].effective & (1u << CAP_NET_ADMIN)) != 0;
}

/* What vn_host_up would find out only after a login. */
static int check_machine(void)
{
    if (access("/dev/net/tun", F_OK) != 0) {
        say("there is no /dev/net/tun: run 'modprobe tun', or start the container with --device "
            "/dev/net/tun");
        return VN_EXIT_HOST;
    }
    if (!has_net_admin()) {
        say("may not set up the network: run it as root, or give it the capability CAP_NET_ADMIN "
            "(a container: --cap-add NET_ADMIN)");
        return VN_EXIT_HOST;
    }
    return VN_EXIT_OK;
}

/* Held until the process ends. */
static int lock_state_dir(const char *state_dir)
{
    char path[VN_PATH_MAX], text[VN_PATH_MAX + 96];
    const int fd = vn_state_path(state_dir, LOCK_NAME, path)
                       ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)
                       : -1;
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (fd >= 0 && errno == EWOULDBLOCK)
        snprintf(text, sizeof(text),
                 "a node runs on %s already: stop it first, or choose another --state-dir",
                 state_dir);
    else
        snprintf(
            text, sizeof(text),
            "cannot write to %s (%s): free some space there, make it writable, or choose another "
            "--state-dir",
            state_dir, strerror(errno));
    say(text);
    if (fd >= 0) {
        close(fd);
        return -VN_EXIT_RUNNING;
    }
    return -VN_EXIT_FAILURE;
}

bool vn_daemon_wait_gone(const char *state_dir, int ms)
{
    char path[VN_PATH_MAX];
    const int fd = vn_state_path(state_dir, LOCK_NAME, path) ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return true;
    bool gone = false;
    for (int waited = 0; !gone && waited <= ms; waited += 20) {
        gone = flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (!gone)
            usleep(20000);
    }
    close(fd);
    return gone;
}

/* ---- the instance's events ---- */

static void on_online(void *arg, const struct vn_credentials *cred, const char *ifname)
{
    (void)arg;
    vn_log(VN_LOG_INFO, "node_online", VN_KV_IP("ip4", &cred->ip4), VN_KV_IP("ip6", &cred->ip6),
           VN_KV_STR("tag", cred->tag), VN_KV_STR("realm", cred->realm.name),
           VN_KV_STR("interface", ifname));
    malloc_trim(0); /* joining took more than staying does */
}

static void on_failed(void *arg, enum vn_instance_failure why, const char *detail)
{
    struct daemon *d = arg;
    if (d->exit_code != VN_EXIT_OK)
        return;
    d->exit_code = why == VN_INSTANCE_REFUSED ? VN_EXIT_REFUSED
                   : why == VN_INSTANCE_HOST  ? VN_EXIT_HOST
                                              : VN_EXIT_FAILURE;
    snprintf(d->failure, sizeof(d->failure), "%s", detail);
}

static void on_renewed(void *arg)
{
    struct daemon *d = arg;
    vn_daemon_api_reset(d->api);
}

static void on_stopped(void *arg)
{
    struct daemon *d = arg;
    vn_loop_stop(d->loop);
}

static void on_stop(void *arg)
{
    struct daemon *d = arg;
    vn_instance_stop(d->instance);
}

static void on_signal(void *arg, int signum)
{
    struct daemon *d = arg;
    /* Who asks twice does not want to wait for peers and Guardian. */
    if (++d->signals > 1) {
        vn_loop_stop(d->loop);
        return;
    }
    vn_log(VN_LOG_INFO, "node_stopping", VN_KV_STR("signal", signum == SIGINT ? "INT" : "TERM"));
    vn_instance_stop(d->instance);
}

/* ---- together ---- */

static vn_status serve(struct daemon *d, const char *state_dir, const struct vn_conflux_config *c)
{
    const struct vn_daemon_api_config ac = {
        .instance = d->instance,
        .state_dir = state_dir,
        .mtu_bytes = c->mtu_bytes ? c->mtu_bytes : VN_MTU_DEFAULT,
        .idle_ms = c->idle_ms ? c->idle_ms : VN_IDLE_MS,
        .arg = d,
        .stop = on_stop,
    };
    vn_status st = vn_daemon_api_new(&ac, &d->api);
    int fd;
    if (st == VN_OK)
        st = vn_local_listen(state_dir, &fd);
    if (st != VN_OK)
        return st;
    const struct vn_local_api_config lc = {
        .io = &d->io, .fd = fd, .arg = d->api, .request = vn_daemon_api_request};
    return vn_local_api_new(&lc, &d->server);
}

static int fail(const char *what, vn_status st)
{
    char text[320];
    snprintf(text, sizeof(text), "%s (%s%s%s)", what, vn_status_name(st),
             st == VN_ERR_IO ? ": " : "", st == VN_ERR_IO ? strerror(errno) : "");
    say(text);
    return VN_EXIT_FAILURE;
}

static int run_locked(const struct vn_daemon_options *o)
{
    const struct vn_conflux_config *c = o->config;
    struct daemon d = {0};
    vn_status st = vn_loop_new(&d.loop);
    if (st != VN_OK)
        return fail("the event loop could not be made", st);
    d.io = vn_adapt_io(d.loop);
    struct vn_instance_config ic = {
        .state_dir = o->state_dir,
        .ifname = c->interface[0] ? c->interface : NULL,
        .not_over = c->not_over,
        .mtu_bytes = c->mtu_bytes,
        .idle_ms = c->idle_ms,
        .workers = c->workers,
        .candidates = c->candidates,
        .public_port = c->public_port,
        .no_relay = c->no_relay,
        .avoid_countries = c->avoid_countries,
        .prefer_countries = c->prefer_countries,
        .relay_rules = c->relay_rules,
        .via = {c->via[0], c->via[1], c->via[2]},
        .via_count = c->via_count,
        .keep_warm_count = c->keep_warm_count,
        .realm = c->realm,
        .suite = c->suite,
        .guardian = &c->guardian,
        .conflux_token = c->token,
        .arg = &d,
        .online = on_online,
        .failed = on_failed,
        .renewed = on_renewed,
        .stopped = on_stopped,
    };
    for (size_t i = 0; i < c->keep_warm_count; i++)
        ic.keep_warm[i] = c->keep_warm[i];
    char detail[256];
    st = vn_instance_new(d.loop, &ic, &d.instance, detail);
    if (st != VN_OK) {
        say(detail);
        vn_loop_free(d.loop);
        return VN_EXIT_HOST;
    }
    struct vn_loop_signal *term = NULL, *intr = NULL;
    st = vn_loop_signal(d.loop, SIGTERM, on_signal, &d, &term);
    if (st == VN_OK)
        st = vn_loop_signal(d.loop, SIGINT, on_signal, &d, &intr);
    if (st == VN_OK)
        st = serve(&d, o->state_dir, c);
    if (st == VN_OK)
        st = vn_instance_start(d.instance);
    if (st == VN_OK) {
        vn_loop_run(d.loop);
        if (d.failure[0]) {
            say(d.failure);
            vn_last_words_save(o->state_dir, d.failure);
        }
    } else {
        d.exit_code = fail("the node could not be started", st);
    }
    d.server = vn_local_api_free(d.server);
    vn_local_unlink(o->state_dir);
    d.instance = vn_instance_free(d.instance);
    d.api = vn_daemon_api_free(d.api);
    vn_loop_signal_free(term);
    vn_loop_signal_free(intr);
    vn_loop_free(d.loop);
    vn_log(VN_LOG_INFO, "node_ended", VN_KV_U64("exit", (unsigned)d.exit_code));
    return d.exit_code;
}

int vn_daemon_run(const struct vn_daemon_options *o)
{
    const int machine = check_machine();
    if (machine != VN_EXIT_OK)
        return machine;
    vn_log_setup(o->verbose ? VN_LOG_DEBUG : VN_LOG_INFO, -1);
    signal(SIGPIPE, SIG_IGN);
    /* Each arena keeps memory of its own; few threads of ours allocate at the same time. */
    mallopt(M_ARENA_MAX, 2);
    if (vn_http_global_init() != VN_OK)
        return fail("libcurl could not be started", VN_ERR_NOMEM);
    const vn_status st = vn_file_mkdirs(o->state_dir, 0700);
    if (st != VN_OK)
        return fail(o->state_dir, st);
    const int lock = lock_state_dir(o->state_dir);
    if (lock < 0)
        return -lock;
    vn_last_words_clear(o->state_dir);
    const int code = run_locked(o);
    close(lock);
    return code;
}
