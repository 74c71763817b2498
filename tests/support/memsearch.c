/*
 * memsearch PID < SECRETS: looks for secrets in the memory of a process, which should be stopped.
 * SECRETS has one in hexadecimal a line, at least 16 bytes each. Freed memory has its first bytes
 * overwritten by malloc, and what was on a stack may be half gone; so any 16 bytes at a multiple of
 * 8 of a secret count. Prints for each place: line number (from 0), offset in the secret, address,
 * mapping; at the end "searched BYTES".
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW 16
#define BITS 20
#define SLOTS ((size_t)1 << BITS)
#define SECRET_MAX 8192
#define CHUNK ((size_t)1 << 20)
#define SHOWN_MAX 8 /* places of one secret that are printed */

struct window {
    uint8_t b[WINDOW];
    unsigned line, offset;
    struct window *next;
};

static struct window *slots[SLOTS];
static unsigned *shown;

static size_t slot_of(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return (size_t)((v * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - BITS));
}

/* What is mostly one byte is found anywhere. */
static int is_dull(const uint8_t *p)
{
    unsigned equal = 0;
    for (size_t i = 1; i < WINDOW; i++)
        equal += p[i] == p[i - 1];
    return equal > WINDOW / 2;
}

static void add(const uint8_t *secret, size_t n, unsigned line)
{
    for (size_t at = 0; at + WINDOW <= n; at += 8) {
        if (is_dull(secret + at))
            continue;
        struct window *w = malloc(sizeof(*w));
        if (!w)
            abort();
        struct window **slot = &slots[slot_of(secret + at)];
        *w = (struct window){.line = line, .offset = (unsigned)at, .next = *slot};
        memcpy(w->b, secret + at, WINDOW);
        *slot = w;
    }
}

static unsigned read_secrets(void)
{
    static char text[2 * SECRET_MAX + 2];
    static uint8_t bytes[SECRET_MAX];
    unsigned line = 0;
    for (; fgets(text, sizeof(text), stdin); line++) {
        size_t n = 0;
        unsigned v;
        while (n < sizeof(bytes) && sscanf(text + 2 * n, "%2x", &v) == 1)
            bytes[n++] = (uint8_t)v;
        if (n < WINDOW) {
            fprintf(stderr, "memsearch: line %u is too short\n", line);
            exit(2);
        }
        add(bytes, n, line);
    }
    return line;
}

static void look(const uint8_t *p, size_t n, uint64_t address, const char *name)
{
    for (size_t i = 0; i + WINDOW <= n; i++)
        for (const struct window *w = slots[slot_of(p + i)]; w; w = w->next)
            if (memcmp(w->b, p + i, WINDOW) == 0 && shown[w->line]++ < SHOWN_MAX)
                printf("%u %u %" PRIx64 " %s\n", w->line, w->offset, address + i, name);
}

int main(int argc, char **argv)
{
    char path[64], map[512];
    if (argc != 2)
        return 2;
    const unsigned count = read_secrets();
    shown = calloc(count + 1, sizeof(*shown));
    snprintf(path, sizeof(path), "/proc/%s/maps", argv[1]);
    FILE *maps = fopen(path, "re");
    snprintf(path, sizeof(path), "/proc/%s/mem", argv[1]);
    const int mem = open(path, O_RDONLY | O_CLOEXEC);
    static uint8_t buf[CHUNK + WINDOW];
    uint64_t searched = 0;
    if (!shown || !maps || mem < 0) {
        fprintf(stderr, "memsearch: %s: %s\n", path, strerror(errno));
        return 2;
    }
    while (fgets(map, sizeof(map), maps)) {
        uint64_t from, to;
        char rights[8], name[256] = "anonymous";
        if (sscanf(map, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %255s", &from, &to, rights, name) <
                3 ||
            rights[0] != 'r' || rights[1] != 'w')
            continue;
        /* Each piece begins before the end of the last: nothing hides on the border. */
        for (uint64_t at = from; at < to; at += CHUNK) {
            const size_t want = to - at < sizeof(buf) ? (size_t)(to - at) : sizeof(buf);
            const ssize_t n = pread(mem, buf, want, (off_t)at);
            if (n <= 0)
                break;
            look(buf, (size_t)n, at, name);
            searched += (uint64_t)n;
        }
    }
    printf("searched %" PRIu64 "\n", searched);
    return searched > 0 ? 0 : 2;
}
