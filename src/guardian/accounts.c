#include "guardian/accounts.h"

#include "base/clock.h"
#include "base/log.h"
#include "control/json_read.h"
#include "guardian/account_queue.h"
#include "guardian/json.h"
#include "guardian/link.h"
#include "guardian/master.h"
#include "guardian/master_text.h"

#define ANSWER_PREFIX (sizeof(VN_CLAIMS_ANSWERS) - sizeof("*"))

struct vn_accounts {
    struct vn_account_queue queue;
};

static uint64_t mono_ms(void)
{
    return vn_clock_mono_us() / 1000;
}

/* By its configuration, then, which a reload brings into force. */
static void failed(struct vn_guardian *g, vn_status st)
{
    vn_log(VN_LOG_ERROR, "push_failed", VN_KV_STR("what", "account"), VN_KV_STATUS(st));
    vn_master_config_changed(g->master);
}

static vn_status tell(struct vn_guardian *g, const struct vn_id *id, uint64_t number)
{
    VN_CLEANUP(vn_realm_unrefp) struct vn_realm *realm = NULL;
    VN_CLEANUP(vn_json_strp) char *jwt = NULL;
    char answer[sizeof(VN_CLAIMS_ANSWERS) + 20];
    vn_status st = vn_links_master(g->links);
    if (st == VN_OK)
        st = vn_guardian_realm(g, id, &realm);
    if (st == VN_OK)
        st = vn_master_account_jwt(g, realm, &jwt);
    snprintf(answer, sizeof(answer), "%.*s%llu", (int)ANSWER_PREFIX, VN_CLAIMS_ANSWERS,
             (unsigned long long)number);
    return st == VN_OK ? vn_links_ask_master(g->links, VN_CLAIMS_SUBJECT, answer, VN_SPAN_STR(jwt))
                       : st;
}

void vn_accounts_go_on(struct vn_guardian *g)
{
    struct vn_account_queue *q = g->accounts ? &g->accounts->queue : NULL;
    struct vn_id realm;
    const uint64_t now_ms = mono_ms();
    while (q && g->links && vn_account_queue_next(q, now_ms, &realm)) {
        const vn_status st = tell(g, &realm, q->number + 1);
        if (st == VN_ERR_AGAIN)
            return; /* called again when the connection is up */
        if (st == VN_OK) {
            (void)vn_account_queue_sent(q, now_ms);
            g->metrics.account_messages++;
            return;
        }
        vn_account_queue_drop(q);
        if (st != VN_ERR_NOTFOUND) /* deleted meanwhile */
            failed(g, st);
    }
}

void vn_accounts_changed(struct vn_guardian *g, const struct vn_id *realm)
{
    if (!g->accounts)
        return;
    const vn_status st = vn_account_queue_add(&g->accounts->queue, realm);
    if (st == VN_OK)
        vn_accounts_go_on(g);
    else
        failed(g, st);
}

bool vn_accounts_behind(const struct vn_guardian *g, const struct vn_id *realm)
{
    return g->accounts && vn_account_queue_has(&g->accounts->queue, realm);
}

bool vn_accounts_busy(const struct vn_guardian *g)
{
    return g->accounts && !vn_account_queue_idle(&g->accounts->queue);
}

void vn_accounts_lost(struct vn_guardian *g)
{
    if (g->accounts)
        vn_account_queue_lost(&g->accounts->queue);
}

void vn_accounts_on_message(struct vn_guardian *g, const char *subject, struct vn_span payload)
{
    if (!g->accounts || strncmp(subject, VN_CLAIMS_ANSWERS, ANSWER_PREFIX) != 0 ||
        !vn_account_queue_answered(&g->accounts->queue,
                                   strtoull(subject + ANSWER_PREFIX, NULL, 10)))
        return;
    VN_CLEANUP(vn_jread_freep) json_t *answer = vn_jread_parse(payload);
    if (!json_object_get(answer, "data"))
        failed(g, VN_ERR_STATE); /* nats-server's log says why */
    else if (!vn_accounts_busy(g))
        vn_master_was_told(g->master);
    vn_accounts_go_on(g);
}

vn_status vn_accounts_new(struct vn_accounts **ret)
{
    struct vn_accounts *a = calloc(1, sizeof(*a));
    if (!a)
        return VN_ERR_NOMEM;
    vn_account_queue_init(&a->queue);
    *ret = a;
    return VN_OK;
}

void vn_accounts_free(struct vn_accounts *a)
{
    if (a)
        vn_account_queue_done(&a->queue);
    free(a);
}
