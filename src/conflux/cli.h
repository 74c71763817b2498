/* What the verbs share: state folder, printing, failing. */
#pragma once

#include <jansson.h>

#include "conflux/client.h"
#include "conflux/config.h"
#include "conflux/options.h"

struct vn_cli {
    struct vn_options o;
    const char *state_dir;
};

/* One function per verb; each returns an exit code. */
int vn_cmd_register(struct vn_cli *c);
int vn_cmd_unregister(struct vn_cli *c);
int vn_cmd_up(struct vn_cli *c);
int vn_cmd_down(struct vn_cli *c);
int vn_cmd_run(struct vn_cli *c);
int vn_cmd_status(struct vn_cli *c);
int vn_cmd_info(struct vn_cli *c);
int vn_cmd_netcheck(struct vn_cli *c);
int vn_cmd_peers(struct vn_cli *c);
int vn_cmd_ping(struct vn_cli *c);
int vn_cmd_routes(struct vn_cli *c);
int vn_cmd_explain(struct vn_cli *c);
int vn_cmd_relays(struct vn_cli *c);
int vn_cmd_taint(struct vn_cli *c);
int vn_cmd_version(struct vn_cli *c);

/** Prints one sentence (with --json an object) and returns code. */
int vn_cli_fail(const struct vn_cli *c, enum vn_exit code, const char *format, ...) VN_PRINTF(3, 4);
/** Prints an object, takes the reference, returns VN_EXIT_OK. */
int vn_cli_print(json_t *o);
/** Asks the daemon; prints why not. NULL then, and *ret_exit is set. */
Vn__Local__Response *vn_cli_ask(const struct vn_cli *c, Vn__Local__Request *request, int timeout_ms,
                                int *ret_exit);
/** The status of the running daemon. NULL: *ret_exit is set, and why was printed unless quiet. */
Vn__Local__Response *vn_cli_status(const struct vn_cli *c, bool quiet, int *ret_exit);
/** Loads the configuration that counts, and lays the options over it. An exit code; 0 is success.
 */
int vn_cli_config(const struct vn_cli *c, struct vn_conflux_config *ret);
/** Options that are settings, into a configuration. */
void vn_cli_settings(const struct vn_cli *c, struct vn_conflux_config *ret);
/** The token that was given: option, file, standard input or environment. An exit code; 0 is
 * success. The text of it is wiped. */
int vn_cli_token(struct vn_cli *c, struct vn_join *ret);
/** Saved guardians: those of -g, else those of the token. An exit code; 0 is success. */
int vn_cli_guardian(const struct vn_cli *c, const struct vn_join *token,
                    struct vn_guardian_address *ret);
/** Ends the daemon of this state folder, if one runs, and waits until it is gone. */
void vn_cli_stop(const struct vn_cli *c);
/** Runs the node of a configuration in the foreground. */
int vn_cli_run(const struct vn_cli *c, const struct vn_conflux_config *config);
/** The command that would start the node, as the user would type it. */
void vn_cli_run_line(const struct vn_cli *c, char *ret, size_t cap);
/** "3 s", "2 min", "5 h" */
void vn_cli_duration(uint64_t ms, char ret[32]);
/** "12.3 MB" */
void vn_cli_bytes(uint64_t n, char ret[32]);
json_t *vn_cli_strings(char *const *list, size_t n);
json_t *vn_cli_relays(Vn__Local__Relay *const *list, size_t n);
