/* What the C peer keeps of points and levels, and the fixed rules of their change. Includes no rule of any site. */
#include <math.h>
#include <stdint.h>

enum { FALSE, TRUE, UNKNOWN };
enum { GOOD = 0, OVER_RANGE = 2 };

typedef struct { double lo, hi; } bounds; /* equal for a plain value, hi infinite for an over-range one, NaN: none */

typedef struct {
    double lo, hi, stale_after, stale_at;
    int stale, read; /* read: whether anything ever came, good or bad */
} point;

typedef struct {
    double on_delay, off_delay, spent, since;
    int active, truth;
} level;

typedef struct { double at; int64_t alarm, previous, level; } move;

static move *moves; /* room for `room` of them; all are counted */
static long room, moved;

/* A time after t, by no more than rounding: a reading in the very instant of going stale is still in time. */
static inline double just_after(double t) { return t + fabs(t) * 2.3e-16 + 5e-324; }

static inline void report(double t, int alarm, int previous, int now) {
    if (moved < room) moves[moved] = (move){t, alarm, previous, now};
    moved++;
}

/* A reading arrives; bad quality leaves no value, and no better age. */
static inline void take(point *p, double value, int64_t quality, double t) {
    int over = quality == OVER_RANGE;
    p->read = 1;
    if (quality > OVER_RANGE || !(isfinite(value) || (over && value == INFINITY))) {
        p->lo = p->hi = NAN;
        return;
    }
    p->lo = value;
    p->hi = over ? INFINITY : value;
    p->stale = 0;
    p->stale_at = just_after(t + p->stale_after);
}

/* Time that a truth lasted: FALSE resets, UNKNOWN pauses. When it will be enough; -inf: it is; inf: it stands. */
static inline double wait_for(level *l, int truth, double length, double t) {
    if (truth == TRUE) {
        if (l->truth != TRUE) {
            l->since = t;
            l->truth = TRUE;
        }
        double due = l->since + (length - l->spent);
        return t >= due ? -INFINITY : due;
    }
    if (truth == FALSE) l->spent = 0;
    else if (l->truth == TRUE) l->spent += t - l->since;
    l->truth = truth;
    return INFINITY;
}

static inline void turn(level *l, int active, int truth) {
    l->active = active;
    l->truth = truth;
    l->spent = 0;
}

/* A level whose condition and, where it has one, clear condition are known. Its next timer. `on_missing` is "hold". */
static inline double judge_level(level *l, int when, int has_clear, int clear, double t) {
    double due = INFINITY;
    if (!l->active) {
        due = wait_for(l, when, l->on_delay, t);
        if (due > -INFINITY) return due;
        turn(l, 1, FALSE);
    }
    if (!has_clear) clear = when == UNKNOWN ? UNKNOWN : 1 - when;
    else if (when == TRUE) clear = FALSE; /* what still alarms does not clear, */
    else if (when == UNKNOWN && clear == TRUE) clear = UNKNOWN; /* nor what may */
    due = wait_for(l, clear, l->off_delay, t);
    if (due > -INFINITY) return due;
    turn(l, 0, when);
    return INFINITY;
}

/* Truth of comparisons between bounds. */
static inline int above(double lo, double hi, double c) { return lo > c ? TRUE : hi <= c ? FALSE : UNKNOWN; }
static inline int at_least(double lo, double hi, double c) { return lo >= c ? TRUE : hi < c ? FALSE : UNKNOWN; }
static inline int below(double lo, double hi, double c) { return hi < c ? TRUE : lo >= c ? FALSE : UNKNOWN; }
static inline int at_most(double lo, double hi, double c) { return hi <= c ? TRUE : lo > c ? FALSE : UNKNOWN; }
static inline int not(int a) { return a == UNKNOWN ? UNKNOWN : 1 - a; }
static inline int both(int a, int b) { return a == FALSE || b == FALSE ? FALSE : a == TRUE && b == TRUE ? TRUE : UNKNOWN; }
static inline int either(int a, int b) { return a == TRUE || b == TRUE ? TRUE : a == FALSE && b == FALSE ? FALSE : UNKNOWN; }
static inline int votes(int need, int trues, int possible) { return trues >= need ? TRUE : possible < need ? FALSE : UNKNOWN; }
static inline int usable(const point *p) { return p->lo == p->lo ? TRUE : !p->read && !p->stale ? UNKNOWN : FALSE; }
