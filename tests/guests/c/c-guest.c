/*
 * The guest that is not Rust: prints its arguments, or the file named after "cat".
 *
 *   c-guest ARG...     one argument a line
 *   c-guest cat FILE   the file, or "error N" with the errno, ending with 1
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int cat(const char *path) {
    char buffer[4096];
    size_t length;
    FILE *file = fopen(path, "rb");
    if (!file) {
        printf("error %d\n", errno);
        return 1;
    }
    while ((length = fread(buffer, 1, sizeof buffer, file)) > 0)
        fwrite(buffer, 1, length, stdout);
    return fclose(file) ? 1 : 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "cat") == 0)
        return cat(argv[2]);
    for (int i = 1; i < argc; i++)
        puts(argv[i]);
    return 0;
}
