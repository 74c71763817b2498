#include <errno.h>
#include <fcntl.h>
#include <maxminddb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guardian/geo.h"

struct vn_geo_db {
    MMDB_s mmdb;
    int fd; /* of our copy */
};

/* Into memory that nobody else can write or cut: libmaxminddb maps what it opens, and a mapped file
 * that becomes shorter ends the process. */
static vn_status copy(int from, int *ret)
{
    struct stat st;
    if (fstat(from, &st) != 0 || !S_ISREG(st.st_mode))
        return VN_ERR_IO;
    if (st.st_size <= 0 || (uint64_t)st.st_size > VN_GEO_BYTES_MAX)
        return st.st_size > 0 ? VN_ERR_LIMIT : VN_ERR_MALFORMED;
    const int fd = memfd_create("veilnet-geo", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return VN_ERR_IO;
    off_t at = 0;
    ssize_t n = 1;
    while (at < st.st_size && n > 0) {
        n = sendfile(fd, from, &at, (size_t)(st.st_size - at));
        if (n < 0 && errno == EINTR)
            n = 1;
    }
    /* It became shorter meanwhile: whoever writes it is not done. */
    vn_status r = n < 0 ? VN_ERR_IO : at < st.st_size ? VN_ERR_MALFORMED : VN_OK;
    if (r == VN_OK &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
        r = VN_ERR_IO;
    if (r == VN_OK)
        *ret = fd;
    else
        close(fd);
    return r;
}

vn_status vn_geo_db_open(int fd, struct vn_geo_db **ret)
{
    struct vn_geo_db *db = calloc(1, sizeof(*db));
    if (!db)
        return VN_ERR_NOMEM;
    vn_status st = copy(fd, &db->fd);
    if (st != VN_OK) {
        free(db);
        return st;
    }
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", db->fd);
    const int rc = MMDB_open(path, MMDB_MODE_MMAP, &db->mmdb);
    if (rc != MMDB_SUCCESS) {
        close(db->fd);
        free(db);
        return rc == MMDB_OUT_OF_MEMORY_ERROR                      ? VN_ERR_NOMEM
               : rc == MMDB_FILE_OPEN_ERROR || rc == MMDB_IO_ERROR ? VN_ERR_IO
                                                                   : VN_ERR_MALFORMED;
    }
    *ret = db;
    return VN_OK;
}

struct vn_geo_db *vn_geo_db_close(struct vn_geo_db *db)
{
    if (!db)
        return NULL;
    MMDB_close(&db->mmdb);
    close(db->fd);
    free(db);
    return NULL;
}

/* A text of two letters at this path of the entry. */
static bool letters(const MMDB_entry_s *entry, const char *const *path, char ret[VN_COUNTRY_TEXT])
{
    MMDB_entry_s at = *entry;
    MMDB_entry_data_s d;
    if (MMDB_aget_value(&at, &d, path) != MMDB_SUCCESS || !d.has_data ||
        d.type != MMDB_DATA_TYPE_UTF8_STRING || d.data_size != 2)
        return false;
    memcpy(ret, d.utf8_string, 2);
    ret[2] = 0;
    if (vn_country_valid(ret))
        return true;
    ret[0] = 0;
    return false;
}

void vn_geo_db_country(const struct vn_geo_db *db, const struct vn_ip *ip,
                       char ret[VN_COUNTRY_TEXT])
{
    /* Where MaxMind, DB-IP and IP2Location have it, and where IPinfo has. */
    static const char *const ISO[] = {"country", "iso_code", NULL};
    static const char *const PLAIN[] = {"country", NULL};
    static const char *const CODE[] = {"country_code", NULL};
    static const char *const *const PATHS[] = {ISO, PLAIN, CODE};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    const bool is_v4 = vn_ip_is_v4(ip);
    int rc;
    ret[0] = 0;
    if (is_v4)
        memcpy(&v4.sin_addr, ip->b + 12, 4);
    else
        memcpy(&v6.sin6_addr, ip->b, 16);
    const struct sockaddr *sa = is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
    MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&db->mmdb, sa, &rc);
    if (rc != MMDB_SUCCESS || !found.found_entry)
        return;
    for (size_t i = 0; i < VN_ARRAY_LEN(PATHS); i++)
        if (letters(&found.entry, PATHS[i], ret))
            return;
}
