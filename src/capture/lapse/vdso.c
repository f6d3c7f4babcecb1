// SPDX-License-Identifier: Apache-2.0
/*
 * vdso.c - a program's clocks without a system call, with the box's offset
 *
 * Theory of operation
 *
 * Programs read clocks through functions that the kernel maps into each of them (vdso(7)) and that
 * they find by its symbols. At an exec, before the new program runs, code of ours is written into
 * the zeros behind that image, and the symbols are set to it. It calls the kernel's function, and
 * adds. The pages that are written become the process's own; its children inherit them.
 *
 * Clocks of used processor time are left alone. A word of nanoseconds is written and read at once;
 * while it is 0, nothing is computed. It is added to all of the time, modulo 2^64: a date before
 * ours is a large word.
 *
 * A 32-bit program finds no clocks in its vDSO, for their names are taken away: it asks the kernel,
 * and those calls stop for the tracer. That costs more at each reading, and needs no second code.
 */
#include <elf.h>
#include <sys/auxv.h>

#include "capture/lapse/lapse.h"

struct slots {
	uint64_t gettime, gettimeofday; /* addresses of the kernel's functions */
	uint64_t ahead, date_ahead;
};

#define CODE_MAX 512

/* clock ids: 0xbf3: 0 1 4 5 6 7 8 9 11, those that go on by themselves; 0x921: 0 5 8 11, dates */
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"lapse_code:\n"
	"lapse_code_slots: .quad 0, 0, 0, 0\n"
	"lapse_code_gettime:\n"
	"	endbr64\n"
	"	push %rdi\n"
	"	push %rsi\n"
	"	sub $8, %rsp\n"
	"	call *lapse_code_slots(%rip)\n"
	"	add $8, %rsp\n"
	"	pop %rsi\n"
	"	pop %rdi\n"
	"	test %eax, %eax\n"
	"	jnz 1f\n"
	"	cmp $11, %edi\n"
	"	ja 1f\n"
	"	mov $0xbf3, %ecx\n"
	"	bt %edi, %ecx\n"
	"	jnc 1f\n"
	"	mov $0x921, %edx\n"
	"	mov lapse_code_slots+16(%rip), %rcx\n"
	"	bt %edi, %edx\n"
	"	jnc 2f\n"
	"	mov lapse_code_slots+24(%rip), %rcx\n"
	"2:	test %rcx, %rcx\n"
	"	jz 1f\n"
	"	imul $1000000000, (%rsi), %rax\n"
	"	add 8(%rsi), %rax\n"
	"	add %rcx, %rax\n"
	"	xor %edx, %edx\n"
	"	mov $1000000000, %ecx\n"
	"	div %rcx\n"
	"	mov %rax, (%rsi)\n"
	"	mov %rdx, 8(%rsi)\n"
	"	xor %eax, %eax\n"
	"1:	ret\n"
	"lapse_code_gettimeofday:\n"
	"	endbr64\n"
	"	push %rdi\n"
	"	call *lapse_code_slots+8(%rip)\n"
	"	pop %rdi\n"
	"	test %eax, %eax\n"
	"	jnz 1f\n"
	"	test %rdi, %rdi\n"
	"	jz 1f\n"
	"	mov lapse_code_slots+24(%rip), %rcx\n"
	"	test %rcx, %rcx\n"
	"	jz 1f\n"
	"	imul $1000000000, (%rdi), %rax\n"
	"	imul $1000, 8(%rdi), %rdx\n"
	"	add %rdx, %rax\n"
	"	add %rcx, %rax\n"
	"	xor %edx, %edx\n"
	"	mov $1000000000, %ecx\n"
	"	div %rcx\n"
	"	mov %rax, (%rdi)\n"
	"	mov %rdx, %rax\n"
	"	xor %edx, %edx\n"
	"	mov $1000, %ecx\n"
	"	div %rcx\n"
	"	mov %rax, 8(%rdi)\n"
	"	xor %eax, %eax\n"
	"1:	ret\n"
	"lapse_code_time:\n"
	"	endbr64\n"
	"	push %rdi\n"
	"	sub $16, %rsp\n"
	"	mov $5, %edi\n" /* CLOCK_REALTIME_COARSE */
	"	mov %rsp, %rsi\n"
	"	call lapse_code_gettime\n"
	"	mov (%rsp), %rax\n"
	"	add $16, %rsp\n"
	"	pop %rdi\n"
	"	test %rdi, %rdi\n"
	"	jz 1f\n"
	"	mov %rax, (%rdi)\n"
	"1:	ret\n"
	"lapse_code_end:\n"
	".popsection\n");
extern const uint8_t lapse_code[], lapse_code_gettime[], lapse_code_gettimeofday[],
	lapse_code_time[], lapse_code_end[];

/* ---- the image ---------------------------------------------------------------------------- */

