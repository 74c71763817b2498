#include "guardian/push.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "guardian/identity_update.h"
#include "guardian/issue.h"
#include "guardian/json.h"
#include "guardian/link.h"
#include "wire/names.h"

struct push {
    uv_work_t work;
    struct vn_guardian *g;
    struct vn_realm *realm;
    struct vn_conflux_record c;
    struct vn_buf envelope;
    vn_status result;
};

static void push_free(struct push *p)
{
    vn_realm_unref(p->realm);
    vn_buf_wipe(&p->envelope);
    free(p);
}

static void on_work(uv_work_t *w)
{
    struct push *p = VN_CONTAINER_OF(w, struct push, work);
    VN_CLEANUP(vn_json_freep) json_t *answer = NULL;
    uint64_t now_ms = vn_clock_wall_ms();
    p->result = vn_issue_taints_answer(p->realm, &p->c, now_ms, &answer);
    if (p->result == VN_OK)
        p->result = vn_identity_update_seal(p->realm, &p->c, answer, now_ms, &p->envelope);
}

static void on_done(uv_work_t *w, int status)
{
    struct push *p = VN_CONTAINER_OF(w, struct push, work);
    vn_status st = status ? VN_ERR_STATE : p->result;
    if (!p->g->links)
        st = VN_ERR_STATE; /* we are stopping */
    if (st == VN_OK) {
        char subject[VN_SUBJECT_MAX];
        const struct vn_subject s = {.kind = VN_SUBJ_ADM, .name = p->c.session.node};
        vn_subject_format(&s, subject);
        st = vn_links_publish(p->g->links, p->realm, subject, vn_buf_span(&p->envelope));
    }
    if (st != VN_OK)
        vn_log(VN_LOG_WARN, "message_undeliverable", VN_KV_STR("realm", p->realm->r.name),
               VN_KV_STATUS(st));
    push_free(p);
}

void vn_push_identity(struct vn_guardian *g, const struct vn_conflux_record *c)
{
    if (!c->has_session || c->session.not_after_ms <= vn_clock_wall_ms())
        return;
    struct push *p = calloc(1, sizeof(*p));
    vn_status st = p ? VN_OK : VN_ERR_NOMEM;
    if (st == VN_OK) {
        p->g = g;
        p->c = *c;
        vn_buf_init(&p->envelope, VN_CONTROL_PAYLOAD_MAX);
        st = vn_guardian_realm(g, &c->realm, &p->realm);
    }
    if (st == VN_OK && uv_queue_work(g->uv, &p->work, on_work, on_done) == 0)
        return;
    vn_log(VN_LOG_ERROR, "push_failed", VN_KV_STATUS(st == VN_OK ? VN_ERR_NOMEM : st));
    if (p)
        push_free(p);
}

void vn_push_outbox(struct vn_guardian *g)
{
    struct vn_id id;
    static struct vn_conflux_record c;
    while (vn_store_outbox_take(g->store, vn_clock_wall_ms(), &id) == VN_OK)
        if (vn_store_conflux_get(g->store, &id, &c) == VN_OK)
            vn_push_identity(g, &c);
}
