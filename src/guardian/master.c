#include "guardian/master.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "guardian/master_config.h"
#include "guardian/push.h"
#include "guardian/quarantine.h"
#include "guardian/realm_rule.h"
#include "guardian/revoke.h"

#define ERR_TEXT_MAX 65536
#define CHECK_MS 250 /* is it there, is it listening, were realms added from outside */
#define RESTART_MIN_MS 250ull
#define RESTART_MAX_MS 30000ull
#define SETTLED_MS                                                                                 \
    VN_PACED_MS(60000, 1000) /* so long alive: the next failure starts with a short pause again */
#define STOP_WAIT_MS 15000

struct vn_master {
    struct vn_guardian *g;
    struct vn_master_paths paths;
    uv_process_t *child; /* when this Guardian started it */
    int pidfd;           /* -1: none runs */
    pid_t pid;
    bool up;
    uint64_t started_ms, restart_at_ms, pause_ms; /* monotonic */
    uv_timer_t timer;
};

static uint64_t mono_ms(void)
{
    return vn_clock_mono_us() / 1000;
}

/* ---- finding it ---- */

vn_status vn_master_program(char ret[VN_PATH_MAX])
{
    static const char *const MORE = "/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin";
    const char *path = secure_getenv("PATH");
    char list[4096];
    snprintf(list, sizeof(list), "%s:%s", path ? path : "", MORE);
    char *save = NULL;
    for (char *dir = strtok_r(list, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
        if (dir[0] != '/')
            continue;
        snprintf(ret, VN_PATH_MAX, "%s/nats-server", dir);
        if (access(ret, X_OK) == 0)
            return VN_OK;
    }
    return VN_ERR_NOTFOUND;
}

/* Does this process run nats-server with our configuration file? */
static bool is_ours(void *arg, pid_t pid)
{
    const char *conf = arg;
    char path[64], args[8192];
    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, args, sizeof(args) - 1);
    close(fd);
    if (n <= 0)
        return false;
    args[n] = 0;
    const char *slash = strrchr(args, '/');
    if (strcmp(slash ? slash + 1 : args, "nats-server") != 0)
        return false;
    for (const char *p = args; p < args + n; p += strlen(p) + 1)
        if (strcmp(p, conf) == 0)
            return true;
    return false;
}

pid_t vn_master_find(const char *master_dir)
{
    struct vn_master_paths p;
    vn_master_paths_init(&p, master_dir);
    struct vn_buf text;
    vn_buf_init(&text, 32);
    pid_t pid = 0;
    if (vn_file_read(p.pid, &text) == VN_OK && text.len > 0 && text.len < 16) {
        char digits[17] = {0};
        memcpy(digits, text.p, text.len);
        long v = strtol(digits, NULL, 10);
        if (v > 1 && is_ours(p.conf, (pid_t)v))
            pid = (pid_t)v;
    }
    vn_buf_done(&text);
    return pid;
}

vn_status vn_master_stop(const char *master_dir)
{
    struct vn_master_paths p;
    vn_master_paths_init(&p, master_dir);
    pid_t pid = vn_master_find(master_dir);
    return pid ? vn_process_stop(pid, is_ours, p.conf, STOP_WAIT_MS) : VN_ERR_NOTFOUND;
}

/* ---- its life ---- */

static void ports_path(const struct vn_master *m, char *ret, size_t n)
{
    snprintf(ret, n, "%s/nats-server_%d.ports", m->paths.dir, (int)m->pid);
}

/* Early 2.10 ends at once over an option it does not know; clients of ours ask for TLS 1.3 anyway.
 */
static bool is_too_old(const struct vn_master *m)
{
    struct vn_buf text;
    vn_buf_init(&text, ERR_TEXT_MAX);
    bool old = vn_file_read(m->paths.err, &text) == VN_OK && vn_buf_append(&text, "", 1) == VN_OK &&
               strstr((const char *)text.p, "min_version") != NULL;
    vn_buf_done(&text);
    return old;
}

