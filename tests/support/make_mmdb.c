/* make_mmdb FILE PREFIX=COUNTRY… writes a MaxMind DB file for the end-to-end tests. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "support/mmdb.h"

int main(int argc, char **argv)
{
    static struct mmdb_net nets[64];
    static char texts[64][64];
    size_t n = 0;
    struct vn_buf b;
    vn_buf_init(&b, 1u << 20);
    for (int i = 2; i < argc && n < VN_ARRAY_LEN(nets); i++, n++) {
        char *sign = strchr(argv[i], '=');
        if (!sign ||
            (size_t)snprintf(texts[n], sizeof(texts[n]), "%.*s", (int)(sign - argv[i]), argv[i]) >=
                sizeof(texts[n]) ||
            vn_prefix_parse(texts[n], &nets[n].prefix) != VN_OK) {
            fprintf(stderr, "make_mmdb: %s is no PREFIX=COUNTRY\n", argv[i]);
            return 2;
        }
        nets[n].country = sign + 1;
    }
    if (argc < 2)
        return 2;
    mmdb_write(nets, n, MMDB_ISO, &b);
    vn_status st = vn_file_write_atomic(argv[1], vn_buf_span(&b), 0644);
    vn_buf_done(&b);
    if (st != VN_OK)
        fprintf(stderr, "make_mmdb: cannot write %s\n", argv[1]);
    return st == VN_OK ? 0 : 1;
}
