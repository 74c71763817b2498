#include "guardian/realm_rule.h"

#include "base/log.h"
#include "guardian/link.h"
#include "wire/names.h"
#include "wire/realm_rule.h"

#define REALMS_LOOKED_AT 64

struct word {
    uv_work_t work;
    struct vn_guardian *g;
    struct vn_realm *realm;
    uint8_t bytes[VN_REALM_RULE_MAX];
    size_t n;
    vn_status result;
};

static void word_free(struct word *w)
{
    vn_realm_unref(w->realm);
    free(w);
}

static void on_work(uv_work_t *work)
{
    struct word *w = VN_CONTAINER_OF(work, struct word, work);
    const struct vn_realm_record *r = &w->realm->r;
    const struct vn_realm_rule rule = {r->id, r->rule_number, r->access, r->relay};
    w->result = vn_store_sync(w->g->store); /* its number must not be given twice */
    if (w->result == VN_OK)
        w->result =
            vn_realm_rule_issue(w->realm->suite, &rule, w->realm->command_key, w->bytes, &w->n);
}

static void failed(vn_status st)
{
    vn_log(VN_LOG_ERROR, "push_failed", VN_KV_STR("what", "rule"), VN_KV_STATUS(st));
}

static void on_done(uv_work_t *work, int status)
{
    struct word *w = VN_CONTAINER_OF(work, struct word, work);
    struct vn_guardian *g = w->g;
    const struct vn_realm_record *r = &w->realm->r;
    vn_status st = status ? VN_ERR_STATE : w->result;
    g->telling_rule = false;
    if (!g->links) {
        word_free(w); /* we are stopping; the next start tells it */
        return;
    }
    if (st == VN_OK) {
        char subject[VN_SUBJECT_MAX];
        vn_subject_format(&(struct vn_subject){.kind = VN_SUBJ_REV}, subject);
        st = vn_links_publish(g->links, w->realm, subject, VN_SPAN(w->bytes, w->n));
    }
    if (st == VN_OK)
        st = vn_store_rule_published(g->store, &r->id, r->rule_number);
    word_free(w);
    if (st == VN_OK)
        vn_realm_rule_publish(g); /* what came meanwhile */
    else
        failed(st);
}

/* Returns whether the word is being signed. */
static bool tell(struct vn_guardian *g, const struct vn_id *realm)
{
    struct word *w = calloc(1, sizeof(*w));
    vn_status st = w ? vn_guardian_realm(g, realm, &w->realm) : VN_ERR_NOMEM;
    if (st == VN_OK && !vn_links_ready(g->links, w->realm)) {
        word_free(w); /* called again when it is */
        return false;
    }
    if (st == VN_OK) {
        w->g = g;
        g->telling_rule = uv_queue_work(g->uv, &w->work, on_work, on_done) == 0;
        if (g->telling_rule)
            return true;
        st = VN_ERR_NOMEM;
    }
    failed(st);
    if (w)
        word_free(w);
    return false;
}

void vn_realm_rule_publish(struct vn_guardian *g)
{
    struct vn_id waiting[REALMS_LOOKED_AT];
    size_t n;
    if (g->telling_rule || !g->links ||
        vn_store_rule_pending(g->store, waiting, VN_ARRAY_LEN(waiting), &n) != VN_OK)
        return;
    /* One that cannot be told now keeps no other one waiting. */
    for (size_t i = 0; i < n && !tell(g, &waiting[i]); i++)
        continue;
}
