/* See mg_system.h. */
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE 1
#else
#define _GNU_SOURCE 1 /* sched_getaffinity, in glibc and musl */
#endif
#include "mg_system.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <sys/sysctl.h>
#else
#include <sched.h>
#endif

double mg_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void *mg_map_zeros(size_t size, size_t alignment) {
    size_t whole = size + alignment;
    if (whole < size) return NULL;
    char *memory = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    size_t before = (alignment - (uintptr_t)memory % alignment) % alignment;
    mg_unmap(memory, before);
    mg_unmap(memory + before + size, alignment - before);
    return memory + before;
}

void mg_unmap(void *memory, size_t size) {
    if (memory && size > 0) munmap(memory, size);
}

void mg_prefer_large_pages(void *memory, size_t size) {
#if defined(MADV_HUGEPAGE)
    (void)madvise(memory, size, MADV_HUGEPAGE); /* advice: a kernel without them refuses */
#else
    (void)memory, (void)size;
#endif
}

void mg_sleep(double seconds) {
    if (!(seconds > 0)) return;
    if (seconds > 3600) seconds = 3600;
    struct timespec t = {.tv_sec = (time_t)seconds};
    t.tv_nsec = (long)(1e9 * (seconds - (double)t.tv_sec));
    nanosleep(&t, NULL);
}

uint64_t mg_peak_resident_bytes(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
#if defined(__APPLE__)
    return (uint64_t)usage.ru_maxrss; /* bytes */
#else
    return (uint64_t)usage.ru_maxrss * 1024; /* kibibytes */
#endif
}

/* Reads the beginning of a small file into `out` and terminates it; returns the length. */
static size_t read_beginning(const char *path, char *out, size_t capacity) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    if (fd >= 0) {
        while (length < capacity - 1) {
            ssize_t n = read(fd, out + length, capacity - 1 - length);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) break;
            length += (size_t)n;
        }
        close(fd);
    }
    out[length] = 0;
    return length;
}

/* The text after "key", blanks and a colon, where a line begins with them; NULL if none does. */
static const char *value_of(const char *text, const char *key) {
    size_t key_length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, key, key_length) != 0) continue;
        const char *p = line + key_length;
        while (*p == ' ' || *p == '\t') p++;
        if (*p != ':') continue;
        p++;
        while (*p == ' ' || *p == '\t') p++;
        return p;
    }
    return NULL;
}

/* The bytes that the value of `key` stands for, "123 kB"; 0 if there is none. */
static uint64_t kibibytes_of(const char *text, const char *key) {
    const char *p = value_of(text, key);
    if (!p) return 0;
    uint64_t kibibytes = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (kibibytes > UINT64_MAX / 10240 - 1) return 0;
        kibibytes = kibibytes * 10 + (uint64_t)(*p - '0');
    }
    return kibibytes * 1024;
}

int mg_read_number(const char *path, int base, int64_t *value) {
    char text[64];
    size_t length = path ? read_beginning(path, text, sizeof text) : 0;
    /* strtoll would pass over blanks and a plus; a longer text is no number, or was cut. */
    if (length == 0 || length == sizeof text - 1 || text[0] == '+' ||
        strchr(" \t\n\v\f\r", text[0]))
        return 0;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, base);
    if (errno != 0 || end == text || strspn(end, " \t\r\n") != (size_t)(text + length - end))
        return 0;
    *value = number;
    return 1;
}

uint64_t mg_own_peak_resident_bytes(void) {
    char text[4096]; /* the line is among the first twenty-five, after at most a long name */
    read_beginning("/proc/self/status", text, sizeof text);
    uint64_t bytes = kibibytes_of(text, "VmHWM");
    return bytes > 0 ? bytes : mg_peak_resident_bytes();
}

int mg_reset_own_peak_resident(void) {
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    int code = mg_write_all(fd, "5", 1); /* proc(5): 5 resets the peak */
    close(fd);
    return code == 0;
}

