/* What a dialogue on a terminal needs: modes of the terminal, keys as they come, and signals that
 * stop an answer instead of the program. Whatever ends the program (exit, a signal, a crash), the
 * terminal is as it was found; only SIGKILL leaves that to the shell. Not here: what keys mean and
 * how a line is drawn (Swift), the signals of a training run (mg_system.h). Nothing here allocates.
 */
#ifndef MG_TERMINAL_H
#define MG_TERMINAL_H
#include <stddef.h>

typedef enum {
    /// As it was found.
    MG_TERMINAL_ORIGINAL,
    /// Every key comes as it is, Ctrl-C too; nothing is echoed; pasted text comes in brackets
    /// (ESC [200~ ... ESC [201~).
    MG_TERMINAL_EDITING,
    /// Nothing is echoed and keys wait for the next line; Ctrl-C and Ctrl-Z are signals.
    MG_TERMINAL_ANSWERING,
} mg_terminal_mode;

/// From now on SIGINT is only remembered, any number of times; SIGTERM, SIGHUP, SIGQUIT and faults
/// restore the terminal and then do what they did before; stopping and continuing (Ctrl-Z, fg)
/// restores it and sets its mode again; SIGPIPE is ignored. Takes effect once.
void mg_dialogue_begin(void);

/// Sets the mode of the terminal at descriptor 0; what was typed meanwhile is kept.
/// Returns 0, or the errno of the failure. *Requires*: mg_dialogue_begin.
int mg_terminal_set(mg_terminal_mode mode);

/// Sets the original mode, if another was set. May be called in a signal handler, before _exit.
void mg_terminal_restore(void);

/// Rows of the terminal at `fd` at this moment; 0 if it is none or doesn't say.
int mg_terminal_rows(int fd);

/// 1 if there was a SIGINT since mg_interrupt_forget, else 0.
int mg_interrupted(void);

/// Forgets SIGINT.
void mg_interrupt_forget(void);

/// Stops the program as Ctrl-Z does; returns when it is continued.
void mg_suspend(void);

enum { MG_INPUT_END = 0, MG_INPUT_TIMEOUT = -1, MG_INPUT_SIGNAL = -2, MG_INPUT_CONTINUED = -3 };

/// Waits for bytes on `fd`, forever or `timeout_ms` >= 0. Returns their number, at most `capacity`;
/// MG_INPUT_END at the end of input and on errors, after which nothing more comes either;
/// MG_INPUT_SIGNAL after SIGINT or a change of the terminal's size, MG_INPUT_CONTINUED after a
/// pause of the process (others may have written to the terminal); none is lost if it comes before
/// the call.
long mg_input_read(int fd, void *bytes, size_t capacity, int timeout_ms);

#endif
