#include "support/mem_control.h"

#include <stdlib.h>

#include "base/list.h"

#define SUBSCRIPTIONS_MAX 64
#define TEXT_MAX 96

struct subscription {
    char pattern[TEXT_MAX];
    char queue[8]; /* empty: none */
};

struct vn_mem_client {
    struct vn_mem_broker *broker;
    struct vn_list link;
    struct vn_control port;
    struct vn_control_handler handler;
    char id[TEXT_MAX]; /* of the JWT; empty: not connected */
    bool up, tell_state;
    unsigned connects;
    struct subscription subs[SUBSCRIPTIONS_MAX];
    size_t sub_count;
};

struct message {
    struct vn_list link;
    uint64_t due_ms;
    char subject[TEXT_MAX];
    size_t n;
    uint8_t p[];
};

struct vn_mem_broker {
    struct vn_list clients, queue; /* queue: by due_ms */
    uint64_t now_ms;
    bool up;
    void (*hook)(void *arg, struct vn_mem_message *m);
    void *hook_arg;
    uint32_t turn; /* picks the member of a queue group */
    struct vn_mem_broker_counters counters;
};

static void *need(void *p)
{
    if (!p)
        abort();
    return p;
}

struct vn_mem_broker *vn_mem_broker_new(void)
{
    struct vn_mem_broker *b = need(calloc(1, sizeof(*b)));
    vn_list_init(&b->clients);
    vn_list_init(&b->queue);
    b->up = true;
    return b;
}

struct vn_mem_broker *vn_mem_broker_free(struct vn_mem_broker *b)
{
    if (!b)
        return NULL;
    VN_LIST_EACH(it, &b->queue)
    free(VN_LIST_ENTRY(it, struct message, link));
    free(b);
    return NULL;
}

void vn_mem_broker_hook(struct vn_mem_broker *b, void (*fn)(void *arg, struct vn_mem_message *m),
                        void *arg)
{
    b->hook = fn;
    b->hook_arg = arg;
}

void vn_mem_broker_inject(struct vn_mem_broker *b, const char *subject, const void *p, size_t n)
{
    struct message *m = need(calloc(1, sizeof(*m) + n));
    snprintf(m->subject, sizeof(m->subject), "%s", subject);
    memcpy(m->p, p, n);
    m->n = n;
    m->due_ms = b->now_ms;
    vn_list_append(&b->queue, &m->link);
}

void vn_mem_broker_set_up(struct vn_mem_broker *b, bool up)
{
    b->up = up;
    VN_LIST_EACH(it, &b->clients)
    {
        struct vn_mem_client *c = VN_LIST_ENTRY(it, struct vn_mem_client, link);
        c->tell_state = c->id[0] != '\0';
    }
}

/* Tokens between dots; '*' stands for one. */
static bool matches(const char *pattern, const char *subject)
{
    while (*pattern && *subject) {
        if (*pattern == '*') {
            pattern++;
            while (*subject && *subject != '.')
                subject++;
        } else if (*pattern++ != *subject++) {
            return false;
        }
    }
    return !*pattern && !*subject;
}

static const struct subscription *subscribed(const struct vn_mem_client *c, const char *subject)
{
    for (size_t i = 0; c->up && i < c->sub_count; i++) {
        if (matches(c->subs[i].pattern, subject))
            return &c->subs[i];
    }
    return NULL;
}

/* One member of a queue group gets it, by a lot that is the same in each run. */
static bool is_chosen(struct vn_mem_broker *b, const struct vn_mem_client *c, const char *subject,
                      const char *queue)
{
    size_t members = 0, own = SIZE_MAX;
    VN_LIST_EACH(it, &b->clients)
    {
        const struct vn_mem_client *o = VN_LIST_ENTRY(it, struct vn_mem_client, link);
        const struct subscription *s = subscribed(o, subject);
        const char *src = strrchr(subject, '.');
        if (!s || strcmp(s->queue, queue) != 0 || (src && strcmp(src + 1, o->id) == 0))
            continue; /* nor does anybody get his own: no echo */
        if (o == c)
            own = members;
        members++;
    }
    return members && (b->turn * 2654435761u >> 16) % members == own;
}

static void deliver(struct vn_mem_broker *b, const struct message *m)
{
    b->turn++;
    VN_LIST_EACH(it, &b->clients)
    {
        struct vn_mem_client *c = VN_LIST_ENTRY(it, struct vn_mem_client, link);
        const struct subscription *s = subscribed(c, m->subject);
        if (!s || (s->queue[0] && !is_chosen(b, c, m->subject, s->queue)))
            continue;
        b->counters.delivered++;
        c->handler.message(c->handler.arg, m->subject, VN_SPAN(m->p, m->n));
    }
}

