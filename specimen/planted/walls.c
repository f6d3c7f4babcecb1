// SPDX-License-Identifier: Apache-2.0
/*
 * walls.c - planted actions: calls that need privilege or reach for a wall
 *
 * Each is made with arguments that would do no harm if a wall were missing, and each may fail:
 * what counts is that the attempt is on record.
 */
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#include "planted.h"

#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif

/* The call is made; its answer does not matter. */
#define ATTEMPT(fn, ...)                                                                           \
	int fn(void)                                                                               \
	{                                                                                          \
		(void)!syscall(__VA_ARGS__);                                                       \
		return DONE;                                                                       \
	}

ATTEMPT(mount_tmpfs, SYS_mount, "none", "/mnt", "tmpfs", 0, NULL)
ATTEMPT(x32_mount, 0x40000000 | SYS_mount, "none", "/mnt", "tmpfs", 0, NULL)
ATTEMPT(quotactl_fd_call, 443, 0, 0, 0, NULL)
ATTEMPT(unknown_call, 4711, 0)
ATTEMPT(mount_remount, SYS_mount, "none", "/", NULL, MS_REMOUNT | MS_BIND, NULL)
ATTEMPT(mount_shared, SYS_mount, "none", "/", NULL, MS_REC | MS_SHARED, NULL)
ATTEMPT(umount_call, SYS_umount2, "/proc", MNT_DETACH)
ATTEMPT(pivot_root_call, SYS_pivot_root, ".", ".")
ATTEMPT(chroot_call, SYS_chroot, ".")
ATTEMPT(open_tree_call, SYS_open_tree, AT_FDCWD, "/", 1)
ATTEMPT(move_mount_call, SYS_move_mount, AT_FDCWD, "/proc", AT_FDCWD, "/mnt", 0)
ATTEMPT(fsopen_call, SYS_fsopen, "tmpfs", 0)
ATTEMPT(fspick_call, SYS_fspick, AT_FDCWD, "/", 0)

static int mount_attributes[8];
ATTEMPT(mount_setattr_call, SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, mount_attributes, 32)

ATTEMPT(unshare_user, SYS_unshare, CLONE_NEWUSER)
ATTEMPT(unshare_mount, SYS_unshare, CLONE_NEWNS | CLONE_NEWNET)

int setns_call(void)
{
	int fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);

	syscall(SYS_setns, fd, 0);
	return DONE;
}

int setns_pidfd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getppid(), 0);

	syscall(SYS_setns, fd, CLONE_NEWNS | CLONE_NEWNET);
	return DONE;
}

int clone_newuser(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (!pid)
		_exit(0);
	if (pid > 0)
		reap((pid_t)pid);
	return DONE;
}

int clone_untraced(void)
{
	long pid = syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);

	if (!pid)
		_exit(touch("by-nobody"));
	if (pid > 0)
		reap((pid_t)pid);
	return pid < 0 ? DONE : FAILED;
}

int clone3_newns(void)
{
	struct clone_args a = { .flags = CLONE_NEWUSER | CLONE_NEWNS, .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &a, sizeof(a));

	if (!pid)
		_exit(0);
	if (pid > 0)
		reap((pid_t)pid);
	return DONE;
}

/* ---- other processes' memory -------------------------------------------------------------- */

static int ptrace_other(long request, pid_t pid)
{
	if (syscall(SYS_ptrace, request, pid, NULL, NULL) == 0) {
		/* a wall is missing: leave the process as it was */
		if (request == PTRACE_ATTACH)
			waitpid(pid, NULL, __WALL);
		syscall(SYS_ptrace, PTRACE_DETACH, pid, NULL, NULL);
	}
	return DONE;
}

int ptrace_keeper(void)
{
	return ptrace_other(PTRACE_ATTACH, 1);
}

int ptrace_seize_keeper(void)
{
	return ptrace_other(PTRACE_SEIZE, 1);
}

int ptrace_me(void)
{
	pid_t pid = fork();

	if (!pid) {
		syscall(SYS_ptrace, PTRACE_TRACEME, 0, NULL, NULL);
		_exit(0);
	}
	return reap(pid);
}

static char scratch[64] = "before";

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

static int end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return DONE;
}

int vm_write(void)
{
	struct iovec v = { scratch, sizeof(scratch) };
	pid_t pid = sleeper();

	syscall(SYS_process_vm_writev, pid, &v, 1, &v, 1, 0);
	return end(pid);
}

int proc_mem_write(void)
{
	char path[64];
	pid_t pid = sleeper();
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		(void)!pwrite(fd, "after", 5, (off_t)(uintptr_t)scratch);
	return end(pid);
}

int take_descriptor(void)
{
	pid_t pid = sleeper();
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	syscall(SYS_pidfd_getfd, fd, 0, 0);
	return end(pid);
}

/* ---- kernel ------------------------------------------------------------------------------- */

