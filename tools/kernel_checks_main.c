/* The kernel checks as a program: natively, under sanitizers, and as aarch64 under QEMU
 * (tools/test-kernels-arm.sh). The checks themselves are in Tests/CKernelChecks.
 *
 *   kernel-checks [--isa NAME] [--kernel NAME] [--seed N] [--quick | --long] [--errors]
 *   kernel-checks --list | --faults | --best
 *
 * Without --isa it checks every back end this CPU has, or, where MGPT_ISA is set, the one that
 * mg_kernels_default() then gives: it must be the one asked for. --faults plants every known fault
 * in turn and fails if a check does not notice; --best prints the back end that the product would
 * choose here. Exit codes: 0 all good, 1 a check failed, 64 wrong
 * arguments, 69 the back end is not available. */
#define _POSIX_C_SOURCE 200809L
#include "CKernelChecks.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAILED = 1, USAGE = 64, UNAVAILABLE = 69 };

typedef struct {
    const char *isa, *kernel;
    uint64_t seed;
    mg_check_scale scale;
    bool errors, list, faults, best;
} options;

static void complain(const char *problem, const char *value) {
    fprintf(stderr,
            "kernel-checks: %s \"%s\". Expected --isa NAME, --kernel NAME, --seed N, --quick, "
            "--long, --errors, --list, --faults or --best.\n",
            problem, value);
    exit(USAGE);
}

static uint64_t number(const char *text) {
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (*end || end == text) complain("Not a number:", text);
    return value;
}

/* Takes one argument, or two where it has a value; returns how many. */
static int take(options *o, const char *word, const char *next) {
    const bool valued =
        !strcmp(word, "--isa") || !strcmp(word, "--kernel") || !strcmp(word, "--seed");
    if (valued && !next) complain("No value after", word);
    if (!strcmp(word, "--isa"))
        o->isa = next;
    else if (!strcmp(word, "--kernel"))
        o->kernel = next;
    else if (!strcmp(word, "--seed"))
        o->seed = number(next);
    else if (!strcmp(word, "--quick"))
        o->scale = MG_CHECK_QUICK;
    else if (!strcmp(word, "--long"))
        o->scale = MG_CHECK_LONG;
    else if (!strcmp(word, "--errors"))
        o->errors = true;
    else if (!strcmp(word, "--list"))
        o->list = true;
    else if (!strcmp(word, "--faults"))
        o->faults = true;
    else if (!strcmp(word, "--best"))
        o->best = true;
    else
        complain("Unknown argument", word);
    return valued ? 2 : 1;
}

static options parse(int count, char **words) {
    options o = {.seed = 1, .scale = MG_CHECK_NORMAL};
    for (int i = 1; i < count;) i += take(&o, words[i], i + 1 < count ? words[i + 1] : NULL);
    bool known = !o.kernel;
    for (size_t i = 0; i < mg_check_count() && !known; i++)
        known = !strcmp(o.kernel, mg_check_name(i));
    if (!known) complain("No check is called", o.kernel);
    return o;
}

static bool wanted(const options *o, size_t check) {
    return !o->kernel || !strcmp(o->kernel, mg_check_name(check));
}

/* All wanted checks on one back end; returns their failures. */
static size_t run_all(const options *o, const mg_kernels *kernels) {
    static mg_check_report report;
    mg_check_subject subject = mg_check_subject_for(kernels);
    size_t failures = 0, checks = 0;
    const char *isa = mg_isa_name(kernels->isa);
    double start = mg_seconds();
    for (size_t i = 0; i < mg_check_count(); i++) {
        if (!wanted(o, i)) continue;
        failures += mg_check_run(i, &subject, o->seed, o->scale, &report);
        checks++;
        fputs(report.text, stdout);
        if (o->errors)
            printf("%-24s %-12s %6zu cases, worst %.2f of its bound, %.2f ULP; %s\n",
                   mg_check_name(i), isa, report.cases, report.worst, report.worst_ulp,
                   report.where);
        fflush(stdout);
    }
    printf("%s: %zu checks, %zu failures, seed %llu, %.1f s\n", isa, checks, failures,
           (unsigned long long)o->seed, mg_seconds() - start);
    return failures;
}

/* Every planted fault must be reported. Returns how many were not. */
static size_t run_faults(const options *o) {
    static mg_check_report report;
    size_t missed = 0, planted = 0;
    for (size_t i = 0; i < mg_check_count(); i++) {
        mg_check_subject subject;
        const char *what;
        for (size_t f = 0; wanted(o, i) && (what = mg_check_plant(i, f, &subject)); f++) {
            planted++;
            if (mg_check_run(i, &subject, o->seed, MG_CHECK_QUICK, &report)) continue;
            printf("%s: planted fault not reported: %s\n", mg_check_name(i), what);
            missed++;
        }
    }
    printf("%zu planted faults, %zu not reported\n", planted, missed);
    return missed;
}

/* What the product would choose. */
static const mg_kernels *best(void) {
    const mg_kernels *kernels = mg_kernels_default();
    if (!kernels) {
        fprintf(stderr, "kernel-checks: %s\n", mg_dispatch_error());
        exit(UNAVAILABLE);
    }
    return kernels;
}

/* With MGPT_ISA the table must come from that same choice. */
static const mg_kernels *forced(const char *name) {
    const mg_kernels *kernels = best();
    if (strcmp(mg_isa_name(kernels->isa), name)) {
        printf("MGPT_ISA=%s gave the back end %s\n", name, mg_isa_name(kernels->isa));
        exit(FAILED);
    }
    printf("MGPT_ISA=%s is running\n", name);
    return kernels;
}

int main(int count, char **words) {
    options o = parse(count, words);
    if (o.list) {
        for (size_t i = 0; i < mg_check_count(); i++) puts(mg_check_name(i));
        return 0;
    }
    if (o.faults) return run_faults(&o) ? FAILED : 0;
    const char *name = getenv("MGPT_ISA");
    if (o.best) {
        puts(mg_isa_name(best()->isa));
        return 0;
    }
    if (!o.isa && name && *name) return run_all(&o, forced(name)) ? FAILED : 0;
    size_t failures = 0, backends = 0;
    for (int isa = 0; isa < MG_ISA_COUNT; isa++) {
        const mg_kernels *kernels = mg_kernels_for((mg_isa)isa);
        if (!kernels || (o.isa && strcmp(o.isa, mg_isa_name((mg_isa)isa)))) continue;
        failures += run_all(&o, kernels);
        backends++;
    }
    if (backends == 0) {
        fprintf(stderr,
                "kernel-checks: No back end \"%s\" on this CPU. Leave out --isa to check all that "
                "it has.\n",
                o.isa);
        return UNAVAILABLE;
    }
    return failures ? FAILED : 0;
}
