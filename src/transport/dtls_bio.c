#include "transport/dtls_bio.h"

#include <pthread.h>

/*
 * OpenSSL starts its explicit nonces at random and tells nobody where; ours must never repeat one
 * of them. Anything but a few records, counted up from there, ends the handshake.
 */
static void watch_nonce(struct vn_dtls_bio *b, const struct vn_dtls_record *r)
{
    if (!vn_dtls_record_is_sealed(r)) {
        b->strange = true;
        return;
    }
    const uint64_t nonce = vn_dtls_record_nonce(r);
    if (!b->has_nonce)
        b->first_nonce = nonce;
    b->has_nonce = true;
    if (nonce - b->first_nonce >= VN_DTLS_OURS_FROM || r->seq >= VN_DTLS_OURS_FROM)
        b->strange = true;
}

static void keep_flight(struct vn_dtls_bio *b, const struct vn_dtls_record *r)
{
    if (r->epoch == 0)
        b->flight_len = 0; /* a flight sent again has the same before its CCS */
    if (r->type != VN_DTLS_CCS && b->flight_len == 0)
        return;
    if (r->whole.n > sizeof(b->flight) - b->flight_len) {
        b->strange = true;
        return;
    }
    memcpy(b->flight + b->flight_len, r->whole.p, r->whole.n);
    b->flight_len += r->whole.n;
}

static int bio_write(BIO *bio, const char *p, int n)
{
    struct vn_dtls_bio *b = BIO_get_data(bio);
    if (n <= 0)
        return n;
    uint8_t *room = b->out.room(b->out.arg, (size_t)n);
    if (room) {
        memcpy(room, p, (size_t)n);
        b->out.keep(b->out.arg, (size_t)n);
    }
    struct vn_dgram rest = {(uint8_t *)(uintptr_t)p, (size_t)n}; /* is only read */
    struct vn_dtls_record r;
    while (rest.n > 0 && vn_dtls_record_cut(&rest, &r)) {
        if (r.epoch > 0)
            watch_nonce(b, &r);
        keep_flight(b, &r);
    }
    return n; /* a dropped datagram is lost on the way, as far as DTLS is concerned */
}

static int bio_read(BIO *bio, char *p, int n)
{
    struct vn_dtls_bio *b = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!b->in.p) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t take = VN_MIN(b->in.n, (size_t)VN_MAX(n, 0));
    memcpy(p, b->in.p, take);
    b->in = VN_SPAN_NONE;
    return (int)take;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio;
    (void)num;
    (void)ptr;
    /* Sizes are set on the SSL; there is nothing to flush here. */
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "veilnet datagrams");
    if (m && BIO_meth_set_write(m, bio_write) && BIO_meth_set_read(m, bio_read) &&
        BIO_meth_set_ctrl(m, bio_ctrl) && BIO_meth_set_create(m, bio_create)) {
        method = m;
        return;
    }
    BIO_meth_free(m);
}

BIO *vn_dtls_bio_new(struct vn_dtls_bio *b)
{
    BIO *bio = NULL;
    if (pthread_once(&method_once, make_method) == 0 && method)
        bio = BIO_new(method);
    if (bio)
        BIO_set_data(bio, b);
    return bio;
}
