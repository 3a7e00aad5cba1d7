/* Windows over held signals: time-weighted mean, extremes, least-squares slope, and whether a condition was true.
 * Sums are made in the order in which the rule engine makes them, so that results agree to the last bit. */

enum { SLOTS = 64, CAPACITY = SLOTS + 4, TICKS = 4 };

static inline int around(int slot) { return slot >= CAPACITY ? slot - CAPACITY : slot; }
static inline double lower(double a, double b) { return a != a || b < a ? b : a; } /* NaN counts as nothing */
static inline double upper(double a, double b) { return a != a || b > a ? b : a; }
static inline double times(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }

/* --- mean ------------------------------------------------------------------------------------------------------ */

typedef struct { double start, good, lo, hi; } mean_segment;
#define FAMILY(name) mean_##name
#define SEGMENT mean_segment
static inline void mean_empty(mean_segment *s, double t) { *s = (mean_segment){t, 0, 0, 0}; }
static inline void mean_join(mean_segment *into, const mean_segment *s) {
    into->good += s->good;
    into->lo += s->lo;
    into->hi += s->hi;
}
static inline void mean_held(mean_segment *s, double lo, double hi, double seconds) {
    s->good += seconds;
    s->lo += lo * seconds;
    s->hi += hi * seconds;
}
#include "ring.h"
#undef FAMILY
#undef SEGMENT

static inline void mean_feed(mean_window *w, double t, double lo, double hi) {
    mean_next(w, t);
    w->lo = lo;
    w->hi = hi;
    w->at = t;
}

static inline bounds read_avg(mean_window *w, double t) {
    mean_inside in = mean_look_in(w, t);
    if (!in.oldest || in.good < w->cover) return (bounds){NAN, NAN};
    double lo = w->between.lo + times(in.part, in.oldest->lo), hi = w->between.hi + times(in.part, in.oldest->hi);
    if (in.newest) {
        lo += in.newest->lo;
        hi += in.newest->hi;
    }
    lo += times(in.tail, w->lo);
    hi += times(in.tail, w->hi);
    return (bounds){lo / in.good, hi / in.good};
}

/* --- extremes -------------------------------------------------------------------------------------------------- */

typedef struct { double start, good, min_lo, min_hi, max_lo, max_hi; } extreme_segment;
#define FAMILY(name) extreme_##name
#define SEGMENT extreme_segment
static inline void extreme_empty(extreme_segment *s, double t) { *s = (extreme_segment){t, 0, NAN, NAN, NAN, NAN}; }
static inline void extreme_join(extreme_segment *into, const extreme_segment *s) {
    into->good += s->good;
    into->min_lo = lower(into->min_lo, s->min_lo);
    into->min_hi = lower(into->min_hi, s->min_hi);
    into->max_lo = upper(into->max_lo, s->max_lo);
    into->max_hi = upper(into->max_hi, s->max_hi);
}
static inline void extreme_held(extreme_segment *s, double lo, double hi, double seconds) { s->good += seconds; }
#include "ring.h"
#undef FAMILY
#undef SEGMENT

static inline void extreme_feed(extreme_window *w, double t, double lo, double hi) {
    extreme_segment *s = extreme_next(w, t);
    if (lo == lo) {
        s->min_lo = lower(s->min_lo, lo);
        s->min_hi = lower(s->min_hi, hi);
        s->max_lo = upper(s->max_lo, lo);
        s->max_hi = upper(s->max_hi, hi);
    }
    w->lo = lo;
    w->hi = hi;
    w->at = t;
}

typedef struct { bounds min, max; } extremes;

static inline extremes read_extremes(extreme_window *w, double t) {
    extreme_inside in = extreme_look_in(w, t);
    if (!in.oldest) return (extremes){{NAN, NAN}, {NAN, NAN}};
    extreme_segment all = w->between;
    if (in.part > 0) extreme_join(&all, in.oldest);
    if (in.newest) extreme_join(&all, in.newest);
    extremes e = {{lower(all.min_lo, w->lo), lower(all.min_hi, w->hi)}, {upper(all.max_lo, w->lo), upper(all.max_hi, w->hi)}};
    if (in.good < w->cover && e.min.lo == e.min.lo) { /* what more data could not undo is known all the same */
        e.min.lo = -INFINITY;
        e.max.hi = INFINITY;
    }
    return e;
}

