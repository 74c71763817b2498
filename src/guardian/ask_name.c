#include "guardian/ask_name.h"

#include "guardian/entry_points.h"
#include "guardian/options.h"
#include "guardian/store_issuers.h"
#include "guardian/store_oidc.h"
#include "guardian/store_orgs.h"

static bool count_org(void *arg, const struct vn_org_record *o)
{
    struct vn_ask *a = arg;
    vn_id_format(&o->id, a->org_id);
    return ++a->orgs < 2;
}

int vn_ask_find_org(struct vn_ask *a, const char *name)
{
    struct vn_id id;
    if (name && vn_store_org_by_name(a->c.g.store, name, &id) != VN_OK)
        return vn_die("there is no organisation %s (veilnet-guardian org list shows them)", name);
    if (name)
        vn_id_format(&id, a->org_id);
    else if (vn_store_org_list(a->c.g.store, NULL, NULL, count_org, a) != VN_OK || a->orgs != 1)
        return vn_die("name the organisation with --org NAME (veilnet-guardian org list)");
    return 0;
}

int vn_ask_find_user(struct vn_ask *a, const char *name, char ret[VN_ID_TEXT])
{
    struct vn_user_record u;
    if (vn_store_user_by_name(a->c.g.store, name, &u) != VN_OK)
        return vn_die("there is no user %s (veilnet-guardian user list shows them)", name);
    vn_id_format(&u.id, ret);
    return 0;
}

struct team_search {
    const char *name;
    char *ret;
    bool found;
};

static bool match_team(void *arg, const struct vn_team_record *t)
{
    struct team_search *s = arg;
    s->found = strcmp(t->name, s->name) == 0;
    if (s->found)
        vn_id_format(&t->id, s->ret);
    return !s->found;
}

/* Of the organisation of --org, or of the realm that the verb is about. */
int vn_ask_find_team(struct vn_ask *a, const char *name, char ret[VN_ID_TEXT])
{
    struct vn_realm_place place = {.public = false};
    struct team_search s = {.name = name, .ret = ret};
    vn_status st = a->org_id[0] ? vn_id_parse(VN_SPAN_STR(a->org_id), &place.org)
                                : vn_store_realm_place(a->c.g.store, &a->c.realm_id, &place);
    if (st == VN_OK)
        st = vn_store_team_list(a->c.g.store, &place.org, NULL, match_team, &s);
    if (st != VN_OK || !s.found)
        return vn_die("there is no team %s (veilnet-guardian team list shows them)", name);
    return 0;
}

static int find_node(struct vn_ask *a)
{
    static struct vn_admin_search s;
    s = (struct vn_admin_search){.name = a->word};
    int code = vn_admin_search(&a->c, &s);
    if (!code) {
        vn_id_format(&s.found.id, a->about);
        a->c.realm_id = s.found.realm;
    }
    return code;
}

struct issuer_search {
    const char *name;
    char *ret;
    bool found;
};

static bool match_issuer(void *arg, const struct vn_issuer_record *i)
{
    struct issuer_search *s = arg;
    s->found = strcmp(i->name, s->name) == 0;
    if (s->found)
        vn_id_format(&i->id, s->ret);
    return !s->found;
}

static int find_issuer(struct vn_ask *a)
{
    struct issuer_search s = {.name = a->word, .ret = a->about};
    vn_status st = vn_store_issuer_list(a->c.g.store, &a->c.realm_id, NULL, match_issuer, &s);
    if (st != VN_OK || !s.found)
        return vn_die("there is no issuer %s (veilnet-guardian issuer list shows them)", a->word);
    return 0;
}

static int find_provider(struct vn_ask *a)
{
    struct vn_oidc_provider p;
    vn_status st = vn_store_oidc_by_name(a->c.g.store, a->word, &p);
    if (st == VN_OK)
        vn_id_format(&p.id, a->about);
    vn_wipe(&p, sizeof(p));
    return st == VN_OK
               ? 0
               : vn_die("there is no provider %s (veilnet-guardian oidc list shows them)", a->word);
}

static int find_entry(struct vn_ask *a)
{
    struct vn_entry_points all;
    char url[VN_ENTRY_URL_MAX] = "";
    struct vn_id id = {0};
    bool named = vn_id_parse(VN_SPAN_STR(a->word), &id) == VN_OK;
    named = vn_entry_point_url(a->word, url) == VN_OK || named;
    if (vn_entry_points_load(a->c.g.store, &all) != VN_OK)
        return vn_die("cannot read the store");
    for (size_t i = 0; named && i < all.n; i++) {
        if (strcmp(all.e[i].url, url) == 0 || vn_id_equal(&all.e[i].id, &id)) {
            vn_id_format(&all.e[i].id, a->about);
            return 0;
        }
    }
    return vn_die("there is no entry point %s (veilnet-guardian veil list shows them)", a->word);
}

static int find_id(struct vn_ask *a)
{
    struct vn_id id;
    if (vn_id_parse(VN_SPAN_STR(a->word), &id) != VN_OK)
        return vn_die("%s is no id: it has 22 characters (veilnet-guardian %s shows it)", a->word,
                      strcmp(a->about_what, "user") == 0 ? "user identities" : "api-token list");
    vn_id_format(&id, a->about);
    return 0;
}

int vn_ask_find_word(struct vn_ask *a)
{
    switch (a->verb->word) {
    case VN_ASK_A_USER:
        return vn_ask_find_user(a, a->word, a->about);
    case VN_ASK_AN_ORG:
        snprintf(a->about, sizeof(a->about), "%s", a->org_id);
        return 0;
    case VN_ASK_A_TEAM:
        return vn_ask_find_team(a, a->word, a->about);
    case VN_ASK_A_REALM:
        vn_id_format(&a->c.realm_id, a->about);
        return 0;
    case VN_ASK_A_NODE:
        return find_node(a);
    case VN_ASK_AN_ISSUER:
        return find_issuer(a);
    case VN_ASK_A_PROVIDER:
        return find_provider(a);
    case VN_ASK_AN_ENTRY:
        return find_entry(a);
    case VN_ASK_AN_ID:
        return find_id(a);
    case VN_ASK_NEW:
    case VN_ASK_NOTHING:
        break;
    }
    return 0;
}
