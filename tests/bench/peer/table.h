/* Plain thresholds, one loop over a table: rules.h gives POINTS, ALARMS, points[] and thresholds[]. */

static void start(double born) {}

static void settle(double t, uint64_t touched) {
    double next = INFINITY;
    for (int a = 0; a < ALARMS; a++) {
        threshold *r = &thresholds[a];
        const point *p = &points[r->point];
        int was = r->level.active;
        int when = above(p->lo, p->hi, r->high);
        double due = judge_level(&r->level, when, r->has_low, below(p->lo, p->hi, r->low), t);
        if (r->level.active != was) report(t, a, was, !was);
        if (due < next) next = due;
    }
    next_due = next;
}
