#include "arguments.h"

#include <stdlib.h>

uint64_t sim_number(const char *text, uint64_t least, uint64_t most, void (*usage)(const char *),
                    const char *why)
{
    char *end;
    uint64_t v = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || v < least || v > most)
        usage(why);
    return v;
}