/** struct vdso - where things are in the vDSO of this kernel, from its beginning */
struct vdso {
	size_t size, code; /* code: where ours goes */
	uint64_t gettime, gettimeofday;
	int nsymbols;
	struct {
		size_t at; /* of st_value */
		uint64_t was;
		size_t ours; /* in our code */
	} symbol[8];
};

static size_t mapped_size(const uint8_t *base)
{
	cleanup_free char *text = NULL;
	unsigned long from, to;
	size_t n;

	if (read_file_at(AT_FDCWD, "/proc/self/maps", 1u << 20, &text, &n))
		return 0;
	for (char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL)
		if (sscanf(line, "%lx-%lx", &from, &to) == 2 && from == (unsigned long)base)
			return to - from <= VDSO_SIZE_MAX ? to - from : 0;
	return 0;
}

static void take_symbol(struct vdso *im, const uint8_t *base, const Elf64_Sym *s, const char *name)
{
	static const struct {
		const char *name;
		const uint8_t *ours;
	} known[] = { { "clock_gettime", lapse_code_gettime },
		      { "gettimeofday", lapse_code_gettimeofday },
		      { "time", lapse_code_time } };

	if (!strncmp(name, "__vdso_", 7))
		name += 7;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(name, known[i].name) || im->nsymbols == (int)ARRAY_SIZE(im->symbol))
			continue;
		if (i == 0)
			im->gettime = s->st_value;
		if (i == 1)
			im->gettimeofday = s->st_value;
		im->symbol[im->nsymbols].at = (size_t)((const uint8_t *)&s->st_value - base);
		im->symbol[im->nsymbols].was = s->st_value;
		im->symbol[im->nsymbols++].ours = (size_t)(known[i].ours - lapse_code);
	}
}

/* The kernel's own image, mapped into us as well: nothing in it is hostile. */
static bool read_image(struct vdso *im)
{
	const uint8_t *base = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *eh = (const void *)base;
	const Elf64_Sym *sym = NULL;
	const char *str = NULL;
	const uint32_t *hash = NULL;
	size_t code_n = (size_t)(lapse_code_end - lapse_code), n, end;

	*im = (struct vdso){ .size = base ? mapped_size(base) : 0 };
	if (!im->size)
		return false;
	for (int i = 0; i < eh->e_phnum; i++) {
		const Elf64_Phdr *ph = (const void *)(base + eh->e_phoff + (size_t)i * sizeof(*ph));
		const Elf64_Dyn *d = (const void *)(base + ph->p_offset);

		if (ph->p_type != PT_DYNAMIC)
			continue;
		for (; d->d_tag != DT_NULL; d++) {
			if (d->d_tag == DT_SYMTAB)
				sym = (const void *)(base + d->d_un.d_ptr);
			else if (d->d_tag == DT_STRTAB)
				str = (const void *)(base + d->d_un.d_ptr);
			else if (d->d_tag == DT_HASH)
				hash = (const void *)(base + d->d_un.d_ptr);
		}
	}
	if (!sym || !str)
		return false;
	/* without the old table of hashes: the strings follow the symbols */
	n = hash ? hash[1] : ((size_t)str - (size_t)sym) / sizeof(*sym);
	for (size_t i = 0; i < n && i < 64; i++)
		take_symbol(im, base, &sym[i], str + sym[i].st_name);
	for (end = im->size; end > 0 && !base[end - 1];)
		end--;
	im->code = (end + 63) & ~(size_t)63;
	return im->gettime && im->gettimeofday && code_n <= CODE_MAX &&
	       im->code + code_n <= im->size;
}

struct vdso *vdso_read(void)
{
	struct vdso *im = xcalloc(1, sizeof(*im));

	if (read_image(im))
		return im;
	free(im);
	return NULL;
}

static bool is_clock(const char *name)
{
	if (!strncmp(name, "__vdso_", 7))
		name += 7;
	return !strcmp(name, "clock_gettime") || !strcmp(name, "clock_gettime64") ||
	       !strcmp(name, "gettimeofday") || !strcmp(name, "time");
}

/* ---- a task's ----------------------------------------------------------------------------- */

/* target_write() obeys the protection of the pages; this does not. */
static int write_code(struct lapse *l, pid_t tid, uint64_t at, const void *p, size_t n)
{
	cleanup_close int fd = lapse_open(l, tid, LAPSE_MEM);

	if (fd < 0)
		return fd;
	return pwrite(fd, p, n, (off_t)at) == (ssize_t)n ? 0 : -EFAULT;
}

static uint64_t base_of(struct lapse *l, pid_t tid, bool narrow)
{
	cleanup_close int fd = lapse_open(l, tid, LAPSE_AUXV);
	uint64_t aux[128], v[2];
	const uint8_t *p = (const uint8_t *)aux;
	ssize_t n = fd < 0 ? -1 : read(fd, aux, sizeof(aux));
	size_t word = narrow ? 4 : 8;

	for (size_t i = 0; n > 0 && i + 2 * word <= (size_t)n; i += 2 * word) {
		v[0] = v[1] = 0;
		memcpy(&v[0], p + i, word);
		memcpy(&v[1], p + i + word, word);
		if (v[0] == AT_SYSINFO_EHDR)
			return v[1];
	}
	return 0;
}

