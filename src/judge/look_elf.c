// SPDX-License-Identifier: Apache-2.0
/*
 * look_elf.c - an ELF file: what it is, needs and imports, by libelf
 *
 * libelf checks offsets against the file's size; what it gives is still counted and bounded here.
 */
#include <gelf.h>

#include "judge/look.h"

#define PHDRS_MAX     512
#define DYNAMIC_MAX   4096
#define NOTES_MAX     64
#define SECTIONS_MAX  8192
#define MODULE_SIGNED "~Module signature appended~\n"

struct elf_file {
	struct looking *l;
	Elf *elf;
	GElf_Ehdr h;
	size_t names; /* section of section names */
	size_t end;   /* of what headers and sections take up */
	bool has_sections, has_symbols, has_interpreter, has_dynamic;
};

static const char *arch_of(unsigned machine)
{
	static const struct {
		unsigned machine;
		const char *name;
	} archs[] = {
		{ EM_X86_64, "x86-64" }, { EM_386, "i386" },	{ EM_AARCH64, "arm64" },
		{ EM_ARM, "arm" },	 { EM_RISCV, "riscv" }, { EM_PPC64, "ppc64" },
		{ EM_MIPS, "mips" },	 { EM_S390, "s390" },	{ EM_BPF, "bpf" },
		{ EM_SPARCV9, "sparc" }, { EM_PPC, "powerpc" }, { EM_LOONGARCH, "loongarch" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(archs); i++)
		if (archs[i].machine == machine)
			return archs[i].name;
	return "other";
}

static struct str string_at(struct elf_file *f, size_t section, size_t at)
{
	return str_z(elf_strptr(f->elf, section, at));
}

static void take_up(struct elf_file *f, uint64_t at, uint64_t n)
{
	if (at <= f->l->n && n <= f->l->n - at && at + n > f->end)
		f->end = (size_t)(at + n);
}

static void code(struct elf_file *f, uint64_t at, uint64_t n)
{
	if (at <= f->l->n && (f->h.e_machine == EM_X86_64 || f->h.e_machine == EM_386))
		look_counter(f->l, at, n, f->h.e_machine == EM_X86_64);
}

static void dynamic(struct elf_file *f, Elf_Scn *scn, const GElf_Shdr *h)
{
	Elf_Data *d = elf_getdata(scn, NULL);
	GElf_Dyn dyn;

	for (int i = 0; d && i < DYNAMIC_MAX && gelf_getdyn(d, i, &dyn); i++) {
		if (dyn.d_tag == DT_NULL)
			return;
		if (dyn.d_tag == DT_NEEDED)
			look_library(f->l, string_at(f, h->sh_link, dyn.d_un.d_val));
		if (dyn.d_tag == DT_FLAGS_1 && dyn.d_un.d_val & DF_1_PIE)
			f->l->to->kind = "program";
	}
}

static void imports(struct elf_file *f, Elf_Scn *scn, const GElf_Shdr *h)
{
	Elf_Data *d = elf_getdata(scn, NULL);
	GElf_Sym sym;

	for (int i = 1; d && i < LOOK_SYMBOLS_MAX && gelf_getsym(d, i, &sym); i++)
		if (sym.st_shndx == SHN_UNDEF)
			look_import(f->l, string_at(f, h->sh_link, sym.st_name));
}

/* The build's number differs though the code does not. */
static void notes(struct elf_file *f, Elf_Scn *scn, const GElf_Shdr *h)
{
	Elf_Data *d = elf_getdata(scn, NULL);
	size_t at = 0, name, desc;
	GElf_Nhdr n;

	for (int i = 0; d && i < NOTES_MAX && (at = gelf_getnote(d, at, &n, &name, &desc)); i++)
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 && name + 4 <= d->d_size &&
		    !memcmp((char *)d->d_buf + name, "GNU", 4) && h->sh_offset <= f->l->n &&
		    desc <= f->l->n - h->sh_offset)
			look_hole(f->l, h->sh_offset + desc, n.n_descsz, false);
}

