/**
 * main() for fuzz targets outside libFuzzer: feeds the target every file of the directories and
 * files named as arguments, so that a corpus is a regression test everywhere.
 */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "support/fuzz.h"

static size_t files_fed;

static int feed_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return 1;
    }
    struct stat sb;
    if (fstat(fileno(f), &sb) != 0 || sb.st_size < 0) {
        perror(path);
        fclose(f);
        return 1;
    }
    /* Exactly the file's size, so that ASan sees one byte too far. */
    size_t size = (size_t)sb.st_size;
    uint8_t *data = malloc(size ? size : 1);
    if (!data || fread(data, 1, size, f) != size) {
        perror(path);
        free(data);
        fclose(f);
        return 1;
    }
    fclose(f);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    files_fed++;
    return 0;
}

static int feed(const char *path)
{
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    if (n < 0)
        return feed_file(path);
    int failed = 0;
    for (int i = 0; i < n; i++) {
        char child[4096];
        if (names[i]->d_name[0] != '.') {
            snprintf(child, sizeof(child), "%s/%s", path, names[i]->d_name);
            failed |= feed_file(child);
        }
        free(names[i]);
    }
    free(names);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    /* The empty input is in every corpus. */
    uint8_t *none = calloc(1, 1);
    LLVMFuzzerTestOneInput(none, 0);
    free(none);
    for (int i = 1; i < argc; i++)
        failed |= feed(argv[i]);
    printf("replayed %zu files\n", files_fed);
    if (files_fed == 0) {
        fprintf(stderr, "no corpus file found\n");
        return 1;
    }
    return failed;
}
