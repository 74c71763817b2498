#include "guardian/admission.h"

#include "base/log.h"
#include "guardian/geo.h"
#include "guardian/http.h"

static bool read_countries(struct vn_request *r, const json_t *list, struct vn_admission *a)
{
    a->some_countries = !json_is_string(list); /* "*" */
    a->countries.n = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));
        struct vn_countries *c = &a->countries;
        if (!vn_country_valid(one)) {
            vn_request_error(r, 400, "%.20s is no country: write two letters, such as DE", one);
            return false;
        }
        if (vn_countries_has(c, one))
            continue;
        if (c->n == VN_COUNTRIES_MAX) {
            vn_request_error(r, 400, "a realm names at most %d countries", VN_COUNTRIES_MAX);
            return false;
        }
        snprintf(c->c[c->n++], VN_COUNTRY_TEXT, "%s", one);
    }
    return true;
}

bool vn_admission_read(struct vn_request *r, struct vn_admission *a)
{
    const json_t *approval = json_object_get(r->body, "approval");
    const json_t *shown = json_object_get(r->body, "country_shown");
    const json_t *countries = json_object_get(r->body, "countries");
    const char *unknown = vn_request_text(r, "unknown_country");
    if (approval)
        a->approval = json_is_true(approval);
    if (shown)
        a->show_country = json_is_true(shown);
    if (unknown)
        a->refuse_unknown = strcmp(unknown, "refuse") == 0;
    return !countries || read_countries(r, countries, a);
}

int vn_admission_json(const struct vn_admission *a, json_t *o)
{
    json_t *countries = a->some_countries ? json_array() : json_string("*");
    int bad = 0;
    for (size_t i = 0; i < a->countries.n; i++)
        bad |= json_array_append_new(countries, json_string(a->countries.c[i]));
    bad |= json_object_set_new(o, "countries", countries);
    bad |= json_object_set_new(o, "approval", json_boolean(a->approval));
    bad |= json_object_set_new(o, "unknown_country",
                               json_string(a->refuse_unknown ? "refuse" : "admit"));
    return bad | json_object_set_new(o, "country_shown", json_boolean(a->show_country));
}

bool vn_admission_check(struct vn_request *r, const struct vn_realm *realm,
                        char ret_country[VN_COUNTRY_TEXT])
{
    const struct vn_admission *a = &realm->r.admission;
    char text[VN_IP_TEXT] = "?", list[VN_COUNTRIES_TEXT];
    struct vn_ip ip;
    ret_country[0] = 0;
    if (vn_request_peer(r, &ip) == VN_OK) {
        vn_geo_country(r->g->geo, &ip, ret_country);
        vn_ip_format(&ip, text);
    }
    if (!a->some_countries || vn_countries_has(&a->countries, ret_country) ||
        (!ret_country[0] && !a->refuse_unknown))
        return true;
    vn_countries_format(&a->countries, list);
    vn_log(VN_LOG_INFO, "country_refused", VN_KV_STR("realm", realm->r.name),
           VN_KV_STR("subject", r->conflux.tag),
           VN_KV_STR("detail", ret_country[0] ? ret_country : "unknown"));
    vn_request_error(r, VN_WEB_WAIT,
                     "realm %s lets in who comes from %s: your address %s is %s%s; ask an "
                     "administrator, or go there",
                     realm->r.name, list[0] ? list : "nowhere", text,
                     ret_country[0] ? "in " : "in no country that is known", ret_country);
    return false;
}
