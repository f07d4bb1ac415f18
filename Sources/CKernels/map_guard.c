/* See mg_map_guard.h. The table is read by a signal handler: entries are filled before `base` is
 * set, and `base` is cleared before anything else changes. */
#define _GNU_SOURCE 1
#include "mg_map_guard.h"
#include "mg_terminal.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    _Atomic uintptr_t base; /* 0: free */
    size_t byte_count;
    char name[256];
} guarded_map;

static guarded_map maps[MG_GUARDED_MAPS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int installed;

static const guarded_map *map_at(uintptr_t address) {
    for (size_t i = 0; i < MG_GUARDED_MAPS; i++) {
        uintptr_t base = atomic_load(&maps[i].base);
        if (base && address >= base && address - base < maps[i].byte_count) return &maps[i];
    }
    return NULL;
}

static void say(const char *text) {
    size_t length = strlen(text);
    while (length > 0) {
        ssize_t n = write(STDERR_FILENO, text, length);
        if (n <= 0) return;
        text += n;
        length -= (size_t)n;
    }
}

/* A fault elsewhere is not ours: it happens again with what the system does about it. */
static void on_bus_error(int number, siginfo_t *info, void *context) {
    (void)context;
    const guarded_map *map = map_at((uintptr_t)info->si_addr);
    if (!map) {
        signal(number, SIG_DFL);
        return;
    }
    say("mgpt: ");
    say(map->name);
    say(" was cut short, or its disk failed, while it was being read. Found no data where it had"
        " some when it was opened. Copy the file again.\n");
    mg_terminal_restore();
    _exit(74); /* EX_IOERR */
}

static void install(void) {
    if (installed) return;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    installed = sigaction(SIGBUS, &action, NULL) == 0;
}

int mg_map_guard(const void *base, size_t byte_count, const char *name) {
    int number = -1;
    pthread_mutex_lock(&mutex);
    install();
    for (int i = 0; i < MG_GUARDED_MAPS && number < 0; i++)
        if (!atomic_load(&maps[i].base)) number = i;
    if (number >= 0) {
        maps[number].byte_count = byte_count;
        strncpy(maps[number].name, name, sizeof maps[number].name - 1);
        atomic_store(&maps[number].base, (uintptr_t)base);
    }
    pthread_mutex_unlock(&mutex);
    return number;
}

void mg_map_unguard(int number) {
    if (number < 0) return;
    pthread_mutex_lock(&mutex);
    atomic_store(&maps[number].base, 0);
    pthread_mutex_unlock(&mutex);
}
