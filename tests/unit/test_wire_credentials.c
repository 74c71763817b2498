#include <stdlib.h>

#include "support/test.h"
#include "wire/credentials.h"

static struct vn_blob blob(const char *text)
{
    return (struct vn_blob){(uint8_t *)strdup(text), strlen(text)};
}

/* ASan's leak check is the assertion. */
static void test_free_frees_everything(void **state)
{
    (void)state;
    struct vn_credentials *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->certificate = blob("certificate");
    c->statement = blob("statement");
    c->mtls_cert_pem = strdup("pem");
    c->nats_jwt = strdup("jwt");
    c->realm.guardian_ek = blob("ek");
    c->realm.root_cert = blob("root");
    c->realm.issuing_cert = blob("issuing");
    c->realm.command_cert = blob("command");
    for (size_t i = 0; i < VN_ARRAY_LEN(c->realm.master_urls); i++)
        c->realm.master_urls[i] = strdup("tls://host:4222");
    c->realm.master_ca_pem = strdup("ca");
    vn_credentials_freep(&c);
    assert_null(c);
}

static void test_free_of_nothing_and_half(void **state)
{
    (void)state;
    assert_null(vn_credentials_free(NULL));
    struct vn_credentials *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    c->realm.master_urls[3] = strdup("tls://host:4222"); /* the count may not be set yet */
    assert_null(vn_credentials_free(c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_free_frees_everything),
        cmocka_unit_test(test_free_of_nothing_and_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
