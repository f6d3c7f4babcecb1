// SPDX-License-Identifier: Apache-2.0
/*
 * claims.c - who owns what under root emulation
 *
 * An owner that a file was given is written beside it, in the extended attribute
 * user.belljar.owner ("uid:gid"): so it goes with the file through renames, hard links, snapshots
 * and export. Only files and directories can have such an attribute (xattr(7)); a symbolic link or
 * device keeps box root as its owner. A file that a process with a claimed identity makes is
 * remembered until it is there, then written down.
 */
#include <sys/stat.h>
#include <sys/xattr.h>

#include "capture/recorder.h"
#include "capture/truth/tree.h"

#define OWNER_XATTR TREE_OWNER_XATTR
#define CLAIMS_MARK TREE_CLAIMS_MARK

bool claims_exist(int box_fd)
{
	return !faccessat(box_fd, CLAIMS_MARK, F_OK, 0);
}

static void note_claims(struct recorder *rec)
{
	if (rec->claimed)
		return;
	rec->claimed = true;
	if (box_has_folder(rec->box)) /* else no later run of it can ask */
		(void)write_file_at(box_dirfd(rec->box), CLAIMS_MARK, 0600, "", 0);
}

bool claim_of(int fd, uint32_t *ret_uid, uint32_t *ret_gid)
{
	char name[64], text[32];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = getxattr(name, OWNER_XATTR, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	return sscanf(text, "%u:%u", ret_uid, ret_gid) == 2;
}

/* Write a claim to an O_PATH descriptor. A file that its owner may not write needs a moment of
 * being writable: user attributes ask for write permission, and we are its owner. */
static void write_claim(int fd, uint32_t uid, uint32_t gid)
{
	char name[64], text[32];
	struct stat st;
	int n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = snprintf(text, sizeof(text), "%u:%u", uid, gid);
	if (!uid && !gid) {
		removexattr(name, OWNER_XATTR);
		return;
	}
	if (!setxattr(name, OWNER_XATTR, text, (size_t)n, 0) || errno != EACCES || fstat(fd, &st))
		return;
	if (!chmod(name, (st.st_mode & 07777) | 0200)) {
		setxattr(name, OWNER_XATTR, text, (size_t)n, 0);
		chmod(name, st.st_mode & 07777);
	}
}

int claim_owner(struct held *h, const char *path, int at_flags, int64_t uid, int64_t gid)
{
	uint32_t old_uid = 0, old_gid = 0;
	int fd;

	if (h->creds.uid[1] && uid != -1 && uid != h->creds.uid[1])
		return -EPERM;
	claims_settle(h->rec);
	fd = open_in_box(h->rec, path, O_PATH | (at_flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0));
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? fd : 0;
	claim_of(fd, &old_uid, &old_gid);
	if (uid > 0 || gid > 0) {
		pthread_mutex_lock(&h->rec->lock);
		note_claims(h->rec);
		pthread_mutex_unlock(&h->rec->lock);
	}
	write_claim(fd, uid == -1 ? old_uid : (uint32_t)uid, gid == -1 ? old_gid : (uint32_t)gid);
	close(fd);
	return 0;
}

void claim_created(struct held *h, const char *path)
{
	struct recorder *rec = h->rec;

	if (!rec->emulate || h->unread || (!h->creds.fsuid && !h->creds.fsgid))
		return;
	claims_settle(rec);
	pthread_mutex_lock(&rec->lock);
	note_claims(rec);
	if (rec->nmade == MADE_MAX) { /* makers that were killed: the oldest go */
		free(rec->made[0].path);
		memmove(rec->made, rec->made + 1, sizeof(rec->made[0]) * (MADE_MAX - 1));
		rec->nmade--;
	}
	rec->made[rec->nmade++] = (struct made){ xstrdup(path), h->creds.fsuid, h->creds.fsgid };
	pthread_mutex_unlock(&rec->lock);
}

void claims_settle(struct recorder *rec)
{
	int left = 0;

	pthread_mutex_lock(&rec->lock);
	for (int i = 0; i < rec->nmade; i++) {
		struct made *m = &rec->made[i];
		int fd = open_in_box(rec, m->path, O_PATH | O_NOFOLLOW);
		uint32_t uid, gid;

		if (fd < 0) { /* not there yet */
			rec->made[left++] = *m;
			continue;
		}
		if (!claim_of(fd, &uid, &gid))
			write_claim(fd, m->uid, m->gid);
		close(fd);
		free(m->path);
	}
	rec->nmade = left;
	pthread_mutex_unlock(&rec->lock);
}
