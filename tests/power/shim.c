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

/* Names what is at `path`: inode and time of birth, since a number is given again to what is made later.
 * A folder is "-", so that its content is never taken from a file that had its number. */
static void identify(int folder, const char *path, char *key, size_t room) {
    struct statx stat;
    snprintf(key, room, "-");
    if (statx(folder, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &stat) != 0) return;
    if (!S_ISREG(stat.stx_mode)) return;
    snprintf(key, room, "ino-%llu-%lld-%u", (unsigned long long)stat.stx_ino,
             (long long)stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec);
}

/* One line of the log: "F KEY PATH" for a file, "D PATH" and "N KEY NAME" for a folder. */
static void note(int fd, int number) {
    struct stat stat;
    char key[96], link[64], path[4096], line[8192], log[4096];
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
            identify(dirfd(folder), entry->d_name, key, sizeof key);
            written = snprintf(line, sizeof line, "N %s %s\n", key, entry->d_name);
            if (write(to, line, written) != written) abort();
        }
        if (folder) closedir(folder);
    } else if (S_ISREG(stat.st_mode)) {
        identify(fd, "", key, sizeof key);
        /* The descriptor may be for writing only: read through a new one. */
        int from = open(link, O_RDONLY);
        if (from >= 0) {
            copy(from, key);
            close(from);
        }
        int written = snprintf(line, sizeof line, "F %s %s\n", key, path);
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