void vn_mem_broker_run(struct vn_mem_broker *b, uint64_t now_ms)
{
    b->now_ms = now_ms;
    VN_LIST_EACH(it, &b->clients)
    {
        struct vn_mem_client *c = VN_LIST_ENTRY(it, struct vn_mem_client, link);
        if (!c->tell_state)
            continue;
        c->tell_state = false;
        c->up = b->up;
        c->handler.state(c->handler.arg, b->up ? VN_CONTROL_UP : VN_CONTROL_DOWN,
                         b->up ? NULL : "broker is down");
    }
    bool again = true;
    while (again) {
        again = false;
        VN_LIST_EACH(it, &b->queue)
        {
            struct message *m = VN_LIST_ENTRY(it, struct message, link);
            if (m->due_ms > now_ms)
                continue;
            vn_list_remove(&m->link);
            deliver(b, m);
            free(m);
            again = true;
            break; /* what was delivered may have published */
        }
    }
}

uint64_t vn_mem_broker_next(const struct vn_mem_broker *b)
{
    uint64_t next = UINT64_MAX;
    VN_LIST_EACH(it, &b->queue)
    next = VN_MIN(next, VN_LIST_ENTRY(it, struct message, link)->due_ms);
    VN_LIST_EACH(it, &b->clients)
    {
        if (VN_LIST_ENTRY(it, struct vn_mem_client, link)->tell_state)
            next = b->now_ms;
    }
    return next;
}

struct vn_mem_broker_counters vn_mem_broker_counters(const struct vn_mem_broker *b)
{
    return b->counters;
}

/* ---- the port ---- */

static void set_handler(void *self, const struct vn_control_handler *h)
{
    struct vn_mem_client *c = self;
    c->handler = *h;
}

static vn_status connect(void *self, const struct vn_control_credentials *cred)
{
    struct vn_mem_client *c = self;
    if (!cred->url_count || !cred->ca_pem || !cred->cert_pem || !cred->key_pem)
        return VN_ERR_ARG;
    snprintf(c->id, sizeof(c->id), "%s", cred->jwt);
    c->connects++;
    c->tell_state = true;
    return VN_OK;
}

static void disconnect(void *self)
{
    struct vn_mem_client *c = self;
    c->id[0] = '\0';
    c->up = c->tell_state = false; /* subscriptions live on, as those of the real one */
}

static vn_status subscribe(void *self, const char *subject, const char *queue)
{
    struct vn_mem_client *c = self;
    if (c->sub_count == SUBSCRIPTIONS_MAX || vn_mem_client_subscribed(c, subject))
        abort();
    struct subscription *s = &c->subs[c->sub_count++];
    snprintf(s->pattern, sizeof(s->pattern), "%s", subject);
    snprintf(s->queue, sizeof(s->queue), "%s", queue ? queue : "");
    return VN_OK;
}

static void unsubscribe(void *self, const char *subject)
{
    struct vn_mem_client *c = self;
    for (size_t i = 0; i < c->sub_count; i++) {
        if (strcmp(c->subs[i].pattern, subject) == 0) {
            c->subs[i] = c->subs[--c->sub_count];
            return;
        }
    }
}

static vn_status publish(void *self, const char *subject, struct vn_span payload)
{
    struct vn_mem_client *c = self;
    struct vn_mem_broker *b = c->broker;
    if (!c->up)
        return VN_ERR_AGAIN;
    const char *last = strrchr(subject, '.');
    b->counters.published++;
    b->counters.bytes += payload.n;
    if (!last || strcmp(last + 1, c->id) != 0) {
        b->counters.refused++;
        return VN_OK; /* as NATS: the error comes later, or never */
    }
    uint8_t *copy = need(malloc(payload.n + 1));
    memcpy(copy, payload.p, payload.n);
    struct vn_mem_message m = {
        .subject = subject, .p = copy, .n = payload.n, .copies = 1, .delay_ms = 1};
    if (b->hook)
        b->hook(b->hook_arg, &m);
    for (unsigned i = 0; i < m.copies; i++) {
        vn_mem_broker_inject(b, subject, m.p, m.n);
        VN_LIST_ENTRY(b->queue.prev, struct message, link)->due_ms = b->now_ms + m.delay_ms;
    }
    free(copy);
    return VN_OK;
}

struct vn_mem_client *vn_mem_client_new(struct vn_mem_broker *b)
{
    struct vn_mem_client *c = need(calloc(1, sizeof(*c)));
    c->broker = b;
    c->port = (struct vn_control){.self = c,
                                  .set_handler = set_handler,
                                  .connect = connect,
                                  .disconnect = disconnect,
                                  .subscribe = subscribe,
                                  .unsubscribe = unsubscribe,
                                  .publish = publish};
    vn_list_init(&c->link);
    vn_list_append(&b->clients, &c->link);
    return c;
}

struct vn_mem_client *vn_mem_client_free(struct vn_mem_client *c)
{
    if (c)
        vn_list_remove(&c->link);
    free(c);
    return NULL;
}

const struct vn_control *vn_mem_client_port(struct vn_mem_client *c)
{
    return &c->port;
}

unsigned vn_mem_client_connects(const struct vn_mem_client *c)
{
    return c->connects;
}

bool vn_mem_client_subscribed(const struct vn_mem_client *c, const char *pattern)
{
    for (size_t i = 0; i < c->sub_count; i++) {
        if (strcmp(c->subs[i].pattern, pattern) == 0)
            return true;
    }
    return false;
}

size_t vn_mem_client_subscriptions(const struct vn_mem_client *c)
{
    return c->sub_count;
}
