/* A MaxMind DB file: whatever is in it, an address is in a country, or in none. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/attr.h"
#include "guardian/geo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const ADDRESSES[] = {"192.0.2.1", "192.0.2.200", "255.255.255.255",
                                            "2001:db8::1", "::"};
    struct vn_geo_db *db;
    const int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0)
        abort();
    const bool whole = size == 0 || write(fd, data, size) == (ssize_t)size;
    vn_status st = whole ? vn_geo_db_open(fd, &db) : VN_ERR_IO;
    close(fd);
    for (size_t i = 0; st == VN_OK && i < VN_ARRAY_LEN(ADDRESSES); i++) {
        char country[VN_COUNTRY_TEXT];
        struct vn_ip ip;
        if (vn_ip_parse(ADDRESSES[i], &ip) != VN_OK)
            abort();
        vn_geo_db_country(db, &ip, country);
        if (country[0] && !vn_country_valid(country))
            abort();
    }
    if (st == VN_OK)
        vn_geo_db_close(db);
    return 0;
}
