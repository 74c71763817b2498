#include "support/light_node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/writer.h"
#include "crypto/rng.h"
#include "crypto/x509.h"

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "light node: %s failed\n", what);
    exit(1);
}

void light_node_done(struct light_node *n)
{
    n->identity = vn_sig_free(n->identity);
    n->nkey = vn_sig_free(n->nkey);
    n->session = vn_kem_free(n->session);
    vn_secret_strp(&n->tls_key);
    n->tls_key = NULL;
    free(n->csr);
    n->csr = NULL;
}

void light_node_make(struct light_node *n)
{
    light_node_done(n);
    must(vn_sig_generate(n->suite->sig, &n->identity) == VN_OK, "ML-DSA key");
    must(vn_rng_bytes(n->nkey_seed.b, 32) == VN_OK, "random");
    must(vn_sig_from_seed(VN_SIG_ED25519, VN_SPAN_ARRAY(n->nkey_seed.b), &n->nkey) == VN_OK,
         "nkey");
    must(vn_kem_generate(n->suite->kem, &n->session) == VN_OK, "KEM key");
    must(vn_tls_key_new(&n->tls_key) == VN_OK, "TLS key");
    must(vn_tls_csr(n->tls_key, "node", &n->csr, &n->csr_n) == VN_OK, "CSR");
    must(vn_node_id_of(vn_sig_pk(n->identity), &n->node) == VN_OK, "node id");
}

static uint64_t processor_ns(void)
{
    struct timespec t;
    must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0, "processor time");
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static vn_status sign(void *arg, const uint8_t nonce[32], const uint8_t binding[32],
                      const uint8_t token_hash[32], uint8_t *ret_sig, size_t *ret_sig_n,
                      uint8_t ret_nkey_sig[64])
{
    struct light_node *n = arg;
    uint8_t buf[16384];
    struct vn_writer w = vn_writer_of(buf, sizeof(buf));
    vn_write_bytes(&w, nonce, 32);
    vn_write_bytes(&w, binding, 32);
    vn_write_bytes(&w, token_hash, 32);
    vn_write_bytes(&w, n->realm.b, VN_ID_LEN);
    vn_write_block16(&w, vn_sig_pk(n->identity));
    vn_write_block16(&w, vn_kem_ek(n->session));
    vn_write_span(&w, vn_sig_pk(n->nkey));
    vn_write_block16(&w, VN_SPAN(n->csr, n->csr_n));
    *ret_sig_n = n->suite->sig_len;
    const uint64_t began_ns = processor_ns();
    vn_status st = vn_sig_sign(n->identity, "anchor-pop-v1", vn_writer_span(&w), ret_sig);
    n->signed_ns += processor_ns() - began_ns;
    n->signed_n++;
    return st == VN_OK ? vn_sig_sign(n->nkey, NULL, vn_writer_span(&w), ret_nkey_sig) : st;
}

struct vn_login_request light_node_login(struct light_node *n, bool renew)
{
    struct vn_login_request req = {
        .renew = renew,
        .sig_pk = vn_sig_pk(n->identity),
        .session_ek = vn_kem_ek(n->session),
        .csr = VN_SPAN(n->csr, n->csr_n),
        .sign = sign,
        .sign_arg = n,
    };
    memcpy(req.nkey_pk, vn_sig_pk(n->nkey).p, 32);
    return req;
}

/* ---- Master ---- */

static natsStatus give_jwt(char **jwt, char **err, void *arg)
{
    const struct vn_credentials *cred = arg;
    *err = NULL;
    *jwt = strdup(cred->nats_jwt);
    return *jwt ? NATS_OK : NATS_NO_MEMORY;
}

static natsStatus give_sig(char **err, unsigned char **sig, int *sig_n, const char *nonce,
                           void *arg)
{
    const struct light_node *n = arg;
    *err = NULL;
    *sig = malloc(64);
    *sig_n = 64;
    return *sig && vn_sig_sign(n->nkey, NULL, VN_SPAN_STR(nonce), *sig) == VN_OK ? NATS_OK
                                                                                 : NATS_ERR;
}

natsStatus light_node_connect(const struct light_node *n, const struct vn_credentials *cred,
                              void (*handlers)(natsOptions *o, void *arg), void *arg,
                              natsConnection **ret)
{
    *ret = NULL;
    natsOptions *o = NULL;
    must(natsOptions_Create(&o) == NATS_OK, "options");
    natsOptions_SetURL(o, cred->realm.master_urls[0]);
    natsOptions_SetAllowReconnect(o, false);
    natsOptions_SetSecure(o, true);
    must(natsOptions_SetCATrustedCertificates(o, cred->realm.master_ca_pem) == NATS_OK, "CA");
    must(natsOptions_SetCertificatesChain(o, cred->mtls_cert_pem, n->tls_key) == NATS_OK,
         "mTLS certificate");
    natsOptions_SetUserCredentialsCallbacks(o, give_jwt, (void *)cred, give_sig, (void *)n);
    if (handlers)
        handlers(o, arg);
    natsStatus st = natsConnection_Connect(ret, o);
    natsOptions_Destroy(o);
    return st;
}
