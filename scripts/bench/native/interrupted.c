/*
 * `interrupted THREADS CALLS MICROSECONDS FILE`: opens and closes a file in so many threads while a signal whose handler asks for no restart
 * comes every so often, and prints how many calls were made, how many of them ended with EINTR, and how many signals came. The
 * kernel never interrupts open(2) of a file on a disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static const char *file;
static long calls;
static long interrupted;
static volatile sig_atomic_t came;

static void handler(int number) {
    (void)number;
    came++;
}

static void *opens(void *unused) {
    (void)unused;
    for (long made = 0; made < calls; made++) {
        int fd = open(file, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) close(fd);
        else if (errno == EINTR) __atomic_add_fetch(&interrupted, 1, __ATOMIC_RELAXED);
        else exit(2);
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 5) return 1;
    int threads = atoi(argv[1]);
    calls = atol(argv[2]);
    long every = atol(argv[3]);
    file = argv[4];
    struct sigaction action = {.sa_handler = handler};
    struct itimerval timer = {{0, every}, {0, every}};
    pthread_t started[64];
    if (threads < 1 || threads > 64) return 1;
    if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &timer, NULL) != 0) return 1;
    for (int at = 1; at < threads; at++)
        if (pthread_create(&started[at], NULL, opens, NULL) != 0) return 1;
    opens(NULL);
    for (int at = 1; at < threads; at++) pthread_join(started[at], NULL);
    printf("%ld %ld %d\n", threads * calls, interrupted, (int)came);
    return 0;
}
