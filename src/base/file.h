/* Small files: read with a limit, write atomically (temporary file, fsync, rename, fsync of the
 * folder). */
#pragma once

#include <sys/types.h>

#include "base/buf.h"

/** Reads a whole file; VN_ERR_NOTFOUND, VN_ERR_LIMIT over buf->max, VN_ERR_IO. */
VN_MUST_CHECK vn_status vn_file_read(const char *path, struct vn_buf *ret);
/** After return either the old or the new content is on disk, never a mixture. The temporary file
 * has mode from the start. */
VN_MUST_CHECK vn_status vn_file_write_atomic(const char *path, struct vn_span content, mode_t mode);
/** Renames within a folder; after return the file has its new name on disk too. */
VN_MUST_CHECK vn_status vn_file_rename(const char *from, const char *to);
/** mkdir -p with this mode for the folders it makes, whose names are on disk after return. */
VN_MUST_CHECK vn_status vn_file_mkdirs(const char *path, mode_t mode);
