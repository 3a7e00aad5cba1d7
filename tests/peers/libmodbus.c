/* libmodbus as a peer on a serial line: a unit that tells each register's address, or a master that asks in a loop.

   libmodbus unit PORT BAUD UNIT              holding register a holds 7 a + 3, input register a holds 7 a + 11
   libmodbus master PORT BAUD UNIT SECONDS    prints: requests, failures, wall seconds, CPU seconds
*/
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int serve(modbus_t *line) {
    modbus_mapping_t *map = modbus_mapping_new(64, 64, 1000, 1000);
    for (int a = 0; a < 1000; a++) {
        map->tab_registers[a] = 7 * a + 3;
        map->tab_input_registers[a] = 7 * a + 11;
    }
    puts("ready");
    fflush(stdout);
    uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
    for (;;) {
        int size = modbus_receive(line, query);
        if (size > 0)
            modbus_reply(line, query, size, map);
        else if (size < 0 && errno == EIO)
            return 0;
    }
}

static int ask(modbus_t *line, double gap_s, double seconds) {
    uint16_t words[10];
    long requests = 0, failures = 0;
    struct timespec gap = {0, (long)(gap_s * 1e9)};
    double began = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    while (now(CLOCK_MONOTONIC) - began < seconds) {
        nanosleep(&gap, NULL);
        if (modbus_read_registers(line, 0, 10, words) == 10 && words[9] == 66)
            requests++;
        else
            failures++;
    }
    printf("%ld %ld %.6f %.6f\n", requests, failures, now(CLOCK_MONOTONIC) - began,
           now(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 5)
        return 2;
    int baud = atoi(argv[3]), unit = atoi(argv[4]);
    modbus_t *line = modbus_new_rtu(argv[2], baud, 'N', 8, 1);
    if (line == NULL || modbus_set_slave(line, unit) || modbus_connect(line)) {
        fprintf(stderr, "%s: %s\n", argv[2], modbus_strerror(errno));
        return 1;
    }
    modbus_set_response_timeout(line, 1, 0);
    double gap_s = baud <= 19200 ? 35.0 / baud : 0.00175;
    return strcmp(argv[1], "unit") == 0 ? serve(line) : ask(line, gap_s, atof(argv[5]));
}
