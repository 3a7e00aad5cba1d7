/* One window of each family, fed and read at every reading: what an update costs, without any rule. */
#include "state.h"
#include "windows.h"

#define UPDATES(name, family, read)                                                                        \
    double name(double length, double cover, long count, const double *at, const double *value) {         \
        static family##_window w;                                                                          \
        w = (family##_window){.length = length, .slot = length / SLOTS, .cover = cover, .lo = NAN, .hi = NAN}; \
        family##_empty(&w.back, 0);                                                                        \
        family##_empty(&w.between, 0);                                                                     \
        double sum = 0;                                                                                    \
        for (long k = 0; k < count; k++) {                                                                 \
            family##_feed(&w, at[k], value[k], value[k]);                                                  \
            w.look = family##_next_look(&w, at[k]);                                                        \
            double lo = read(&w, at[k]).lo;                                                                \
            sum += lo == lo && lo > -INFINITY ? lo : 0;                                                                        \
        }                                                                                                  \
        return sum;                                                                                        \
    }

UPDATES(avg, mean, read_avg)
UPDATES(max, extreme, read_max)
UPDATES(min, extreme, read_min)
UPDATES(rate, slope, read_rate)
