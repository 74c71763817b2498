#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/secret.h"
#include "conflux/option_row.h"

static const struct vn_option_row *by_name(const char *name, size_t n)
{
    for (size_t i = 0; i < VN_OPTION_END; i++) {
        if (strlen(vn_option_rows[i].name) == n && strncmp(vn_option_rows[i].name, name, n) == 0)
            return &vn_option_rows[i];
    }
    return NULL;
}

static const struct vn_option_row *by_letter(char c)
{
    for (size_t i = 0; i < VN_OPTION_END; i++) {
        if (vn_option_rows[i].letter && vn_option_rows[i].letter == c)
            return &vn_option_rows[i];
    }
    return NULL;
}

struct parse {
    struct vn_options *o;
    char *error;
    bool seen[VN_OPTION_END]; /* options on the line */
};

static vn_status bad(const struct parse *p, const char *format, const char *what)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(p->error, 256, format, what);
#pragma GCC diagnostic pop
    return VN_ERR_ARG;
}

static vn_status exhausted(const struct parse *p)
{
    (void)bad(p, "%s", "out of memory");
    return VN_ERR_NOMEM;
}

static vn_status take_option(struct parse *p, const struct vn_option_row *opt, char *value)
{
    p->seen[opt->id] = true;
    if (vn_option_set(p->o, opt, value))
        return VN_OK;
    if (p->o->exhausted)
        return exhausted(p);
    char text[224];
    snprintf(text, sizeof(text), "--%s %s is missing or out of range: %s", opt->name,
             opt->value ? opt->value : "", opt->help);
    return bad(p, "the value of %s", text);
}

static vn_status take_long(struct parse *p, char **argv, int argc, int *i)
{
    char *arg = argv[*i] + 2;
    const size_t n = strcspn(arg, "=");
    const struct vn_option_row *opt = by_name(arg, n);
    if (!opt)
        return bad(p, "there is no option %s: veilnet-conflux help lists them", argv[*i]);
    if (opt->kind == VN_VALUE_FLAG)
        return arg[n] ? bad(p, "option --%s takes no value", opt->name) : take_option(p, opt, NULL);
    if (arg[n] == '=')
        return take_option(p, opt, arg + n + 1);
    if (opt->kind == VN_VALUE_OPTIONAL && (*i + 1 >= argc || argv[*i + 1][0] == '-'))
        return take_option(p, opt, NULL);
    if (*i + 1 >= argc)
        return bad(p, "option --%s needs a value", opt->name);
    return take_option(p, opt, argv[++*i]);
}

static vn_status take_short(struct parse *p, char **argv, int argc, int *i)
{
    for (char *c = argv[*i] + 1; *c; c++) {
        const struct vn_option_row *opt = by_letter(*c);
        if (!opt)
            return bad(p, "there is no option %s: veilnet-conflux help lists them", argv[*i]);
        if (opt->kind == VN_VALUE_FLAG) {
            const vn_status st = take_option(p, opt, NULL);
            if (st != VN_OK)
                return st;
            continue;
        }
        if (c[1])
            return take_option(p, opt, c + 1);
        if (*i + 1 >= argc)
            return bad(p, "option --%s needs a value", opt->name);
        return take_option(p, opt, argv[++*i]);
    }
    return VN_OK;
}

static vn_status take_word(struct parse *p, const char *word)
{
    struct vn_options *o = p->o;
    if (!o->verb) {
        o->verb = vn_verb_of(word);
        return o->verb ? VN_OK
                       : bad(p, "there is no verb '%s': veilnet-conflux help lists them", word);
    }
    if (o->word_count == VN_OPT_WORDS_MAX)
        return bad(p, "too many words after '%s'", vn_verb_name(o->verb));
    o->words[o->word_count++] = word;
    return VN_OK;
}

static vn_status take_environment(struct parse *p)
{
    for (size_t i = 0; i < VN_OPTION_END; i++) {
        const struct vn_option_row *opt = &vn_option_rows[i];
        for (size_t k = 0; k < VN_ARRAY_LEN(opt->env) && opt->env[k]; k++) {
            if (opt->id == VN_OPTION_TOKEN && (k == 0) != (p->o->verb == VN_VERB_REGISTER))
                continue;
            char *value = getenv(opt->env[k]);
            if (!value || !*value)
                continue;
            const bool given = p->seen[opt->id] ||
                               (opt->id == VN_OPTION_IDLE_MS && p->o->has_idle) ||
                               (opt->id == VN_OPTION_TOKEN && p->o->token_file);
            if (opt->kind == VN_VALUE_FLAG && strcmp(value, "0") == 0)
                continue;
            if (!given && opt->verbs & p->o->verb && !vn_option_set(p->o, opt, value))
                return p->o->exhausted
                           ? exhausted(p)
                           : bad(p, "the value of %s in the environment is out of range",
                                 opt->env[k]);
            if (opt->kind == VN_VALUE_SECRET)
                memset(value, 'x', strlen(value));
            if (!given)
                break;
        }
    }
    return VN_OK;
}

static vn_status check_verb(const struct parse *p)
{
    const enum vn_verb v = p->o->verb;
    if (!v) {
        if (p->o->help)
            return VN_OK;
        return bad(p, "say what to do: %s", "veilnet-conflux help lists the verbs");
    }
    for (size_t i = 0; i < VN_OPTION_END; i++) {
        if (p->seen[vn_option_rows[i].id] && !(vn_option_rows[i].verbs & v)) {
            char text[96];
            snprintf(text, sizeof(text), "'%s' takes no option --%s", vn_verb_name(v),
                     vn_option_rows[i].name);
            return bad(p, "%s", text);
        }
    }
    if (p->o->word_count && !(v & (VN_VERB_INFO | VN_VERB_PING | VN_VERB_TAINT | VN_VERB_EXPLAIN |
                                   VN_VERB_RELAYS | VN_VERB_HELP)))
        return bad(p, "the word '%s' is too much", p->o->words[0]);
    return VN_OK;
}

/* One id in 64 begins with a hyphen. */
static bool is_node_id(const struct parse *p, const char *arg)
{
    struct vn_id id;
    return (p->o->verb & (VN_VERB_PING | VN_VERB_EXPLAIN | VN_VERB_RELAYS)) &&
           vn_id_parse(VN_SPAN_STR(arg), &id) == VN_OK;
}

vn_status vn_options_parse(int argc, char **argv, struct vn_options *ret, char ret_error[256])
{
    *ret = (struct vn_options){.count = 4, .interval_ms = 1000, .wait_ms = 5000};
    struct parse p = {.o = ret, .error = ret_error};
    vn_status st = VN_OK;
    bool words_only = false;
    for (int i = 1; i < argc && st == VN_OK; i++) {
        char *a = argv[i];
        if (words_only || a[0] != '-' || !a[1] || is_node_id(&p, a))
            st = take_word(&p, a);
        else if (strcmp(a, "--") == 0)
            words_only = true;
        else if (a[1] == '-')
            st = take_long(&p, argv, argc, &i);
        else
            st = take_short(&p, argv, argc, &i);
    }
    if (st == VN_OK)
        st = check_verb(&p);
    if (st == VN_OK && ret->verb)
        st = take_environment(&p);
    return st;
}

void vn_options_done(struct vn_options *o)
{
    vn_secret_strp(&o->token);
    vn_secret_strp(&o->jwt);
    for (size_t i = 0; i < o->piece_count; i++)
        free(o->pieces[i]);
    o->piece_count = 0;
}