static void section(struct elf_file *f, Elf_Scn *scn)
{
	struct looking *l = f->l;
	struct str name;
	GElf_Shdr h;

	if (!gelf_getshdr(scn, &h))
		return;
	name = string_at(f, f->names, h.sh_name);
	if (h.sh_type == SHT_NOBITS)
		return;
	take_up(f, h.sh_offset, h.sh_size);
	f->has_symbols |= h.sh_type == SHT_SYMTAB;
	if (h.sh_flags & SHF_ALLOC)
		look_section(l, name, h.sh_offset, h.sh_size, h.sh_flags & SHF_EXECINSTR);
	if (h.sh_flags & SHF_EXECINSTR)
		code(f, h.sh_offset, h.sh_size);
	if (h.sh_type == SHT_DYNAMIC)
		dynamic(f, scn, &h);
	if (h.sh_type == SHT_DYNSYM)
		imports(f, scn, &h);
	if (h.sh_type == SHT_NOTE)
		notes(f, scn, &h);
	if (str_eq(name, STR(".comment")) || str_eq(name, STR(".gnu_debuglink")))
		look_hole(l, h.sh_offset, h.sh_size, false);
	if (str_eq(name, STR(".gopclntab")) || str_eq(name, STR(".go.buildinfo")))
		look_mark(l, "go");
	if (str_eq(name, STR(".sha256_sig")) || str_eq(name, STR(".sig_key")))
		look_hole(l, h.sh_offset, h.sh_size, false);
}

static void segments(struct elf_file *f)
{
	char name[24];
	size_t n = 0;
	GElf_Phdr p;

	if (elf_getphdrnum(f->elf, &n))
		return;
	for (size_t i = 0; i < n && i < PHDRS_MAX && gelf_getphdr(f->elf, (int)i, &p); i++) {
		take_up(f, p.p_offset, p.p_filesz);
		f->has_interpreter |= p.p_type == PT_INTERP;
		f->has_dynamic |= p.p_type == PT_DYNAMIC;
		if (p.p_type != PT_LOAD || f->has_sections)
			continue;
		snprintf(name, sizeof(name), "segment %zu", i);
		look_section(f->l, str_z(name), p.p_offset, p.p_filesz, p.p_flags & PF_X);
		if (p.p_flags & PF_X)
			code(f, p.p_offset, p.p_filesz);
	}
}

static const char *kind_of(const struct elf_file *f)
{
	switch (f->h.e_type) {
	case ET_REL:
		return "object";
	case ET_EXEC:
		return "program";
	case ET_DYN:
		return f->has_interpreter ? "program" : "library";
	case ET_CORE:
		return "core";
	default:
		return "other";
	}
}

static void describe(struct elf_file *f)
{
	struct looking *l = f->l;
	size_t n = 0, signed_n = sizeof(MODULE_SIGNED) - 1;
	Elf_Scn *scn = NULL;

	l->to->arch = arch_of(f->h.e_machine);
	f->has_sections = !elf_getshdrnum(f->elf, &n) && n > 1;
	if (elf_getshdrstrndx(f->elf, &f->names))
		f->names = 0;
	take_up(f, f->h.e_shoff, (uint64_t)f->h.e_shentsize * n);
	segments(f);
	for (size_t i = 0; i < SECTIONS_MAX && (scn = elf_nextscn(f->elf, scn)); i++)
		section(f, scn);
	if (!l->to->kind)
		l->to->kind = kind_of(f);
	l->to->linking = f->has_dynamic
				 ? (f->has_interpreter || l->nlibraries ? "dynamic" : "static")
				 : "static";
	l->to->stripped = !f->has_symbols;
	if (!f->has_sections)
		look_mark(l, "no-sections");
	l->to->appended = l->n - f->end;
	if (l->n > signed_n && !memcmp(l->p + l->n - signed_n, MODULE_SIGNED, signed_n)) {
		look_mark(l, "module-signature");
		l->to->kind = "driver";
	}
}

void look_elf(struct looking *l)
{
	struct elf_file f = { .l = l };

	l->to->type = "elf";
	if (elf_version(EV_CURRENT) == EV_NONE)
		return;
	/* it reads only; the parameter is for those who open files to change them */
	f.elf = elf_memory((char *)(uintptr_t)l->p, l->n);
	if (f.elf && elf_kind(f.elf) == ELF_K_ELF && gelf_getehdr(f.elf, &f.h))
		describe(&f);
	else
		look_mark(l, "damaged");
	elf_end(f.elf);
}
