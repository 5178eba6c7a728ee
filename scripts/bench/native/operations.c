/*
 * `operations NAME SECONDS DIRECTORY`: does one thing over and over, and prints the nanoseconds that each batch took per
 * operation, one number a line. The same program runs in every world, so that only the answers' way differs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char file[4096], nothing[4096], fresh[4096], thousand[4096];
static int zero, sink, epoll, server;
static struct sockaddr_in address;

static void must(int ok, const char *what) {
    if (ok) return;
    perror(what);
    exit(1);
}

static void opens(void) {
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && close(fd) == 0, "open");
}

static void reads(void) {
    static char bytes[4096];
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    must(fd >= 0 && fstat(fd, &facts) == 0 && read(fd, bytes, sizeof bytes) > 0 && close(fd) == 0, "read");
}

static void stats(void) {
    struct stat facts;
    must(stat(file, &facts) == 0, "stat");
}

static void statsNothing(void) {
    struct stat facts;
    must(stat(nothing, &facts) < 0, "stat of nothing");
}

static void lists(void) {
    DIR *directory = opendir(thousand);
    int seen = 0;
    must(directory != NULL, "opendir");
    while (readdir(directory) != NULL) seen++;
    must(closedir(directory) == 0 && seen >= 1000, "readdir");
}

static void writes(void) {
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    must(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0 && unlink(fresh) == 0, "write");
}

static void pipes(void) {
    int ends[2];
    must(pipe2(ends, O_CLOEXEC) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0, "pipe");
}

static void spawns(void) {
    char *words[] = {"/bin/true", NULL}, *none[] = {NULL};
    pid_t pid;
    int status;
    must(posix_spawn(&pid, words[0], NULL, NULL, words, none) == 0 && waitpid(pid, &status, 0) == pid && status == 0, "spawn");
}

static void connects(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    int accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    struct linger hard = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    must(accepted >= 0 && close(fd) == 0 && close(accepted) == 0, "accept");
}

static void readsZero(void) {
    static char byte[64];
    must(read(zero, byte, sizeof byte) == sizeof byte, "read");
}

static void writesNull(void) {
    must(write(sink, "x", 1) == 1, "write");
}

static void wakes(void) {
    static int word;
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void waits(void) {
    struct epoll_event event;
    must(epoll_wait(epoll, &event, 1, 0) == 0, "epoll_wait");
}

static const struct { const char *name; void (*run)(void); int batch, threads; } ALL[] = {
    {"open", opens, 50, 1}, {"readfile", reads, 50, 1}, {"stat", stats, 50, 1}, {"stat-nothing", statsNothing, 50, 1},
    {"readdir", lists, 5, 1}, {"write-unlink", writes, 20, 1}, {"pipe", pipes, 20, 1}, {"spawn", spawns, 2, 1},
    {"connect", connects, 20, 1}, {"open-threads", opens, 50, 4},
    {"read", readsZero, 2000, 1}, {"write", writesNull, 2000, 1}, {"futex", wakes, 2000, 1}, {"epoll_wait", waits, 2000, 1},
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static size_t chosen;
static double until;

/* What a batch takes on this thread; with several threads, each says what its own took. */
static void *work(void *unused) {
    (void)unused;
    while (now() < until) {
        double began = now();
        for (int i = 0; i < ALL[chosen].batch; i++) ALL[chosen].run();
        printf("%.1f\n", (now() - began) / ALL[chosen].batch);
    }
    return NULL;
}

static void listenForConnects(void) {
    socklen_t length = sizeof address;
    server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    must(bind(server, (struct sockaddr *)&address, sizeof address) == 0 && listen(server, 128) == 0, "listen");
    must(getsockname(server, (struct sockaddr *)&address, &length) == 0, "getsockname");
}

int main(int count, char **words) {
    if (count != 4) return 2;
    while (chosen < sizeof ALL / sizeof *ALL && strcmp(ALL[chosen].name, words[1]) != 0) chosen++;
    if (chosen == sizeof ALL / sizeof *ALL) return 2;
    snprintf(file, sizeof file, "%s/file.txt", words[3]);
    snprintf(nothing, sizeof nothing, "%s/nothing.txt", words[3]);
    snprintf(fresh, sizeof fresh, "%s/fresh.%d", words[3], getpid());
    snprintf(thousand, sizeof thousand, "%s/thousand", words[3]);
    zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    must(zero >= 0 && sink >= 0 && epoll >= 0, "devices");
    if (strcmp(words[1], "connect") == 0) listenForConnects();
    for (int i = 0; i < ALL[chosen].batch; i++) ALL[chosen].run();
    until = now() + atof(words[2]) * 1e9;
    pthread_t threads[8];
    for (int i = 1; i < ALL[chosen].threads; i++) pthread_create(&threads[i], NULL, work, NULL);
    work(NULL);
    for (int i = 1; i < ALL[chosen].threads; i++) pthread_join(threads[i], NULL);
    return 0;
}