static inline bounds read_min(extreme_window *w, double t) { return read_extremes(w, t).min; }
static inline bounds read_max(extreme_window *w, double t) { return read_extremes(w, t).max; }
static inline bounds read_rise(extreme_window *w, double t) {
    extremes e = read_extremes(w, t);
    return w->lo == w->lo ? (bounds){upper(w->lo - e.min.hi, 0), w->hi - e.min.lo} : (bounds){NAN, NAN};
}
static inline bounds read_fall(extreme_window *w, double t) {
    extremes e = read_extremes(w, t);
    return w->lo == w->lo ? (bounds){upper(e.max.lo - w->hi, 0), e.max.hi - w->lo} : (bounds){NAN, NAN};
}

/* --- slope: count, mean time, mean value, co-moments; joined stably (Chan, Golub, LeVeque 1983) --------------------- */

typedef struct { double start, good, n, t, x, tx, tt, over; } slope_segment;
#define FAMILY(name) slope_##name
#define SEGMENT slope_segment
static inline void slope_empty(slope_segment *s, double t) { *s = (slope_segment){.start = t}; }
static inline void slope_merge(slope_segment *s, double n, double t, double x, double tx, double tt) {
    if (s->n == 0) {
        s->t = t;
        s->x = x;
        s->tx = tx;
        s->tt = tt;
    } else {
        double total = s->n + n, dt = t - s->t, dx = x - s->x;
        s->t += dt * n / total;
        s->x += dx * n / total;
        s->tx += tx + dt * dx * s->n * n / total;
        s->tt += tt + dt * dt * s->n * n / total;
    }
    s->n += n;
}
static inline void slope_join(slope_segment *into, const slope_segment *s) {
    into->good += s->good;
    if (s->n > 0) slope_merge(into, s->n, s->t, s->x, s->tx, s->tt);
    into->over += s->over;
}
static inline void slope_held(slope_segment *s, double lo, double hi, double seconds) { s->good += seconds; }
#include "ring.h"
#undef FAMILY
#undef SEGMENT

static inline void slope_feed(slope_window *w, double t, double lo, double hi) {
    slope_segment *s = slope_next(w, t);
    if (lo == lo) {
        if (lo != hi) s->over = 1;
        slope_merge(s, 1, t, lo, 0, 0);
    }
    w->lo = lo;
    w->hi = hi;
    w->at = t;
}

static inline bounds read_rate(slope_window *w, double t) {
    slope_inside in = slope_look_in(w, t);
    if (!in.oldest || in.good < w->cover) return (bounds){NAN, NAN};
    slope_segment all = w->between, *ends[2] = {in.oldest, in.newest};
    for (int k = 0; k < 2; k++) {
        slope_segment *s = ends[k];
        if (!s || s->start <= t - w->length || s->n == 0) continue;
        double dt = s->t - all.t, dx = s->x - all.x, n = all.n, m = s->n;
        if (n == 0) {
            all.t = s->t;
            all.x = s->x;
            dt = dx = 0;
        }
        all.tx += s->tx + dt * dx * n * m / (n + m);
        all.tt += s->tt + dt * dt * n * m / (n + m);
        all.t += dt * m / (n + m);
        all.x += dx * m / (n + m);
        all.n += m;
        all.over += s->over;
    }
    if (all.n < 3 || all.over > 0 || all.tt <= 0) return (bounds){NAN, NAN};
    return (bounds){all.tx / all.tt, all.tx / all.tt};
}

/* --- span: when a condition was last true, and last perhaps true ----------------------------------------------------- */

typedef struct {
    int truth;
    double length, true_end, unknown_end, look;
} span_window;

static inline void span_feed(span_window *w, double t, int truth) {
    if (w->truth == TRUE) w->true_end = t;
    else if (w->truth == UNKNOWN) w->unknown_end = t;
    w->truth = truth;
}

static inline int read_within(const span_window *w, double t) {
    if (w->truth == TRUE || t < w->true_end + w->length) return TRUE;
    return w->truth == UNKNOWN || t < w->unknown_end + w->length ? UNKNOWN : FALSE;
}

static inline double span_next_look(const span_window *w, double t) {
    double first = w->true_end + w->length, second = w->unknown_end + w->length, due = INFINITY;
    if (w->truth != TRUE && first > t) due = first;
    if (w->truth == FALSE && t < second && second < due) due = second;
    return due;
}