static void on_gone(struct vn_master *m)
{
    if (!m->up && !m->paths.old_server && is_too_old(m)) {
        enum vn_master_change change;
        m->paths.old_server = true;
        if (vn_master_config_write(m->g, &m->paths, &change) != VN_OK)
            m->paths.old_server = false;
    }
    char ports[VN_PATH_MAX + 64];
    ports_path(m, ports, sizeof(ports));
    (void)unlink(ports); /* left behind after a kill */
    close(m->pidfd);
    m->pidfd = -1;
    m->pid = 0;
    m->up = false;
    uint64_t now = mono_ms();
    bool settled = now - m->started_ms > SETTLED_MS;
    m->pause_ms =
        settled ? RESTART_MIN_MS : VN_MIN(VN_MAX(m->pause_ms * 2, RESTART_MIN_MS), RESTART_MAX_MS);
    m->restart_at_ms = now + m->pause_ms;
    vn_log(VN_LOG_WARN, "master_gone", VN_KV_U64("restart_in_ms", m->pause_ms),
           VN_KV_STR("log", m->paths.log));
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

static void on_child_exit(uv_process_t *child, int64_t status, int signal)
{
    struct vn_master *m = child->data;
    vn_log(VN_LOG_DEBUG, "master_exit", VN_KV_I64("status", status), VN_KV_I64("signal", signal));
    m->child = NULL;
    uv_close((uv_handle_t *)child, free_handle);
}

static bool watch(struct vn_master *m, pid_t pid)
{
    m->pidfd = pidfd_open(pid, 0);
    if (m->pidfd < 0)
        return false;
    m->pid = pid;
    m->started_ms = mono_ms();
    return true;
}

static vn_status spawn(struct vn_master *m)
{
    char program[VN_PATH_MAX];
    vn_status st = vn_master_program(program);
    if (st != VN_OK)
        return VN_ERR_UNSUPPORTED;
    int err = open(m->paths.err, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (err < 0)
        return VN_ERR_IO;
    uv_process_t *child = calloc(1, sizeof(*child));
    if (!child) {
        close(err);
        return VN_ERR_NOMEM;
    }
    child->data = m;
    char name[] = "nats-server", flag[] = "-c", path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char *args[] = {name, flag, m->paths.conf, NULL};
    char *env[] = {path, NULL};
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE}, {.flags = UV_IGNORE}, {.flags = UV_INHERIT_FD, .data.fd = err}};
    const uv_process_options_t options = {
        .exit_cb = on_child_exit,
        .file = program,
        .args = args,
        .env = env,
        .cwd = "/",
        .flags = UV_PROCESS_DETACHED, /* setsid: outlives us */
        .stdio_count = 3,
        .stdio = stdio,
    };
    int rc = uv_spawn(m->g->uv, child, &options);
    close(err);
    if (rc) {
        vn_log(VN_LOG_ERROR, "master_start_failed", VN_KV_STR("error", uv_strerror(rc)));
        uv_close((uv_handle_t *)child, free_handle);
        return VN_ERR_IO;
    }
    uv_unref((uv_handle_t *)child);
    m->child = child;
    if (!watch(m, child->pid))
        return VN_ERR_IO;
    vn_log(VN_LOG_INFO, "master_started", VN_KV_U64("pid", m->pid),
           VN_KV_U64("port", m->g->cfg.master_port));
    return VN_OK;
}

static void check_up(struct vn_master *m)
{
    char ports[VN_PATH_MAX + 64];
    ports_path(m, ports, sizeof(ports));
    bool up = access(ports, F_OK) == 0; /* nats-server writes it once it listens */
    if (up && !m->up)
        vn_log(VN_LOG_INFO, "master_up", VN_KV_U64("pid", m->pid));
    m->up = up;
}

static void reload(struct vn_master *m)
{
    if (m->pidfd >= 0 && pidfd_send_signal(m->pidfd, SIGHUP, NULL, 0) == 0)
        vn_log(VN_LOG_INFO, "master_reloaded", VN_KV_U64("pid", m->pid));
}

