/* See mg_terminal.h. */
#if defined(__APPLE__)
#define _DARWIN_C_SOURCE 1
#else
#define _GNU_SOURCE 1 /* SIGWINCH, struct winsize */
#endif
#include "mg_terminal.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <termios.h>
#include <unistd.h>

static atomic_int begun, interrupted, resized, continued;
static atomic_int current_mode; /* an mg_terminal_mode; handlers read it */
static struct termios original; /* valid while current_mode is not ORIGINAL */

/* Handlers write into it, so that a signal that comes just before select is not slept through,
 * whichever thread it came to. */
static int wake[2] = {-1, -1};

static const char paste_on[] = "\033[?2004h", paste_off[] = "\033[?2004l";

static void send(const char *text) { (void)!write(STDOUT_FILENO, text, strlen(text)); }

/* Only async-signal-safe calls from here to on_continue. */
static void notify(atomic_int *what) {
    int saved_errno = errno;
    atomic_store(what, 1);
    if (wake[1] >= 0) (void)!write(wake[1], "", 1);
    errno = saved_errno;
}

static int apply(mg_terminal_mode mode) {
    struct termios wanted = original;
    if (mode != MG_TERMINAL_ORIGINAL) {
        wanted.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
        /* Enter is "\r" while an answer is written too: the line that it ends is read later. */
        wanted.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR);
        wanted.c_cc[VMIN] = 1;
        wanted.c_cc[VTIME] = 0;
    }
    if (mode == MG_TERMINAL_EDITING) {
        wanted.c_lflag &= ~(tcflag_t)ISIG;
        /* Output keeps its processing: "\n" still begins a new line. */
        wanted.c_iflag &= ~(tcflag_t)(IXON | ISTRIP);
    }
    return tcsetattr(STDIN_FILENO, TCSADRAIN, &wanted) == 0 ? 0 : errno;
}

void mg_terminal_restore(void) {
    int mode = atomic_load(&current_mode);
    if (mode == MG_TERMINAL_ORIGINAL) return;
    if (mode == MG_TERMINAL_EDITING) send(paste_off);
    apply(MG_TERMINAL_ORIGINAL);
}

static void on_interrupt(int number) {
    (void)number;
    notify(&interrupted);
}

static void on_resize(int number) {
    (void)number;
    notify(&resized);
}

enum { SIGNALS = 32 };
static struct sigaction previous[SIGNALS]; /* of the signals of on_end */

/* What was there before follows, such as Swift's backtracer: a fault of the program happens again
 * when the handler returns, with its address, and any other signal is sent again. */
static void on_end(int number, siginfo_t *info, void *context) {
    (void)context;
    if (atomic_load(&current_mode) == MG_TERMINAL_EDITING) send("\r\n"); /* behind the line */
    mg_terminal_restore();
    sigaction(number, &previous[number], NULL);
    int is_fault = number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE;
    if (!is_fault || info->si_code <= 0) raise(number);
}

static void on_stop(int number) {
    int saved_errno = errno;
    struct sigaction standard, ours;
    sigset_t stop;
    mg_terminal_restore();
    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    sigaction(number, &standard, &ours);
    raise(number);
    sigemptyset(&stop);
    sigaddset(&stop, number);
    pthread_sigmask(SIG_UNBLOCK, &stop, NULL); /* stops here; SIGCONT goes on here */
    sigaction(number, &ours, NULL);
    errno = saved_errno;
}

/* In the background the terminal is another's; `fg` continues once more. */
static void on_continue(int number) {
    (void)number;
    int saved_errno = errno, mode = atomic_load(&current_mode);
    if (mode != MG_TERMINAL_ORIGINAL && tcgetpgrp(STDIN_FILENO) == getpgrp()) {
        apply((mg_terminal_mode)mode);
        if (mode == MG_TERMINAL_EDITING) send(paste_on);
    }
    notify(&continued);
    errno = saved_errno;
}

static void catch_signal(int number, void (*handler)(int)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART; /* all system calls but select */
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

/* A signal that is ignored, as with nohup, stays so. */
static void catch_end(int number) {
    struct sigaction action;
    if (sigaction(number, NULL, &previous[number]) != 0) return;
    if (previous[number].sa_handler == SIG_IGN) return;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_end;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void mg_dialogue_begin(void) {
    static const int ends[] = {SIGTERM, SIGHUP, SIGQUIT, SIGILL, SIGTRAP,
                               SIGABRT, SIGFPE, SIGBUS,  SIGSEGV};
    if (atomic_exchange(&begun, 1)) return;
    if (pipe(wake) == 0) {
        for (int i = 0; i < 2; i++) {
            fcntl(wake[i], F_SETFD, FD_CLOEXEC);
            fcntl(wake[i], F_SETFL, O_NONBLOCK);
        }
    }
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) catch_end(ends[i]);
    catch_signal(SIGINT, on_interrupt);
    catch_signal(SIGWINCH, on_resize);
    catch_signal(SIGTSTP, on_stop);
    catch_signal(SIGCONT, on_continue);
    catch_signal(SIGPIPE, SIG_IGN);
    atexit(mg_terminal_restore);
}

int mg_terminal_set(mg_terminal_mode mode) {
    int old = atomic_load(&current_mode);
    if (old == (int)mode) return 0;
    if (old == MG_TERMINAL_ORIGINAL && tcgetattr(STDIN_FILENO, &original) != 0) return errno;
    /* Before the change, so that a signal in between undoes it. */
    if (mode != MG_TERMINAL_ORIGINAL) atomic_store(&current_mode, (int)mode);
    int failure = apply(mode);
    if (old == MG_TERMINAL_EDITING) send(paste_off);
    if (mode == MG_TERMINAL_EDITING && failure == 0) send(paste_on);
    if (mode == MG_TERMINAL_ORIGINAL || failure != 0) atomic_store(&current_mode, (int)mode);
    return failure;
}

int mg_terminal_rows(int fd) {
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? (int)size.ws_row : 0;
}

int mg_interrupted(void) { return atomic_load(&interrupted); }

void mg_interrupt_forget(void) { atomic_store(&interrupted, 0); }

void mg_suspend(void) {
    raise(SIGTSTP);
    atomic_store(&continued, 0); /* the caller knows */
}

/* 1 if `fd` has something to read or has ended, 0 after the time, -1 after a signal or a failure.
 */
static int wait_for_input(int fd, int timeout_ms) {
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    if (wake[0] >= 0) FD_SET(wake[0], &set);
    int last = wake[0] > fd ? wake[0] : fd;
    int ready = select(last + 1, &set, NULL, NULL, timeout_ms < 0 ? NULL : &limit);
    if (ready > 0 && !FD_ISSET(fd, &set)) {
        errno = EINTR;
        return -1;
    }
    return ready;
}

long mg_input_read(int fd, void *bytes, size_t capacity, int timeout_ms) {
    char signals[16];
    for (;;) {
        while (wake[0] >= 0 && read(wake[0], signals, sizeof signals) > 0) continue;
        if (atomic_exchange(&continued, 0)) return MG_INPUT_CONTINUED;
        if (atomic_load(&interrupted) || atomic_exchange(&resized, 0)) return MG_INPUT_SIGNAL;
        int ready = wait_for_input(fd, timeout_ms);
        if (ready == 0) return MG_INPUT_TIMEOUT;
        if (ready < 0) {
            if (errno == EBADF || errno == EINVAL) return MG_INPUT_END;
            continue;
        }
        ssize_t n = read(fd, bytes, capacity);
        if (n > 0) return (long)n;
        if (n == 0 || (errno != EINTR && errno != EAGAIN)) return MG_INPUT_END;
    }
}
