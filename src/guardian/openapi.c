/* The OpenAPI 3.1 document, from the table that also dispatches and authorises. */
#include <string.h>

#include "guardian/http.h"
#include "guardian/routes.h"
#include "guardian/schemas.h"

#define SCHEMAS_MAX 128

/* ---- schemas ---- */

/* Those that were referred to, in the order in which they were met. */
struct used {
    const struct vn_schema *list[SCHEMAS_MAX];
    size_t n;
    bool too_many; /* the document would lack some */
};

static json_t *reference(struct used *u, const struct vn_schema *s)
{
    size_t i = 0;
    while (i < u->n && u->list[i] != s)
        i++;
    if (i == u->n) {
        if (u->n == SCHEMAS_MAX) {
            u->too_many = true;
            return NULL;
        }
        u->list[u->n++] = s;
    }
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%s", s->name));
}

static json_t *strings(void)
{
    return json_pack("{s:s, s:{s:s}}", "type", "array", "items", "type", "string");
}

static json_t *values(const char *list)
{
    json_t *a = json_array();
    while (a && *list) {
        const size_t n = strcspn(list, "|");
        json_array_append_new(a, json_stringn(list, n));
        list += n + (list[n] == '|');
    }
    return a;
}

static json_t *typed(struct used *u, const struct vn_member *m)
{
    switch (m->type) {
    case VN_MEMBER_STRING:
        return m->values ? json_pack("{s:s, s:o}", "type", "string", "enum", values(m->values))
                         : json_pack("{s:s}", "type", "string");
    case VN_MEMBER_INTEGER:
        return json_pack("{s:s, s:i}", "type", "integer", "minimum", 0);
    case VN_MEMBER_BOOLEAN:
        return json_pack("{s:s}", "type", "boolean");
    case VN_MEMBER_STRINGS:
        return strings();
    case VN_MEMBER_STRINGS_STAR:
        return json_pack("{s:[o, {s:s}]}", "oneOf", strings(), "const", "*");
    case VN_MEMBER_OBJECT:
        return reference(u, m->of);
    case VN_MEMBER_OBJECTS:
        return json_pack("{s:s, s:o}", "type", "array", "items", reference(u, m->of));
    }
    return NULL;
}

static json_t *object_schema(struct used *u, const struct vn_schema *s)
{
    json_t *properties = json_object(), *required = json_array();
    for (const struct vn_member *m = s->members; m->name; m++) {
        json_t *v = typed(u, m);
        if (m->nullable)
            v = json_pack("{s:[o, {s:s}]}", "oneOf", v, "type", "null");
        json_object_set_new(properties, m->name, v);
        if (m->required)
            json_array_append_new(required, json_string(m->name));
    }
    return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
                     required, "additionalProperties", s->open);
}

/* ---- operations ---- */

static const char *const METHODS[] = {
    [VN_WEB_GET] = "get", [VN_WEB_POST] = "post", [VN_WEB_DELETE] = "delete"};

static const char *scheme_of(enum vn_web_role role)
{
    switch (role) {
    case VN_WEB_PUBLIC:
        return NULL;
    case VN_WEB_REGISTRATION:
        return "registration";
    case VN_WEB_CONFLUX:
        return "conflux";
    default:
        return "access";
    }
}

static json_t *json_body(struct used *u, const struct vn_schema *s, const char *type)
{
    return json_pack("{s:{s:o}}", type, "schema", reference(u, s));
}

static json_t *answers(struct used *u, const struct vn_route *r)
{
    char status[8];
    snprintf(status, sizeof(status), "%u", r->status);
    json_t *good =
        json_pack("{s:s}", "description", r->answer || r->media ? "Done" : "Done; no body");
    if (r->answer)
        json_object_set_new(good, "content", json_body(u, r->answer, "application/json"));
    if (r->media)
        json_object_set_new(good, "content",
                            json_pack("{s:{s:{s:s}}}", r->media, "schema", "type", "string"));
    json_t *bad = json_pack("{s:s, s:o}", "description", "A sentence that names the fix", "content",
                            json_body(u, &vn_schema_problem, "application/problem+json"));
    return json_pack("{s:o, s:O, s:o}", status, good, "4XX", bad, "5XX", bad);
}

