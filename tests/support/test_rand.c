/* RAND_set_rand_method is deprecated in favour of providers, but still the one place all of OpenSSL
 * asks. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "support/test_rand.h"

#include <openssl/rand.h>
#include <stdlib.h>

#include "base/writer.h"
#include "crypto/kdf.h"

static struct {
    uint64_t seed, counter;
    struct vn_hash block;
    size_t used;
} stream;

static int stream_bytes(unsigned char *buf, int num)
{
    for (int i = 0; i < num; i++) {
        if (stream.used == stream.block.n) {
            uint8_t in[16];
            struct vn_writer w = vn_writer_of(in, sizeof(in));
            vn_write_u64(&w, stream.seed);
            vn_write_u64(&w, stream.counter++);
            if (vn_hash(VN_SHA256, VN_PARTS(VN_SPAN_ARRAY(in)), &stream.block) != VN_OK)
                return 0;
            stream.used = 0;
        }
        buf[i] = stream.block.b[stream.used++];
    }
    return 1;
}

static int ready(void)
{
    return 1;
}

void vn_test_rand_install(uint64_t seed)
{
    static const RAND_METHOD METHOD = {
        .bytes = stream_bytes,
        .pseudorand = stream_bytes,
        .status = ready,
    };
    stream.seed = seed;
    stream.counter = 0;
    stream.block.n = stream.used = 0;
    if (RAND_set_rand_method(&METHOD) != 1)
        abort();
}

void vn_test_rand_remove(void)
{
    if (RAND_set_rand_method(NULL) != 1)
        abort();
}
