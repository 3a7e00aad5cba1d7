/* A window as a ring of segments, for one family: include it with FAMILY(name) and SEGMENT defined, and with
 * FAMILY(empty), FAMILY(join) given. A reading opens a new segment when the open one is a slot old, otherwise it is
 * merged in. Between the oldest and the open one two stacks keep the aggregate, so length costs nothing. */

typedef struct {
    int point, head, count, front, changed;
    double length, slot, cover; /* seconds */
    double lo, hi, at, look;    /* held since `at`; looked at again at `look` */
    SEGMENT back, between, ring[CAPACITY], suffix[CAPACITY];
} FAMILY(window);

static inline SEGMENT *FAMILY(nth)(FAMILY(window) *w, int k) { return &w->ring[around(w->head + k)]; }

static inline void FAMILY(flip)(FAMILY(window) *w, int last) {
    for (int k = last; k >= 0; k--) {
        int slot = around(w->head + k);
        w->suffix[slot] = w->ring[slot];
        if (k < last) FAMILY(join)(&w->suffix[slot], &w->suffix[around(w->head + k + 1)]);
    }
    w->front = last + 1;
}

static inline void FAMILY(drop)(FAMILY(window) *w) {
    w->head = around(w->head + 1);
    w->count--;
    w->front--;
    w->changed = 1;
    if (w->front == 0) {
        FAMILY(empty)(&w->back, 0);
        FAMILY(flip)(w, w->count - 2);
    }
}

static inline SEGMENT *FAMILY(open)(FAMILY(window) *w, double t) {
    if (w->count == CAPACITY) FAMILY(drop)(w);
    if (w->count == 1) FAMILY(flip)(w, 0);
    else if (w->count > 1) FAMILY(join)(&w->back, FAMILY(nth)(w, w->count - 1));
    SEGMENT *s = FAMILY(nth)(w, w->count++);
    w->changed = 1;
    FAMILY(empty)(s, t);
    return s;
}

/* The open segment for a reading at t, a new one if its slot is over. `held` is told how long the last value stood. */
static inline SEGMENT *FAMILY(next)(FAMILY(window) *w, double t) {
    if (w->count == 0) return FAMILY(open)(w, t);
    SEGMENT *s = FAMILY(nth)(w, w->count - 1);
    double elapsed = t - w->at;
    if (w->lo == w->lo && elapsed > 0) FAMILY(held)(s, w->lo, w->hi, elapsed);
    return t - s->start >= w->slot ? FAMILY(open)(w, t) : s;
}

static inline void FAMILY(expire)(FAMILY(window) *w, double start) {
    while (w->count > 1 && FAMILY(nth)(w, 1)->start <= start) FAMILY(drop)(w);
    if (!w->changed) return;
    w->changed = 0;
    w->between = w->back;
    if (w->front > 1) {
        w->between = w->suffix[around(w->head + 1)];
        FAMILY(join)(&w->between, &w->back);
    }
}

/* What is inside at t: the oldest segment and which share of it, the open one or null, seconds since the last value. */
typedef struct { SEGMENT *oldest, *newest; double part, tail, good; } FAMILY(inside);

static inline FAMILY(inside) FAMILY(look_in)(FAMILY(window) *w, double t) {
    double start = t - w->length, end = w->at;
    FAMILY(inside) in = {0};
    FAMILY(expire)(w, start);
    if (w->count == 0) return in;
    in.oldest = FAMILY(nth)(w, 0);
    in.tail = t - (end > start ? end : start);
    if (w->count > 1) {
        in.newest = FAMILY(nth)(w, w->count - 1);
        end = FAMILY(nth)(w, 1)->start;
    }
    if (in.oldest->start >= start) in.part = 1;
    else if (end > start) in.part = (end - start) / (end - in.oldest->start);
    if (w->lo == w->lo) {
        in.good = w->between.good + in.part * in.oldest->good;
        if (in.newest) in.good += in.newest->good;
        in.good += in.tail;
    }
    return in;
}

/* When it has to be looked at again though nothing was read. */
static inline double FAMILY(next_look)(const FAMILY(window) *w, double t) {
    if (w->count == 0 || (w->lo != w->lo && t - w->at > w->length)) return INFINITY;
    double due = t + w->length / TICKS;
    return due > t ? due : just_after(t);
}
