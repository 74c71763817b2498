/* Passwords on the pool, and sign-ins: what account routes share. */
#pragma once

#include "guardian/http.h"
#include "guardian/password.h"

#define VN_PASSWORD_MIN 12

/** One check of a password, making of one, or both, in that order. Holds secrets: wiped at its end.
 */
struct vn_password_job {
    struct vn_user_record user;
    bool known; /* there is such a user */
    bool check; /* `given` against user.password */
    char given[VN_PASSWORD_MAX + 1];
    char made[VN_PASSWORD_MAX + 1];  /* to hash; empty: none */
    char hash[VN_PASSWORD_HASH_MAX]; /* of made */
    struct vn_guardian *counted;     /* among its passwords_running; NULL: not yet */
    vn_status result;
    /** Answers. The job is freed behind it. */
    void (*then)(struct vn_request *r, struct vn_password_job *j);
};
/** NULL after answering. */
struct vn_password_job *vn_password_job(struct vn_request *r);
/** Runs take on the pool, then its `then`, unless it fails or too many run: answers then. */
void vn_password_run(struct vn_request *r, struct vn_password_job *take);
/** Long enough, not too long. Returns false after answering. */
bool vn_password_fits(struct vn_request *r, const char *password);

/** Answers with a new sign-in of the user. */
void vn_sign_in(struct vn_request *r, const struct vn_user_record *u);

/** Whom the route is about: the user of the path's {id} where it is for superusers, else who calls.
 * Returns false after answering. */
bool vn_request_about_user(struct vn_request *r, struct vn_user_record *ret);
/** Whether who calls has shown lately who they are: what outlasts a sign-in takes more than a token
 * that somebody may have copied. Returns false after answering. */
bool vn_signed_in_lately(struct vn_request *r);
json_t *vn_user_json(const struct vn_user_record *u);
struct vn_identity_record;
json_t *vn_identity_json(const struct vn_identity_record *i);
/** 1 to 64 characters a-z 0-9 . _ @ + -, the first a letter or digit. */
bool vn_user_name_valid(const char *name);
/** Up to VN_DISPLAY_NAME_MAX bytes of UTF-8 without control characters. */
bool vn_display_name_valid(const char *name);
