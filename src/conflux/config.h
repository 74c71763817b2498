/*
 * What is on disk: conflux.json (from register) and up.json (from up) in the state folder, mode
 * 0600, written atomically. A conflux token and settings, nothing else. When both exist up.json
 * counts: it came later, and `down` takes it away.
 */
#pragma once

#include "base/country.h"
#include "base/ifname_list.h"
#include "base/limits.h"
#include "base/route_rule.h"
#include "control/join_token.h"
#include "ports/tether.h"

struct vn_conflux_config {
    struct vn_guardian_address guardian;
    char token[VN_JOIN_JWT_MAX + 1]; /* conflux token, a secret */
    struct vn_id conflux_id, realm;
    unsigned suite; /* enum vn_suite */
    char realm_name[64];
    char tag[64];
    struct vn_ip ip4, ip6; /* as registered; up.json does not know them: zero */

    /* settings; zero or empty: the default */
    char interface[16];
    uint16_t mtu_bytes;
    uint32_t idle_ms;
    size_t workers; /* at most VN_WORKERS_MAX */
    enum vn_candidate_filter candidates;
    char not_over[VN_IFNAMES_TEXT];

    uint16_t public_port; /* registered with --public: answers members there; 0: not */
    bool no_relay;
    char via[VN_CIRCUIT_RELAYS_MAX][VN_VIA_NAME_MAX];
    size_t via_count;
    char keep_warm[VN_KEEP_WARM_MAX][VN_VIA_NAME_MAX];
    size_t keep_warm_count;
    struct vn_countries avoid_countries, prefer_countries; /* of relays */
    struct vn_route_rules relay_rules;
};

enum vn_config_file { VN_CONFIG_REGISTERED, VN_CONFIG_UP };

#define VN_STATE_DIR "/root/.config/conflux"
#define VN_PATH_MAX 512

/** "<state_dir>/<name>"; false when too long. */
VN_MUST_CHECK bool vn_state_path(const char *state_dir, const char *name, char ret[VN_PATH_MAX]);
const char *vn_config_name(enum vn_config_file which);

/** Makes the folder, 0700. */
VN_MUST_CHECK vn_status vn_config_save(const char *state_dir, enum vn_config_file which,
                                       const struct vn_conflux_config *c);
/** VN_ERR_NOTFOUND, VN_ERR_MALFORMED, VN_ERR_IO. */
VN_MUST_CHECK vn_status vn_config_load(const char *state_dir, enum vn_config_file which,
                                       struct vn_conflux_config *ret);
/** The file that counts, and which it was. */
VN_MUST_CHECK vn_status vn_config_load_any(const char *state_dir, struct vn_conflux_config *ret,
                                           enum vn_config_file *ret_which);
/** Removing what is not there is fine. */
VN_MUST_CHECK vn_status vn_config_remove(const char *state_dir, enum vn_config_file which);
/** For VN_CLEANUP. */
void vn_config_wipe(struct vn_conflux_config *c);

/** The text of a file and back. */
VN_MUST_CHECK vn_status vn_config_format(const struct vn_conflux_config *c, char **ret);
VN_MUST_CHECK vn_status vn_config_parse(struct vn_span text, struct vn_conflux_config *ret);
