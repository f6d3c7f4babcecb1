// SPDX-License-Identifier: Apache-2.0
/*
 * look_imports.c - functions of libraries that say what a program can do
 *
 * A program that loads functions while it runs, or makes system calls itself, names none of them:
 * what is missing here proves nothing.
 */
#include "judge/look.h"

/* Sorted by name: they are looked for by halving. '*' at the end: any end. */
static const struct sign {
	const char *name;
	enum import_class class;
} signs[] = {
	{ "BCryptEncrypt", IMPORT_CRYPTO },
	{ "CheckRemoteDebuggerPresent", IMPORT_DEBUG },
	{ "CreateProcess*", IMPORT_EXEC },
	{ "CreateRemoteThread*", IMPORT_INJECT },
	{ "CredEnumerate*", IMPORT_SECRETS },
	{ "CryptEncrypt", IMPORT_CRYPTO },
	{ "CryptUnprotectData", IMPORT_SECRETS },
	{ "EVP_EncryptInit*", IMPORT_CRYPTO },
	{ "GetAsyncKeyState", IMPORT_KEYS },
	{ "GetProcAddress", IMPORT_LOADER },
	{ "GetRawInputData", IMPORT_KEYS },
	{ "HttpOpenRequest*", IMPORT_NETWORK },
	{ "InternetOpen*", IMPORT_NETWORK },
	{ "IsDebuggerPresent", IMPORT_DEBUG },
	{ "LoadLibrary*", IMPORT_LOADER },
	{ "NtQueryInformationProcess", IMPORT_DEBUG },
	{ "OutputDebugString*", IMPORT_DEBUG },
	{ "PK11SDR_Decrypt", IMPORT_SECRETS },
	{ "PrintWindow", IMPORT_SCREEN },
	{ "QueueUserAPC*", IMPORT_INJECT },
	{ "RegisterRawInputDevices", IMPORT_KEYS },
	{ "SSL_connect", IMPORT_NETWORK },
	{ "SetThreadContext", IMPORT_INJECT },
	{ "SetWindowsHookEx*", IMPORT_KEYS },
	{ "ShellExecute*", IMPORT_EXEC },
	{ "URLDownloadToFile*", IMPORT_NETWORK },
	{ "VirtualAllocEx*", IMPORT_INJECT },
	{ "WSASocket*", IMPORT_NETWORK },
	{ "WSAStartup", IMPORT_NETWORK },
	{ "WinExec", IMPORT_EXEC },
	{ "WinHttp*", IMPORT_NETWORK },
	{ "WriteProcessMemory", IMPORT_INJECT },
	{ "XGetImage", IMPORT_SCREEN },
	{ "XGrabKeyboard", IMPORT_KEYS },
	{ "XISelectEvents", IMPORT_KEYS },
	{ "XQueryKeymap", IMPORT_KEYS },
	{ "XRecordCreateContext", IMPORT_KEYS },
	{ "XRecordEnableContext*", IMPORT_KEYS },
	{ "XShmGetImage", IMPORT_SCREEN },
	{ "connect", IMPORT_NETWORK },
	{ "curl_easy_perform", IMPORT_NETWORK },
	{ "dlopen", IMPORT_LOADER },
	{ "dlsym", IMPORT_LOADER },
	{ "execl*", IMPORT_EXEC },
	{ "execv*", IMPORT_EXEC },
	{ "fexecve", IMPORT_EXEC },
	{ "getaddrinfo", IMPORT_NETWORK },
	{ "gethostbyname*", IMPORT_NETWORK },
	{ "gnutls_handshake", IMPORT_NETWORK },
	{ "libevdev_next_event", IMPORT_KEYS },
	{ "libinput_get_event", IMPORT_KEYS },
	{ "popen", IMPORT_EXEC },
	{ "posix_spawn*", IMPORT_EXEC },
	{ "process_vm_readv", IMPORT_INJECT },
	{ "process_vm_writev", IMPORT_INJECT },
	{ "ptrace", IMPORT_INJECT },
	{ "secret_password_lookup*", IMPORT_SECRETS },
	{ "secret_service_search*", IMPORT_SECRETS },
	{ "sendto", IMPORT_NETWORK },
	{ "socket", IMPORT_NETWORK },
	{ "system", IMPORT_EXEC },
	{ "xcb_get_image", IMPORT_SCREEN },
	{ "xcb_record_enable_context*", IMPORT_KEYS },
	{ "xcb_shm_get_image", IMPORT_SCREEN },
};
_Static_assert(ARRAY_SIZE(signs) <= 8 * 32, "struct looking has bits for all signs");

const char *import_class_name(enum import_class c)
{
	static const char *const names[IMPORT_CLASSES] = {
		[IMPORT_NETWORK] = "network", [IMPORT_EXEC] = "exec",
		[IMPORT_INJECT] = "inject",   [IMPORT_DEBUG] = "debug",
		[IMPORT_KEYS] = "keys",	      [IMPORT_SCREEN] = "screen",
		[IMPORT_SECRETS] = "secrets", [IMPORT_CRYPTO] = "crypto",
		[IMPORT_LOADER] = "loader",
	};

	return c < IMPORT_CLASSES ? names[c] : NULL;
}

/* Like strcmp(name, sign), where a '*' at the sign's end fits any rest of a name. */
static int compare(struct str name, const char *sign)
{
	for (size_t i = 0;; i++) {
		unsigned char a = i < name.n ? (unsigned char)name.p[i] : 0;
		unsigned char b = (unsigned char)sign[i];

		if (b == '*')
			return 0;
		if (a != b)
			return a < b ? -1 : 1;
		if (!b)
			return 0;
	}
}

static const struct sign *sign_of(struct str name)
{
	size_t from = 0, to = ARRAY_SIZE(signs);

	while (from < to) {
		size_t mid = (from + to) / 2;
		int d = compare(name, signs[mid].name);

		if (!d)
			return &signs[mid];
		if (d < 0)
			to = mid;
		else
			from = mid + 1;
	}
	return NULL;
}

bool import_is_for(struct str name, struct str class)
{
	const struct sign *s = sign_of(name);

	return s && str_eq(class, str_z(import_class_name(s->class)));
}

void look_import(struct looking *l, struct str name)
{
	const struct sign *s = l->nsymbols++ < LOOK_SYMBOLS_MAX ? sign_of(name) : NULL;
	size_t at;

	if (!s)
		return;
	at = (size_t)(s - signs);
	l->to->imports |= 1u << s->class;
	if (l->seen[at / 32] >> at % 32 & 1 || l->nnames++ >= LOOK_NAMES_MAX)
		return;
	l->seen[at / 32] |= 1u << at % 32;
	if (l->names.n)
		buf_puts(&l->names, ",");
	buf_add(&l->names, name.p, name.n > 64 ? 64 : name.n);
}
