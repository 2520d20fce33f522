/* Keeps a shadow of what is durable: the content of each file as of its last sync, and the names in
 * each folder as of its last sync, both looked at before the sync, since what comes during it may be
 * lost. At the Nth sync the process is killed, as by a power cut right after it. Loaded with LD_PRELOAD by tests/power/main.rs, which rebuilds the disk from the shadow. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long count = 0;

static void copy(int from, const char *name) {
    char path[4096], buffer[65536];
    snprintf(path, sizeof path, "%s/%s", getenv("SHADOW"), name);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    off_t at = 0;
    ssize_t got;
    while ((got = pread(from, buffer, sizeof buffer, at)) > 0) {
        if (write(to, buffer, got) != got) abort();
        at += got;
    }
    close(to);
}

/* One line of the log: "F INO PATH" for a file, "D PATH" and "N INO NAME" for a folder. */
static void note(int fd, int number) {
    struct stat stat;
    char link[64], path[4096], line[8192], log[4096];
    if (fstat(fd, &stat) != 0) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    snprintf(log, sizeof log, "%s/log", getenv("SHADOW"));
    int to = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (S_ISDIR(stat.st_mode)) {
        int written = snprintf(line, sizeof line, "D %s\n", path);
        if (write(to, line, written) != written) abort();
        DIR *folder = opendir(path);
        struct dirent *entry;
        while (folder && (entry = readdir(folder))) {
            written = snprintf(line, sizeof line, "N %lu %s\n", (unsigned long)entry->d_ino, entry->d_name);
            if (write(to, line, written) != written) abort();
        }
        if (folder) closedir(folder);
    } else if (S_ISREG(stat.st_mode)) {
        char name[64];
        snprintf(name, sizeof name, "ino-%lu", (unsigned long)stat.st_ino);
        /* The descriptor may be for writing only: read through a new one. */
        int from = open(link, O_RDONLY);
        if (from >= 0) {
            copy(from, name);
            close(from);
        }
        int written = snprintf(line, sizeof line, "F %lu %s\n", (unsigned long)stat.st_ino, path);
        if (write(to, line, written) != written) abort();
    }
    close(to);
    (void)number;
}

static int synced(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    if (!getenv("SHADOW")) return real(fd);
    pthread_mutex_lock(&lock);
    note(fd, ++count);
    int result = real(fd);
    if (result != 0) abort();
    const char *last = getenv("POWER_CUT");
    if (last && count == atol(last)) kill(getpid(), SIGKILL);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd) { return synced("fsync", fd); }
int fdatasync(int fd) { return synced("fdatasync", fd); }
