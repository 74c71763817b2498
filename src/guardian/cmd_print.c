/* What Guardian answered, on a terminal: much of it was said by nodes and users. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/attr.h"
#include "guardian/cmd_admin.h"
#include "guardian/options.h"

#define COLUMNS_MAX 16
#define CELL_MAX 2048

static void format_time(uint64_t ms, char ret[32])
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(ret, 32, "%Y-%m-%d %H:%MZ", &tm);
}

void vn_admin_print_time(uint64_t ms)
{
    char text[32];
    format_time(ms, text);
    fputs(text, stdout);
}

/* "a,b". Returns false for what is no list of words. */
static bool join(const json_t *v, char ret[CELL_MAX])
{
    size_t n = 0;
    ret[0] = 0;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *word = json_string_value(json_array_get(v, i));
        if (!word || n + strlen(word) + 2 > CELL_MAX)
            return false;
        n += (size_t)snprintf(ret + n, CELL_MAX - n, "%s%s", i ? "," : "", word);
    }
    return n > 0;
}

/* As text; of what has members and is no list of words, their number. */
static void format(const char *name, const json_t *v, char ret[CELL_MAX])
{
    const size_t n = strlen(name);
    if (join(v, ret))
        return;
    if (json_is_string(v))
        snprintf(ret, CELL_MAX, "%s", json_string_value(v));
    else if (json_is_integer(v) && n > 3 && strcmp(name + n - 3, "_at") == 0)
        format_time((uint64_t)json_integer_value(v), ret);
    else if (json_is_integer(v))
        snprintf(ret, CELL_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_array(v) || json_is_object(v))
        snprintf(ret, CELL_MAX, "%zu", json_is_array(v) ? json_array_size(v) : json_object_size(v));
    else
        snprintf(ret, CELL_MAX, "%s", json_is_true(v) ? "yes" : json_is_false(v) ? "no" : "none");
}

/* ---- a list of objects: a table ---- */

static size_t width_of(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80; /* the first byte of each character */
    return n;
}

static void print_cell(const char *text, size_t width, bool last)
{
    vn_print_text(stdout, text);
    const size_t n = width_of(text);
    if (!last)
        printf("%*s", (int)(width > n ? width - n : 0) + 2, "");
}

/* The first item's members name the columns. */
static void print_table(const json_t *items)
{
    const char *names[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX], count = 0;
    char cell[CELL_MAX];
    const char *name;
    json_t *v;
    json_object_foreach(json_array_get(items, 0), name, v)
    {
        if (count < COLUMNS_MAX)
            names[count++] = name;
    }
    for (size_t c = 0; c < count; c++) {
        widths[c] = width_of(names[c]);
        for (size_t i = 0; i < json_array_size(items); i++) {
            format(names[c], json_object_get(json_array_get(items, i), names[c]), cell);
            widths[c] = VN_MAX(widths[c], width_of(cell));
        }
        print_cell(names[c], widths[c], c + 1 == count);
    }
    putchar('\n');
    for (size_t i = 0; i < json_array_size(items); i++) {
        for (size_t c = 0; c < count; c++) {
            format(names[c], json_object_get(json_array_get(items, i), names[c]), cell);
            print_cell(cell, widths[c], c + 1 == count);
        }
        putchar('\n');
    }
}

/* ---- an object: a line for each member ---- */

static void print_members(const json_t *o, int depth);

static void print_list(const json_t *a, int depth)
{
    char text[CELL_MAX];
    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *v = json_array_get(a, i);
        if (json_is_object(v)) {
            putchar('\n');
            print_members(v, depth + 1);
        } else {
            format("", v, text);
            putchar(' ');
            vn_print_text(stdout, text);
        }
    }
    if (!json_is_object(json_array_get(a, 0)))
        puts(json_array_size(a) ? "" : " none");
}

static void print_members(const json_t *o, int depth)
{
    char text[CELL_MAX];
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)o, name, v)
    {
        printf("%*s", 2 * depth, "");
        vn_print_text(stdout, name);
        putchar(':');
        if (json_is_array(v)) {
            print_list(v, depth);
        } else if (json_is_object(v)) {
            putchar('\n');
            print_members(v, depth + 1);
        } else {
            format(name, v, text);
            putchar(' ');
            vn_print_text(stdout, text);
            putchar('\n');
        }
    }
}

void vn_admin_print_json(const json_t *o)
{
    json_dumpf(o, stdout, JSON_INDENT(2));
    putchar('\n');
}

void vn_admin_print(const struct vn_admin *c, const char *title, json_t *answer)
{
    if (c->json) {
        vn_admin_print_json(answer);
        return;
    }
    const json_t *items = json_object_get(answer, "items");
    if (json_is_array(items)) {
        if (json_array_size(items))
            print_table(items);
        else
            puts("none");
        return;
    }
    json_object_del(answer, "command");
    json_object_del(answer, "result");
    printf("%s:\n", title);
    print_members(answer, 1);
}