/* True if there is something new in it. */
static bool rewrite(struct vn_master *m)
{
    enum vn_master_change change = VN_MASTER_SAME;
    vn_status st = vn_master_config_write(m->g, &m->paths, &change);
    if (st != VN_OK)
        vn_log(VN_LOG_ERROR, "master_config_failed", VN_KV_STATUS(st));
    return st == VN_OK && change != VN_MASTER_SAME;
}

/* What it was told, or would have been, since its configuration was written. */
static vn_status respawn(struct vn_master *m)
{
    (void)rewrite(m);
    return spawn(m);
}

static void on_timer(uv_timer_t *t)
{
    struct vn_master *m = t->data;
    struct pollfd p = {.fd = m->pidfd, .events = POLLIN};
    if (m->pidfd >= 0 && poll(&p, 1, 0) == 1)
        on_gone(m);
    if (m->pidfd < 0 && mono_ms() >= m->restart_at_ms && respawn(m) != VN_OK) {
        m->pause_ms = VN_MIN(VN_MAX(m->pause_ms * 2, RESTART_MIN_MS), RESTART_MAX_MS);
        m->restart_at_ms = mono_ms() + m->pause_ms;
    }
    if (m->pidfd >= 0)
        check_up(m);
    /* `veilnet-guardian realm create` works on the store beside us */
    if (vn_store_changed_outside(m->g->store)) {
        vn_master_config_changed(m);
        vn_push_outbox(m->g);
        vn_revoke_publish(m->g);
        vn_realm_rule_publish(m->g);
        vn_quarantine_push(m->g);
    }
}

/* It cannot begin or cease to have routes by a reload. Returns what runs still. */
static pid_t end_running(const char *dir, pid_t pid)
{
    vn_log(VN_LOG_INFO, "master_replaced", VN_KV_U64("pid", pid));
    return vn_master_stop(dir) == VN_ERR_EXPIRED ? pid : 0;
}

vn_status vn_master_open(struct vn_guardian *g, struct vn_master **ret)
{
    struct vn_master *m = calloc(1, sizeof(*m));
    if (!m)
        return VN_ERR_NOMEM;
    m->g = g;
    m->pidfd = -1;
    vn_master_paths_init(&m->paths, g->dir.master);
    enum vn_master_change change = VN_MASTER_SAME;
    vn_status st = vn_master_config_write(g, &m->paths, &change);
    if (st != VN_OK) {
        free(m);
        return st;
    }
    pid_t running = vn_master_find(g->dir.master);
    if (running && change == VN_MASTER_RESTART)
        running = end_running(g->dir.master, running);
    if (running && watch(m, running)) {
        vn_log(VN_LOG_INFO, "master_adopted", VN_KV_U64("pid", m->pid));
        reload(m); /* what the last Guardian told it may not have arrived */
    } else {
        st = spawn(m);
        if (st != VN_OK) {
            free(m);
            return st;
        }
    }
    uv_timer_init(g->uv, &m->timer);
    m->timer.data = m;
    uv_timer_start(&m->timer, on_timer, CHECK_MS, CHECK_MS);
    *ret = m;
    return VN_OK;
}

static void on_timer_closed(uv_handle_t *h)
{
    free(h->data);
}

void vn_master_close(struct vn_master *m)
{
    if (!m)
        return;
    if (m->child)
        uv_close((uv_handle_t *)m->child, free_handle);
    if (m->pidfd >= 0)
        close(m->pidfd);
    uv_close((uv_handle_t *)&m->timer, on_timer_closed);
}

bool vn_master_is_up(const struct vn_master *m)
{
    return m && m->up;
}

void vn_master_config_changed(struct vn_master *m)
{
    if (m && rewrite(m))
        reload(m);
}

void vn_master_was_told(struct vn_master *m)
{
    if (m)
        (void)rewrite(m);
}
