/* What stands around the runtime: interpreters, graphics processors, quotas of the disk, the clock. */
#include "oci/runtime.h"
#include "probe/probe.h"
#include "spawner/space.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#define PYTHON "/usr/bin/python3"
#define DISK_LIMIT_MS 10000
#define PYTHON_LIMIT_MS 30000 /* an import from a cold, busy disk */
#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif
#define PROJECT_QUOTA 2u
#define ASK_PROJECT_QUOTA (((unsigned)Q_GETINFO << SUBCMDSHIFT) | PROJECT_QUOTA) /* QCMD shifts into the sign */

/* Runs python3 and takes its first line. */
static void run_python(const char *script, wy_answer *answer) {
    int line[2], state = 0;
    char text[120] = "";
    if (access(PYTHON, X_OK) != 0) {
        wy_say(answer, WY_PROBE_NO, "no " PYTHON);
        return;
    }
    if (pipe2(line, O_CLOEXEC) != 0) {
        wy_say(answer, WY_PROBE_UNKNOWN, "no pipe");
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        char *arguments[] = {PYTHON, "-I", "-c", (char *)script, NULL};
        char *environment[] = {"PATH=/usr/bin:/bin", "HOME=/nonexistent", "OPENBLAS_NUM_THREADS=1", NULL};
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null >= 0 && dup2(null, 0) >= 0 && dup2(line[1], 1) >= 0 && dup2(null, 2) >= 0) {
            (void)execve(PYTHON, arguments, environment);
        }
        _exit(127);
    }
    (void)close(line[1]);
    size_t filled = 0;
    ssize_t got = 0;
    while (filled < sizeof text - 1 && (got = read(line[0], text + filled, sizeof text - 1 - filled)) > 0) {
        filled += (size_t)got;
    }
    text[filled] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (child < 0 || waitpid(child, &state, 0) != child || !WIFEXITED(state)) {
        wy_say(answer, WY_PROBE_UNKNOWN, "python3 did not end in order");
    } else if (WEXITSTATUS(state) != 0 || text[0] == '\0') {
        wy_say(answer, WY_PROBE_NO, "not importable by " PYTHON);
    } else {
        wy_say(answer, WY_PROBE_YES, "%s", text);
    }
}

static void python(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    run_python("import platform; print(platform.python_version())", answer);
}

static void numpy(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    run_python("import numpy; print(numpy.__version__)", answer);
}

static void msgpack(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    run_python("import msgpack; print('.'.join(map(str, msgpack.version)))", answer);
}

static void libpython(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    void *library = dlopen("libpython3.11.so.1.0", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        wy_say(answer, WY_PROBE_NO, "%s", dlerror());
        return;
    }
    const char *(*get_version)(void) = NULL;
    *(void **)&get_version = dlsym(library, "Py_GetVersion");
    char version[24] = "";
    if (get_version != NULL) {
        (void)snprintf(version, sizeof version, "%.*s", (int)strcspn(get_version(), " "), get_version());
    }
    wy_say(answer, version[0] != '\0' ? WY_PROBE_YES : WY_PROBE_NO, "libpython %s", version);
}

/* For isolation: of images; root alone can use them. */
static void oci_runtime(uint32_t runtime, wy_answer *answer) {
    const char *program = wy_runtime_program(runtime);
    wy_say(answer, program != NULL ? WY_PROBE_YES : WY_PROBE_NO, "%s", program != NULL ? program : "not installed");
}

static void crun(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    oci_runtime(WY_RUNTIME_CRUN, answer);
}

static void runsc(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    oci_runtime(WY_RUNTIME_RUNSC, answer);
}

static int count_devices(void) {
    int count = 0;
    DIR *devices = opendir("/dev");
    for (struct dirent *entry = NULL; devices != NULL && (entry = readdir(devices)) != NULL;) {
        count += strncmp(entry->d_name, "nvidia", 6) == 0 && entry->d_name[6] >= '0' && entry->d_name[6] <= '9';
    }
    if (devices != NULL) {
        (void)closedir(devices);
    }
    return count;
}

/* The driver is asked only where its library is. */
static void gpu(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    int devices = count_devices(), version = 0, usable = 0;
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        wy_say(answer, WY_PROBE_NO, devices == 0 ? "none" : "%d nvidia devices, no libcuda.so.1", devices);
        return;
    }
    int (*initialise)(unsigned) = NULL, (*get_version)(int *) = NULL, (*get_count)(int *) = NULL;
    *(void **)&initialise = dlsym(library, "cuInit");
    *(void **)&get_version = dlsym(library, "cuDriverGetVersion");
    *(void **)&get_count = dlsym(library, "cuDeviceGetCount");
    if (initialise == NULL || get_version == NULL || get_count == NULL || get_version(&version) != 0) {
        wy_say(answer, WY_PROBE_NO, "libcuda.so.1 does not answer; %d nvidia devices", devices);
        return;
    }
    int started = initialise(0);
    if (started != 0 || get_count(&usable) != 0) {
        wy_say(answer, WY_PROBE_NO, "CUDA %d.%d, but cuInit gives %d; %d nvidia devices", version / 1000, version % 1000 / 10,
               started, devices);
        return;
    }
    wy_say(answer, usable > 0 ? WY_PROBE_YES : WY_PROBE_NO, "%d usable, CUDA %d.%d", usable, version / 1000, version % 1000 / 10);
}