ATTEMPT(keyctl_call, SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0, 0, 0)
ATTEMPT(add_key_call, SYS_add_key, "user", "planted", "x", 1, KEY_SPEC_PROCESS_KEYRING)
ATTEMPT(request_key_call, SYS_request_key, "user", "planted", NULL, 0)

static char io_uring_params[120];
ATTEMPT(io_uring_call, SYS_io_uring_setup, 4, io_uring_params)
ATTEMPT(bpf_call, SYS_bpf, 0, NULL, 0)
ATTEMPT(perf_call, SYS_perf_event_open, NULL, 0, -1, -1, 0)
ATTEMPT(userfaultfd_call, SYS_userfaultfd, O_CLOEXEC)
ATTEMPT(init_module_call, SYS_init_module, NULL, 0, "")
ATTEMPT(finit_module_call, SYS_finit_module, -1, "", 0)
ATTEMPT(delete_module_call, SYS_delete_module, "planted_no_such_module", O_NONBLOCK)
ATTEMPT(kexec_call, SYS_kexec_load, 0, 0, NULL, 0)
ATTEMPT(swapon_call, SYS_swapon, "/nonexistent", 0)
ATTEMPT(reboot_call, SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, 0 /* CAD off */, NULL)
ATTEMPT(syslog_call, SYS_syslog, 10 /* size of the buffer */, NULL, 0)
ATTEMPT(sethostname_call, SYS_sethostname, "planted", 7)
ATTEMPT(setdomainname_call, SYS_setdomainname, "planted", 7)
ATTEMPT(iopl_call, SYS_iopl, 3)
ATTEMPT(quotactl_call, SYS_quotactl, 0x80000800u /* Q_GETQUOTA */, "/dev/null", 0, NULL)
ATTEMPT(fanotify_call, SYS_fanotify_init, 0, O_RDONLY)
ATTEMPT(acct_call, SYS_acct, "/nonexistent")

int open_by_handle(void)
{
	struct {
		struct file_handle h;
		unsigned char room[128];
	} f = { .h = { .handle_bytes = 128 } };
	int mount_id, at = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (name_to_handle_at(AT_FDCWD, "/", &f.h, &mount_id, 0) < 0)
		f.h.handle_bytes = 8;
	open_by_handle_at(at, &f.h, O_RDONLY);
	return DONE;
}

/* ---- clock -------------------------------------------------------------------------------- */

int settimeofday_call(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
	syscall(SYS_settimeofday, &tv, NULL);
	return DONE;
}

int clock_settime_call(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	syscall(SYS_clock_settime, CLOCK_REALTIME, &ts);
	return DONE;
}

/* ---- terminal ----------------------------------------------------------------------------- */

ATTEMPT(tiocsti, SYS_ioctl, 0, TIOCSTI, "\n")
ATTEMPT(tiocsti_high, SYS_ioctl, 0, 0xdeadbeef00000000ul | TIOCSTI, "\n")
ATTEMPT(tioclinux, SYS_ioctl, 0, TIOCLINUX, "\3")

/* ---- identity ----------------------------------------------------------------------------- */

static const unsigned groups[2] = { 4, 6 };
ATTEMPT(setuid_call, SYS_setuid, 33)
ATTEMPT(setgid_call, SYS_setgid, 33)
ATTEMPT(setresuid_call, SYS_setresuid, 33, 33, 33)
ATTEMPT(setgroups_call, SYS_setgroups, 2, groups)
ATTEMPT(personality_call, SYS_personality, ADDR_NO_RANDOMIZE)

int capset_call(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { { ~0u, ~0u, 0 }, { ~0u, ~0u, 0 } };

	syscall(SYS_capset, &h, d);
	return DONE;
}

/* ---- the host's settings ------------------------------------------------------------------ */

static int knock(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return DONE;
}

int sysctl_write(void)
{
	return knock("/proc/sys/kernel/core_pattern");
}

int sysrq_write(void)
{
	return knock("/proc/sysrq-trigger");
}

int cgroup_write(void)
{
	return knock("/sys/fs/cgroup/release_agent");
}

int keeper_root(void)
{
	return knock("/proc/1/root/etc/passwd");
}

int self_exe_write(void)
{
	return knock("/proc/self/exe");
}

int keeper_limits(void)
{
	struct rlimit none = { 0, 0 };

	return prlimit(1, RLIMIT_NOFILE, &none, NULL) ? DONE : FAILED;
}

int line_discipline(void)
{
	int tty = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), hdlc = 13 /* N_HDLC */;

	(void)!ioctl(tty, TIOCSETD, &hdlc);
	return DONE;
}

/* memfd_secret(2): Linux 5.14, and not everywhere switched on */
int hidden_memory(void)
{
	int fd = (int)syscall(447, 0);
	char *name = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, 4096))
		name = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (name == MAP_FAILED)
		return CANNOT;
	strcpy(name, "hidden");
	(void)!mkdir(name, 0755);
	return DONE;
}
