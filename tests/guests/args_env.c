// Prints its arguments and its environment.
//
// One line "arg VALUE" per argument, the program's name not among them (a runner may choose it), then one line
// "env NAME=VALUE" per variable, in the order in which the host gave them.

#include <stdio.h>

extern char **environ;

static void print(const char *kind, const char *value) {
    fputs(kind, stdout);
    puts(value);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        print("arg ", argv[i]);
    }
    for (char **variable = environ; variable != NULL && *variable != NULL; variable++) {
        print("env ", *variable);
    }
    return 0;
}
