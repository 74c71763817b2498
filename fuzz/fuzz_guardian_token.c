/* What Guardian reads of a stranger's request: bearer tokens, and the texts inside a body. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guardian/address.h"
#include "guardian/http.h"
#include "guardian/taints.h"
#include "guardian/token.h"
#include "support/fuzz.h"

/* Taints that were read and written again are the same set. */
static void check_taints(const char *text)
{
    struct vn_taint_set a, b;
    char again[VN_TAINTS_TEXT];
    if (vn_taints_parse(text, &a) != VN_OK)
        return;
    vn_taints_format(&a, again);
    FUZZ_ASSERT(vn_taints_parse(again, &b) == VN_OK && vn_taints_equal(&a, &b));
}

static void check_body(const char *text, size_t n)
{
    char why[160];
    VN_CLEANUP(vn_json_freep) json_t *o = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    for (size_t i = 0; o && i < vn_route_count; i++)
        if (vn_routes[i].body)
            (void)!vn_json_check(o, vn_routes[i].body, why, sizeof(why));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct vn_secret32 SECRET;
    static struct vn_token_keys keys;
    static bool ready;
    if (!ready)
        ready = vn_token_keys_derive(&SECRET, &keys) == VN_OK;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    struct vn_token t;
    /* The secret is known here, so that the fuzzer's corpus may hold tokens that pass; none of a
     * wrong type does. */
    int passed = 0;
    for (int type = 0; type < VN_TOKEN_TYPES; type++)
        passed += vn_token_check(&keys, (enum vn_token_type)type, text, 1, &t) == VN_OK;
    FUZZ_ASSERT(passed <= 1);
    char host[VN_HOST_MAX];
    uint16_t port;
    struct vn_id ids[2];
    unsigned allowed;
    (void)!vn_host_port_parse(text, host, &port);
    (void)vn_route_find(VN_WEB_GET, text, ids, &allowed);
    check_taints(text);
    check_body(text, size);
    free(text);
    return 0;
}
