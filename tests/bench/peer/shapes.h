/* Rules of any shape: rules.h gives POINTS, ALARMS, points[], windows by family, alarms[], truth() and feed_spans(). */

static void start(double born) {
    for (int k = 0; k < SPANS; k++) {
        spans[k].truth = UNKNOWN;
        spans[k].true_end = -INFINITY;
        spans[k].unknown_end = born;
        spans[k].look = INFINITY;
    }
    for (int k = 0; k < MEANS; k++) means[k].look = INFINITY;
    for (int k = 0; k < EXTREMES; k++) extremes_[k].look = INFINITY;
    for (int k = 0; k < SLOPES; k++) slopes[k].look = INFINITY;
}

#define FEED(family, windows, count)                                          \
    for (int k = 0; k < count; k++) {                                         \
        family##_window *w = &windows[k];                                     \
        const point *p = &points[w->point];                                   \
        if (touched >> w->point & 1) family##_feed(w, t, p->lo, p->hi);       \
        else if (w->look > t) continue;                                       \
        w->look = family##_next_look(w, t);                                   \
    }

static double judge_alarm(int a, alarm *r, double t) {
    int was = r->level.active, clear = UNKNOWN;
    int when = truth(r->when, &r->when_of, t);
    if (r->clear >= 0 && (was || when == TRUE)) clear = truth(r->clear, &r->clear_of, t);
    double due = judge_level(&r->level, when, r->clear >= 0, clear, t);
    if (r->level.active != was) report(t, a, was, !was);
    for (int k = 0; k < r->looks; k++)
        if (*r->look[k] < due) due = *r->look[k];
    return due;
}

/* Feed and look at windows, then judge every alarm that a touched point or its own timer concerns. */
static void settle(double t, uint64_t touched) {
    FEED(mean, means, MEANS)
    FEED(extreme, extremes_, EXTREMES)
    FEED(slope, slopes, SLOPES)
    feed_spans(t, touched);
    double next = INFINITY;
    for (int a = 0; a < ALARMS; a++) {
        alarm *r = &alarms[a];
        if (r->due <= t || r->points & touched) r->due = judge_alarm(a, r, t);
        if (r->due < next) next = r->due;
    }
    next_due = next;
}