int vdso_patch(struct lapse *l, pid_t tid, uint64_t *ret_base, uint64_t *ret_slot)
{
	size_t code_n = (size_t)(lapse_code_end - lapse_code);
	uint64_t base = base_of(l, tid, false), there;
	uint8_t code[CODE_MAX];
	const struct vdso *im = l->vdso;
	struct slots slots = { 0 };
	int rc;

	if (!base)
		return -ENOTSUP;
	for (int i = 0; i < im->nsymbols; i++)
		if (target_read(tid, base + im->symbol[i].at, &there, sizeof(there)) ||
		    there != im->symbol[i].was)
			return -ENOTSUP; /* another image than ours */
	memcpy(code, lapse_code, code_n);
	slots.gettime = base + im->gettime;
	slots.gettimeofday = base + im->gettimeofday;
	memcpy(code, &slots, sizeof(slots));
	rc = write_code(l, tid, base + im->code, code, code_n);
	for (int i = 0; i < im->nsymbols && !rc; i++) {
		uint64_t to = im->code + im->symbol[i].ours;

		rc = write_code(l, tid, base + im->symbol[i].at, &to, sizeof(to));
	}
	*ret_base = base;
	*ret_slot = base + im->code + offsetof(struct slots, ahead);
	return rc;
}

#define SYMBOLS_MAX_32 64

/** struct image32 - what a 32-bit image says of its symbols; addresses in the task */
struct image32 {
	uint64_t base, sym, str;
	size_t nsym;
};

static bool read_dynamic_32(pid_t tid, struct image32 *im, uint64_t at)
{
	uint32_t hash[2] = { 0 };
	Elf32_Dyn d;

	for (int i = 0; i < 64; i++, at += sizeof(d)) {
		if (target_read(tid, at, &d, sizeof(d)))
			return false;
		if (d.d_tag == DT_NULL)
			break;
		if (d.d_tag == DT_SYMTAB)
			im->sym = im->base + d.d_un.d_ptr;
		else if (d.d_tag == DT_STRTAB)
			im->str = im->base + d.d_un.d_ptr;
		else if (d.d_tag == DT_HASH &&
			 target_read(tid, im->base + d.d_un.d_ptr, hash, sizeof(hash)))
			return false;
	}
	if (!im->sym || !im->str)
		return false;
	/* as read_image() */
	im->nsym = hash[1] ? hash[1] : (im->str - im->sym) / sizeof(Elf32_Sym);
	return im->nsym <= SYMBOLS_MAX_32;
}

/* The program has not run yet: it is the kernel's own image, and still nothing of it is believed.
 */
static bool read_image_32(pid_t tid, uint64_t base, struct image32 *im)
{
	Elf32_Ehdr eh;
	Elf32_Phdr ph;

	*im = (struct image32){ .base = base };
	if (target_read(tid, base, &eh, sizeof(eh)) || memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_ident[EI_CLASS] != ELFCLASS32)
		return false;
	for (int i = 0; i < eh.e_phnum && i < 16; i++) {
		if (target_read(tid, base + eh.e_phoff + (size_t)i * sizeof(ph), &ph, sizeof(ph)))
			return false;
		if (ph.p_type == PT_DYNAMIC)
			return read_dynamic_32(tid, im, base + ph.p_vaddr);
	}
	return false;
}

int vdso_hide(struct lapse *l, pid_t tid, uint64_t *ret_base)
{
	const Elf32_Word no_name = 0;
	uint64_t base = base_of(l, tid, true), at;
	struct image32 im;
	char name[32];
	Elf32_Sym s;
	int rc = 0;

	*ret_base = base;
	if (!base)
		return 0;
	if (!read_image_32(tid, base, &im))
		return -ENOTSUP;
	for (size_t i = 1; i < im.nsym && !rc; i++) {
		at = im.sym + i * sizeof(s);
		if (target_read(tid, at, &s, sizeof(s)) ||
		    target_read(tid, im.str + s.st_name, name, sizeof(name)))
			return -ENOTSUP;
		name[sizeof(name) - 1] = 0;
		if (is_clock(name))
			rc = write_code(l, tid, at + offsetof(Elf32_Sym, st_name), &no_name,
					sizeof(no_name));
	}
	return rc;
}

int vdso_set(struct lapse *l, pid_t tid, uint64_t slot, uint64_t ahead, uint64_t date_ahead)
{
	uint64_t v[2] = { ahead, date_ahead };

	return write_code(l, tid, slot, v, sizeof(v));
}