uint64_t mg_available_memory_bytes(const char *meminfo_path) {
#if defined(__APPLE__)
    if (!meminfo_path) {
        uint64_t bytes = 0;
        size_t size = sizeof bytes;
        return sysctlbyname("hw.memsize", &bytes, &size, NULL, 0) == 0 ? bytes : 0;
    }
#endif
    char text[4096]; /* the two lines are among the first three of about fifty */
    read_beginning(meminfo_path ? meminfo_path : "/proc/meminfo", text, sizeof text);
    return kibibytes_of(text, value_of(text, "MemAvailable") ? "MemAvailable" : "MemFree");
}

int mg_processor_count(void) {
#if !defined(__APPLE__)
    cpu_set_t set; /* up to 1024 processors; more make the call fail, then sysconf answers */
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
#endif
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}

int mg_run_on_processors(const unsigned char *used, size_t count) {
#if defined(__APPLE__)
    (void)used, (void)count;
    return 0;
#else
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t i = 0; i < count && i < CPU_SETSIZE; i++)
        if (used[i]) CPU_SET(i, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
#endif
}

size_t mg_processor_name(char *out, size_t capacity, const char *cpuinfo_path,
                         const char *device_tree_path) {
    out[0] = 0;
#if defined(__APPLE__)
    if (!cpuinfo_path) {
        char name[256] = {0};
        size_t size = sizeof name - 1;
        if (sysctlbyname("machdep.cpu.brand_string", name, &size, NULL, 0) != 0) return 0;
        size_t length = strnlen(name, capacity - 1);
        memcpy(out, name, length);
        out[length] = 0;
        return length;
    }
#endif
    char text[4096]; /* "model name" is the fifth line of the first processor */
    read_beginning(cpuinfo_path ? cpuinfo_path : "/proc/cpuinfo", text, sizeof text);
    const char *name = value_of(text, "model name");
    if (!name) {
        read_beginning(device_tree_path ? device_tree_path : "/proc/device-tree/model", text,
                       sizeof text);
        name = text;
    }
    size_t length = strcspn(name, "\n");
    while (length > 0 && (name[length - 1] == ' ' || name[length - 1] == '\t')) length--;
    if (length > capacity - 1) length = capacity - 1;
    memcpy(out, name, length);
    out[length] = 0;
    return length;
}

int mg_is_terminal(int fd) { return isatty(fd) == 1; }

int mg_terminal_columns(int fd) {
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? (int)size.ws_col : 0;
}

int mg_write_all(int fd, const void *bytes, size_t byte_count) {
    const char *p = bytes;
    while (byte_count > 0) {
        ssize_t n = write(fd, p, byte_count);
        if (n >= 0) {
            p += n;
            byte_count -= (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            /* Someone who shares this pipe or terminal made it non-blocking. */
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            if (poll(&ready, 1, -1) < 0 && errno != EINTR) return errno;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

static atomic_int received_signal;
static int terminal_fd = -1; /* where a live line may stand; set before the handlers are */
static int installed;
static struct sigaction previous_int, previous_term, previous_pipe;

/* Only async-signal-safe calls: a lock-free exchange, write, _exit. */
static void on_signal(int signal_number) {
    int saved_errno = errno, none = 0;
    if (!atomic_compare_exchange_strong(&received_signal, &none, signal_number)) {
        if (terminal_fd >= 0) (void)!write(terminal_fd, "\n", 1);
        _exit(128 + signal_number);
    }
    errno = saved_errno;
}

void mg_signals_install(void) {
    if (installed) return;
    installed = 1;
    atomic_store(&received_signal, 0);
    terminal_fd = isatty(STDERR_FILENO) == 1   ? STDERR_FILENO
                  : isatty(STDOUT_FILENO) == 1 ? STDOUT_FILENO
                                               : -1;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGINT, &action, &previous_int);
    sigaction(SIGTERM, &action, &previous_term);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, &previous_pipe);
}

int mg_signal_received(void) { return atomic_load(&received_signal); }

void mg_signals_reset(void) {
    if (installed) {
        sigaction(SIGINT, &previous_int, NULL);
        sigaction(SIGTERM, &previous_term, NULL);
        sigaction(SIGPIPE, &previous_pipe, NULL);
        installed = 0;
    }
    atomic_store(&received_signal, 0);
}
