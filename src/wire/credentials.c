#include "wire/credentials.h"

#include <stdlib.h>

#include "base/secret.h"

static void blob_done(struct vn_blob *b)
{
    free(b->p);
    *b = (struct vn_blob){0};
}

struct vn_credentials *vn_credentials_free(struct vn_credentials *c)
{
    if (!c)
        return NULL;
    blob_done(&c->certificate);
    blob_done(&c->statement);
    if (c->other_keys.p)
        vn_wipe(c->other_keys.p, c->other_keys.n);
    blob_done(&c->other_keys);
    free(c->mtls_cert_pem);
    free(c->nats_jwt);
    for (size_t i = 0; i < c->revocation_count; i++)
        blob_done(&c->revocations[i]);
    free(c->quarantine.addrs);
    blob_done(&c->realm.guardian_ek);
    blob_done(&c->realm.root_cert);
    blob_done(&c->realm.issuing_cert);
    blob_done(&c->realm.command_cert);
    for (size_t i = 0; i < VN_ARRAY_LEN(c->realm.master_urls); i++)
        free(c->realm.master_urls[i]);
    free(c->realm.master_ca_pem);
    /* identity keys, hour keys, the name key and credentials of TURN lie in the object itself */
    vn_wipe(c, sizeof(*c));
    free(c);
    return NULL;
}

void vn_credentials_freep(struct vn_credentials **c)
{
    *c = vn_credentials_free(*c);
}
