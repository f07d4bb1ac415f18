/* Rows of a matrix shared by workers that help each other. See gemm.h. */
#include "gemm.h"

/* Bytes from which workers help: below, asking costs more than waiting. */
enum { HELPED_BYTES = 262144 };

void mg_share_rows(mg_row_shares *shares, size_t rows, size_t grain, size_t bytes, size_t workers) {
    shares->rows = rows;
    shares->grain = grain;
    shares->helps = bytes >= HELPED_BYTES && workers > 1 && workers <= MG_HELPED_WORKERS;
    for (size_t i = 0; shares->helps && i < workers; i++) atomic_init(&shares->begun[i], 0);
}

/* Part `part` of a worker's rows. The first has most of them, because memory has to be asked anew
 * for each: in parts of 32 KB alone GPT-2 was decoded 5 to 15 % slower. Beyond the last it is
 * empty and begins where the rows end. */
static mg_range part_of(mg_range rows, size_t grain, size_t part) {
    size_t grains = (rows.end - rows.first + grain - 1) / grain;
    size_t most = grains * 13 / 16, few = (grains + 31) / 32;
    size_t first = part ? most + (part - 1) * few : 0, end = part ? first + few : most;
    return (mg_range){mg_min(rows.first + first * grain, rows.end),
                      mg_min(rows.first + end * grain, rows.end)};
}

void mg_take_shares(mg_row_shares *shares, mg_take_rows *take, const void *job, size_t worker,
                    size_t workers) {
    if (!shares->helps) {
        take(job, mg_share(shares->rows, shares->grain, worker, workers), worker);
        return;
    }
    for (size_t i = 0; i < workers; i++) {
        size_t owner = (worker + i) % workers;
        mg_range rows = mg_share(shares->rows, shares->grain, owner, workers);
        for (;;) {
            size_t part = atomic_fetch_add_explicit(&shares->begun[owner], 1, memory_order_relaxed);
            mg_range r = part_of(rows, shares->grain, part);
            if (r.first == rows.end) break;
            take(job, r, worker);
        }
    }
}
