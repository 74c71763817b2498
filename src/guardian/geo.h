/*
 * Where an address is, by a MaxMind DB file that the operator gives. The file is copied when it is
 * read, so nothing that is done to it afterwards (cut short, written over) is felt; a new one is
 * taken as soon as it is whole. Loop thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/country.h"
#include "base/id.h"
#include "base/status.h"

#define VN_GEO_BYTES_MAX (256u * 1024u * 1024u) /* of the file */

struct vn_geo_db;

/** Opens a database from a file's descriptor, which it copies and leaves open. VN_ERR_LIMIT: too
 * large; VN_ERR_MALFORMED: no MaxMind DB of addresses; VN_ERR_IO. */
VN_MUST_CHECK vn_status vn_geo_db_open(int fd, struct vn_geo_db **ret);
struct vn_geo_db *vn_geo_db_close(struct vn_geo_db *db); /* returns NULL */
/** ISO 3166-1 alpha-2; "" where the database does not say. Any bytes in the file are borne. */
void vn_geo_db_country(const struct vn_geo_db *db, const struct vn_ip *ip,
                       char ret[VN_COUNTRY_TEXT]);

struct vn_guardian;
struct vn_geo;

/** Reads the file that the settings name, if any, and looks every second whether it is another
 * one. A file that cannot be read is logged, and tried again; the one before stays. */
VN_MUST_CHECK vn_status vn_geo_new(struct vn_guardian *g, struct vn_geo **ret);
void vn_geo_free(struct vn_geo *geo);
/** "" without a database. */
void vn_geo_country(const struct vn_geo *geo, const struct vn_ip *ip, char ret[VN_COUNTRY_TEXT]);
