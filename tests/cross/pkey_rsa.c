/* pkey_rsa.c - OpenSSL's RSA in all its paddings */
#include "pkey.h"

#include <openssl/err.h>

EVP_PKEY *
rsa_key(unsigned bits)
{
	static struct {
		unsigned bits;
		EVP_PKEY *pkey;
	} pool[16];

	for (size_t i = 0; i < NELEMS(pool); i++) {
		if (pool[i].bits == 0) {
			pool[i].bits = bits;
			must_be((pool[i].pkey = EVP_RSA_gen(bits)) != NULL, "RSA");
		}
		if (pool[i].bits == bits)
			return pool[i].pkey;
	}
	must_be(false, "too many kinds of RSA keys");
	return NULL;
}

static EVP_MD *
fetched(const char *name)
{
	static struct {
		const char *name;
		EVP_MD *md;
	} pool[16];

	for (size_t i = 0; i < NELEMS(pool); i++) {
		if (pool[i].name == NULL) {
			pool[i].name = name;
			must_be((pool[i].md = EVP_MD_fetch(NULL, name, NULL)) != NULL, name);
		}
		if (strcmp(pool[i].name, name) == 0)
			return pool[i].md;
	}
	return NULL;
}

static void
set_way(EVP_PKEY_CTX *c, const struct rsa_way *w)
{
	must_be(EVP_PKEY_CTX_set_rsa_padding(c, w->padding) == 1, "padding");
	if (w->padding == RSA_PKCS1_OAEP_PADDING) {
		must_be(EVP_PKEY_CTX_set_rsa_oaep_md(c, fetched(w->md)) == 1 &&
				EVP_PKEY_CTX_set_rsa_mgf1_md(c, fetched(w->mgf)) == 1,
			"OAEP");
		if (w->label.len > 0)
			must_be(EVP_PKEY_CTX_set0_rsa_oaep_label(c,
					OPENSSL_memdup(w->label.data, w->label.len),
					(int)w->label.len) == 1,
				"label");
		return;
	}
	if (w->md != NULL)
		must_be(EVP_PKEY_CTX_set_signature_md(c, fetched(w->md)) == 1, "digest");
	if (w->padding == RSA_PKCS1_PSS_PADDING)
		must_be(EVP_PKEY_CTX_set_rsa_mgf1_md(c, fetched(w->mgf)) == 1 &&
				EVP_PKEY_CTX_set_rsa_pss_saltlen(c, w->salt) == 1,
			"PSS");
}

struct blob
rsa_run(enum rsa_op op, EVP_PKEY *pkey, const struct rsa_way *w, struct blob in)
{
	static const struct {
		int (*init)(EVP_PKEY_CTX *);
		int (*run)(EVP_PKEY_CTX *, unsigned char *, size_t *, const unsigned char *,
			size_t);
	} ops[] = {
		[RSA_SIGN] = {EVP_PKEY_sign_init, EVP_PKEY_sign},
		[RSA_ENCRYPT] = {EVP_PKEY_encrypt_init, EVP_PKEY_encrypt},
		[RSA_DECRYPT] = {EVP_PKEY_decrypt_init, EVP_PKEY_decrypt},
	};
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	struct blob out = blob_new((size_t)EVP_PKEY_get_size(pkey));

	must_be(ops[op].init(c) == 1, "RSA");
	set_way(c, w);
	if (ops[op].run(c, out.data, &out.len, in.data, in.len) != 1)
		out = (struct blob){0};
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	return out;
}

bool
rsa_verifies(EVP_PKEY *pkey, const struct rsa_way *w, struct blob hash, struct blob sig)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool ok;

	must_be(EVP_PKEY_verify_init(c) == 1, "RSA");
	set_way(c, w);
	ok = EVP_PKEY_verify(c, sig.data, sig.len, hash.data, hash.len) == 1;
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	return ok;
}

struct rsa_way
some_oaep(CK_RSA_PKCS_OAEP_PARAMS *oaep)
{
	struct blob label = blob_random(chance(2) * chance(80));

	*oaep = (CK_RSA_PKCS_OAEP_PARAMS){
		.hashAlg = some_hash(), .mgf = 1 + chance(9), .source = CKZ_DATA_SPECIFIED};
	oaep->pSourceData = label.len > 0 ? label.data : NULL;
	oaep->ulSourceDataLen = label.len;
	return (struct rsa_way){RSA_PKCS1_OAEP_PADDING, hash_name(oaep->hashAlg),
		hash_of_mgf(oaep->mgf), 0, label};
}
