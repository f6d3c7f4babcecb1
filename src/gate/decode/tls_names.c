// SPDX-License-Identifier: Apache-2.0
/*
 * tls_names.c - words for the numbers of TLS
 */
#include "gate/decode/tls.h"

static const struct {
	uint16_t value;
	const char *name;
} versions[] = {
	{ 0x0002, "SSL 2.0" },	{ 0x0300, "SSL 3.0" },	{ 0x0301, "TLS 1.0" },
	{ 0x0302, "TLS 1.1" },	{ 0x0303, "TLS 1.2" },	{ TLS_1_3, "TLS 1.3" },
	{ 0xfeff, "DTLS 1.0" }, { 0xfefd, "DTLS 1.2" }, { 0xfefc, "DTLS 1.3" },
}, suites[] = {
#define SUITE(value, name) { value, name },
#include "gate/decode/tls_suites.def"
#undef SUITE
}, alerts[] = { /* IANA, "TLS Alerts" */
	{ 0, "close_notify" },
	{ 10, "unexpected_message" },
	{ 20, "bad_record_mac" },
	{ 21, "decryption_failed" },
	{ 22, "record_overflow" },
	{ 30, "decompression_failure" },
	{ 40, "handshake_failure" },
	{ 41, "no_certificate" },
	{ 42, "bad_certificate" },
	{ 43, "unsupported_certificate" },
	{ 44, "certificate_revoked" },
	{ 45, "certificate_expired" },
	{ 46, "certificate_unknown" },
	{ 47, "illegal_parameter" },
	{ 48, "unknown_ca" },
	{ 49, "access_denied" },
	{ 50, "decode_error" },
	{ 51, "decrypt_error" },
	{ 60, "export_restriction" },
	{ 70, "protocol_version" },
	{ 71, "insufficient_security" },
	{ 80, "internal_error" },
	{ 86, "inappropriate_fallback" },
	{ 90, "user_canceled" },
	{ 100, "no_renegotiation" },
	{ 109, "missing_extension" },
	{ 110, "unsupported_extension" },
	{ 111, "certificate_unobtainable" },
	{ 112, "unrecognized_name" },
	{ 113, "bad_certificate_status_response" },
	{ 114, "bad_certificate_hash_value" },
	{ 115, "unknown_psk_identity" },
	{ 116, "certificate_required" },
	{ 120, "no_application_protocol" },
	{ 121, "ech_required" },
};

#define NAME_OF(table, v, buf)                                                                     \
	({                                                                                         \
		const char *name_ = NULL;                                                          \
		for (size_t i_ = 0; i_ < ARRAY_SIZE(table) && !name_; i_++)                        \
			if (table[i_].value == (v))                                                \
				name_ = table[i_].name;                                            \
		if (!name_) {                                                                      \
			snprintf(buf, 16, "0x%04x", v);                                            \
			name_ = buf;                                                               \
		}                                                                                  \
		name_;                                                                             \
	})

const char *tls_version_name(uint16_t version, char buf[16])
{
	return NAME_OF(versions, version, buf);
}

const char *tls_cipher_name(uint16_t cipher, char buf[16])
{
	return NAME_OF(suites, cipher, buf);
}

const char *tls_alert_name(uint8_t alert, char buf[16])
{
	return NAME_OF(alerts, alert, buf);
}
