#include "guardian/geo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "guardian/guardian.h"

#define LOOK_MS 1000

struct vn_geo {
    struct vn_guardian *g;
    struct vn_geo_db *db; /* NULL: none yet */
    struct stat seen;     /* of what was read, or could not be */
    uv_timer_t timer;
    uv_work_t work;
    bool working, closed; /* a file is being read on the pool; free when both handles are done */
    struct vn_geo_db *next;
    vn_status result;
};

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static vn_status read_file(const char *path, struct vn_geo_db **ret)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT ? VN_ERR_NOTFOUND : VN_ERR_IO;
    vn_status st = vn_geo_db_open(fd, ret);
    close(fd);
    return st;
}

static void take(struct vn_geo *geo, struct vn_geo_db *db, vn_status st)
{
    const char *path = geo->g->cfg.geo_path;
    if (st != VN_OK) {
        vn_log(VN_LOG_ERROR, "geo_failed", VN_KV_STR("path", path), VN_KV_STATUS(st),
               VN_KV_STR("detail", st == VN_ERR_MALFORMED ? "it is no whole MaxMind DB file"
                                   : st == VN_ERR_LIMIT   ? "it is larger than 256 MiB"
                                                          : "it cannot be read"));
        return;
    }
    vn_geo_db_close(geo->db);
    geo->db = db;
    vn_log(VN_LOG_INFO, "geo_loaded", VN_KV_STR("path", path),
           VN_KV_U64("bytes", (uint64_t)geo->seen.st_size));
}

static void on_work(uv_work_t *w)
{
    struct vn_geo *geo = VN_CONTAINER_OF(w, struct vn_geo, work);
    geo->result = read_file(geo->g->cfg.geo_path, &geo->next);
}

static void release(struct vn_geo *geo)
{
    vn_geo_db_close(geo->db);
    free(geo);
}

static void on_done(uv_work_t *w, int status)
{
    struct vn_geo *geo = VN_CONTAINER_OF(w, struct vn_geo, work);
    geo->working = false;
    if (geo->closed) {
        vn_geo_db_close(geo->next);
        release(geo);
        return;
    }
    take(geo, VN_TAKE(geo->next), status ? VN_ERR_STATE : geo->result);
}

/* Read once for each state of the file that is seen. Written while it was read, it changes again.
 */
static void on_timer(uv_timer_t *t)
{
    struct vn_geo *geo = t->data;
    struct stat now;
    if (geo->working || stat(geo->g->cfg.geo_path, &now) != 0 || same_file(&geo->seen, &now))
        return;
    geo->working = uv_queue_work(geo->g->uv, &geo->work, on_work, on_done) == 0;
    if (geo->working)
        geo->seen = now;
}

vn_status vn_geo_new(struct vn_guardian *g, struct vn_geo **ret)
{
    if (!g->cfg.geo_path)
        return VN_OK;
    struct vn_geo *geo = calloc(1, sizeof(*geo));
    if (!geo)
        return VN_ERR_NOMEM;
    geo->g = g;
    /* Before anybody logs in: else those who come first would be nowhere. */
    if (stat(g->cfg.geo_path, &geo->seen) != 0)
        memset(&geo->seen, 0, sizeof(geo->seen));
    vn_status st = read_file(g->cfg.geo_path, &geo->next);
    take(geo, VN_TAKE(geo->next), st);
    uv_timer_init(g->uv, &geo->timer);
    geo->timer.data = geo;
    uv_timer_start(&geo->timer, on_timer, LOOK_MS, LOOK_MS);
    *ret = geo;
    return VN_OK;
}

static void on_closed(uv_handle_t *h)
{
    struct vn_geo *geo = h->data;
    geo->closed = true;
    if (!geo->working)
        release(geo);
}

void vn_geo_free(struct vn_geo *geo)
{
    if (geo)
        uv_close((uv_handle_t *)&geo->timer, on_closed);
}

void vn_geo_country(const struct vn_geo *geo, const struct vn_ip *ip, char ret[VN_COUNTRY_TEXT])
{
    ret[0] = 0;
    if (geo && geo->db)
        vn_geo_db_country(geo->db, ip, ret);
}