static json_t *parameters(const struct vn_route *r)
{
    json_t *a = json_array();
    for (const char *p = strchr(r->path, '{'); p; p = strchr(p + 1, '{'))
        json_array_append_new(a, json_pack("{s:s%, s:s, s:b, s:{s:s, s:s}}", "name", p + 1,
                                           strcspn(p + 1, "}"), "in", "path", "required", true,
                                           "schema", "type", "string", "pattern",
                                           "^[A-Za-z0-9_-]{22}$"));
    for (const struct vn_query_param *q = r->query; q && q->name; q++)
        json_array_append_new(a,
                              json_pack("{s:s, s:s, s:b, s:s, s:{s:s}}", "name", q->name, "in",
                                        "query", "required", q->required, "description", q->summary,
                                        "schema", "type", q->number ? "integer" : "string"));
    return a;
}

/* "post /conflux/{id}/taints" → "post_conflux_id_taints" */
static json_t *operation_id(const struct vn_route *r)
{
    char id[128];
    snprintf(id, sizeof(id), "%s%s", METHODS[r->method], r->path);
    size_t n = 0;
    for (const char *p = id; *p; p++) {
        if (*p != '{' && *p != '}')
            id[n++] = *p == '/' || *p == '.' || *p == '-' ? '_' : *p;
    }
    return json_stringn(id, n);
}

static json_t *operation(struct used *u, const struct vn_route *r)
{
    unsigned burst, per_1000s;
    vn_rates_limits(r->rate, &burst, &per_1000s);
    const char *scheme = scheme_of(r->role);
    json_t *security = json_array();
    if (scheme)
        json_array_append_new(security, json_pack("{s:[]}", scheme));
    json_t *o = json_pack("{s:o, s:s, s:o, s:o, s:o, s:s, s:{s:i, s:i, s:s}}", "operationId",
                          operation_id(r), "summary", r->summary, "security", security,
                          "parameters", parameters(r), "responses", answers(u, r), "x-veilnet-role",
                          vn_web_role_name(r->role), "x-veilnet-rate", "burst", (int)burst,
                          "per1000s", (int)per_1000s, "per", scheme ? "caller" : "address");
    if (r->body)
        json_object_set_new(o, "requestBody",
                            json_pack("{s:b, s:o}", "required", true, "content",
                                      json_body(u, r->body, "application/json")));
    return o;
}

static json_t *paths(struct used *u)
{
    json_t *o = json_object();
    for (size_t i = 0; i < vn_route_count; i++) {
        json_t *path = json_object_get(o, vn_routes[i].path);
        if (!path) {
            path = json_object();
            json_object_set_new(o, vn_routes[i].path, path);
        }
        json_object_set_new(path, METHODS[vn_routes[i].method], operation(u, &vn_routes[i]));
    }
    return o;
}

/* ---- the document ---- */

static json_t *bearer(const char *what)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "type", "http", "scheme", "bearer", "bearerFormat",
                     "JWT", "description", what);
}

json_t *vn_openapi(void)
{
    struct used u = {.n = 0};
    json_t *all = paths(&u), *schemas = json_object();
    for (size_t i = 0; i < u.n; i++) /* grows while it runs */
        json_object_set_new(schemas, u.list[i]->name, object_schema(&u, u.list[i]));
    if (u.too_many) {
        json_decref(all);
        json_decref(schemas);
        return NULL;
    }
    return json_pack(
        "{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:[{s:s}], s:o, s:{s:o, s:{s:o, s:o, s:o}}}",
        "openapi", "3.1.0", "info", "title", "VeilNet Guardian", "version", VN_VERSION,
        "description", "Authentication and authorisation of VeilNet networks.", "license", "name",
        "Apache-2.0", "identifier", "Apache-2.0", "servers", "url", "/", "paths", all, "components",
        "schemas", schemas, "securitySchemes", "access", bearer("Access token of POST /auth/login"),
        "registration", bearer("Registration token, without the vn1 text around it"), "conflux",
        bearer("Conflux token, without the vc1 text around it"));
}

void vn_route_openapi(struct vn_request *r)
{
    json_t *o = vn_openapi();
    if (o)
        vn_request_reply(r, 200, o);
    else
        vn_request_fail(r, VN_ERR_NOMEM, "openapi");
}
