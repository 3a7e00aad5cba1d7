/* Judges recorded history by the rules of one site, which the generator writes to rules.h. `make bench` builds it with
 * gcc -O3 -march=native -ffp-contract=off: a product and a sum fused into one would round differently. */
#include "state.h"
#include "windows.h"

static double next_due; /* no rule has a timer before: settle() says so */

#include "rules.h"

static double next_stale; /* no point goes stale before */

static uint64_t go_stale(double t) {
    uint64_t touched = 0;
    if (next_stale > t) return 0;
    next_stale = INFINITY;
    for (int p = 0; p < POINTS; p++) {
        if (points[p].stale_at <= t) {
            points[p].lo = points[p].hi = NAN;
            points[p].stale = 1;
            points[p].stale_at = INFINITY;
            touched |= 1ull << p;
        } else if (points[p].stale_at < next_stale) next_stale = points[p].stale_at;
    }
    return touched;
}

static inline double next_timer(void) { return next_stale < next_due ? next_stale : next_due; }

/* Nothing is known yet. State is as fresh as the library: for another history it has to be loaded anew. */
void begin(double born, move *moves_, long room_) {
    moves = moves_;
    room = room_;
    start(born);
    next_stale = INFINITY;
    for (int p = 0; p < POINTS; p++) {
        points[p].lo = points[p].hi = NAN;
        points[p].stale_at = just_after(born + points[p].stale_after);
        if (points[p].stale_at < next_stale) next_stale = points[p].stale_at;
    }
    settle(born, 0);
}

/* Judges a stretch of steps; returns how many moves there were in all, of which the first `room` stand in `moves`. */
long judge(long steps, const double *at, const int64_t *first, const int64_t *which, const double *value,
           const int64_t *quality) {
    for (long k = 0; k < steps; k++) {
        double t = at[k];
        uint64_t touched = 0;
        while (next_timer() <= t) {
            double due = next_timer();
            settle(due, go_stale(due));
        }
        for (int64_t s = first[k]; s < first[k + 1]; s++) {
            take(&points[which[s]], value[s], quality[s], t);
            touched |= 1ull << which[s];
            if (points[which[s]].stale_at < next_stale) next_stale = points[which[s]].stale_at;
        }
        settle(t, touched);
    }
    return moved;
}