static void project_quota(const wy_probe_context *context, wy_answer *answer) {
    char facts[512]; /* larger than each of the structures that the call may fill */
    int directory = open(context->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        wy_say(answer, WY_PROBE_UNKNOWN, "%.100s: %s", context->state_dir, strerror(errno));
        return;
    }
    if (syscall(SYS_quotactl_fd, directory, ASK_PROJECT_QUOTA, 0, facts) != 0) {
        wy_say(answer, WY_PROBE_NO, "none on the file system of %.80s (%s)", context->state_dir, strerror(errno));
        return;
    }
    wy_say(answer, WY_PROBE_YES, "on the file system of %.100s", context->state_dir);
}

static void loop_devices(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    if (open("/dev/loop-control", O_RDWR | O_CLOEXEC) < 0) {
        wy_say_errno(answer, "/dev/loop-control");
        return;
    }
    wy_say(answer, WY_PROBE_YES, "/dev/loop-control opens");
}

/* Makes one, as the spawner does for a task. */
static void disk_image(const wy_probe_context *context, wy_answer *answer) {
    wy_error error = {0};
    wy_space space;
    int directory = open(context->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (geteuid() != 0 || wy_space_formatter() == NULL || directory < 0) {
        wy_say(answer, WY_PROBE_NO, geteuid() != 0 ? "only root mounts file systems" : directory < 0 ? "no directory to make it in" : "no mkfs.ext4");
        return;
    }
    if (wy_space_make(directory, WY_SPACE_LEAST_BYTES, &space, &error) != WY_OK) {
        wy_say(answer, WY_PROBE_NO, "%.160s", error.message);
        return;
    }
    wy_space_clear(space.mount_fd, space.file_fd);
    wy_say(answer, WY_PROBE_YES, "made in %.100s", context->state_dir);
}

static void clock_source(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    char source[32];
    wy_first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", source, sizeof source);
    int fast = strcmp(source, "tsc") == 0 || strcmp(source, "kvm-clock") == 0 || strcmp(source, "arch_sys_counter") == 0;
    wy_say(answer, source[0] == '\0' ? WY_PROBE_UNKNOWN : fast ? WY_PROBE_YES : WY_PROBE_NO, "%s",
           source[0] != '\0' ? source : "not told");
}

static void synchronised(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    struct timex facts = {.modes = 0};
    int state = adjtimex(&facts);
    if (state < 0) {
        wy_say(answer, WY_PROBE_UNKNOWN, "adjtimex: %s", strerror(errno));
        return;
    }
    int good = state != TIME_ERROR && (facts.status & STA_UNSYNC) == 0;
    wy_say(answer, good ? WY_PROBE_YES : WY_PROBE_NO, good ? "the kernel's clock is kept, error up to %ld us" : "the kernel's clock is not kept",
           facts.maxerror);
}

static void perf_events(const wy_probe_context *context, wy_answer *answer) {
    (void)context;
    char paranoid[16];
    wy_first_line("/proc/sys/kernel/perf_event_paranoid", paranoid, sizeof paranoid);
    wy_say(answer, paranoid[0] != '\0' ? WY_PROBE_YES : WY_PROBE_NO, "kernel.perf_event_paranoid %s",
           paranoid[0] != '\0' ? paranoid : "absent");
}

const wy_check wy_host_checks[] = {
    {"software.python3", python, PYTHON_LIMIT_MS},
    {"software.libpython", libpython, PYTHON_LIMIT_MS},
    {"software.numpy", numpy, PYTHON_LIMIT_MS},
    {"software.msgpack", msgpack, PYTHON_LIMIT_MS},
    {"software.crun", crun, 0},
    {"software.runsc", runsc, 0},
    {"accelerator.gpu", gpu, PYTHON_LIMIT_MS},
    {"disk.project_quota", project_quota, 0},
    {"disk.loop", loop_devices, 0},
    {"disk.image", disk_image, DISK_LIMIT_MS},
    {"host.clock_source", clock_source, 0},
    {"host.time_sync", synchronised, 0},
    {"host.perf_events", perf_events, 0},
    {NULL, NULL, 0},
};
