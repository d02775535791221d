/* EdDSA with contexts and with pre-hashed messages, against RFC 8032; only pure EdDSA before OpenSSL 3.2. */
#include "crypto_help.h"

#include <openssl/err.h>

#define SK_CTX "0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6"
#define PK_CTX "dfc9425e4f968f7f0c29f0259cf5f9aed6851c2bb4ad8bfb860cfee0ab248292"
#define SK_PH "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42"
#define PK_PH "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf"
#define SK_448 "c4eab05d357007c632f3dbb48489924d552b08fe0c353a0d4a1f00acda2c463afbea67c5e8d2877c5e3bc397a659949ef8021e954e0a12274e"
#define PK_448 "43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802b8438ea4cb82169c235160627b4c3a9480"
#define SK_448PH "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42ef7822e0d5104127dc05d6dbefde69e3ab2cec7c867c6e2c49"
#define PK_448PH "259b71c19f83ef77a7abd26524cbdb3161b590a48f7d17de3ee0ba9c52beb743c09428a131d6b1b57303d90d8132c276d5ed3d5d01c0f53880"

static const struct {
	const char *group, *secret, *public, *message, *context;
	bool ph;
	const char *signature;
} vectors[] = {
	/* 7.2 */
	{"ED25519", SK_CTX, PK_CTX, "f726936d19c800494e3fdaff20b276a8", "foo", false,
		"55a4cc2f70a54e04288c5f4cd1e45a7bb520b36292911876cada7323198dd87a"
		"8b36950b95130022907a7fb7c4e9b2d5f6cca685a587b4b21f4b888e4e7edb0d"},
	/* 7.3 */
	{"ED25519", SK_PH, PK_PH, "616263", "", true,
		"98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
		"31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"},
	/* 7.4, 1 octet with context */
	{"ED448", SK_448, PK_448, "03", "foo", false,
		"d4f8f6131770dd46f40867d6fd5d5055de43541f8c5e35abbcd001b32a89f7d2151f7647f11d8ca2ae279fb842d607217fce6e042f6815ea"
		"000c85741de5c8da1144a6a1aba7f96de42505d7a7298524fda538fccbbb754f578c1cad10d54d0d5428407e85dcbc98a49155c13764e66c"
		"3c00"},
	/* 7.5 */
	{"ED448", SK_448PH, PK_448PH, "616263", "", true,
		"822f6901f7480f3d5f562c592994d9693602875614483256505600bbc281ae381f54d6bce2ea911574932f52a4e6cadd78769375ec3ffd1b"
		"801a0d9b3f4030cd433964b6457ea39476511214f97469b57dd32dbc560a9a94d00bff07620464a3ad203df7dc7ce360c3cd3696d9d9fab9"
		"0f00"},
};
#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static struct object *
key(CK_OBJECT_CLASS class, const char *group, const char *hex)
{
	const struct curve *c = curve_of_group(group);
	struct attrs a = {0};
	uint8_t v[64];
	size_t n = unhex(hex, v);

	attrs_set_ulong(&a, CKA_CLASS, class);
	attrs_set_ulong(&a, CKA_KEY_TYPE, CKK_EC_EDWARDS);
	attrs_set(&a, CKA_EC_PARAMS, c->oid, c->oid_len);
	attrs_set(&a, class == CKO_PRIVATE_KEY ? CKA_VALUE : CKA_EC_POINT, v, n);
	CHECK_RV(CKR_OK, key_check(&a));
	return as_object(&a);
}

/* Has this OpenSSL the parameter? Asked with another key type's context than the code under test asks. */
static bool
has_instances(void)
{
	return OPENSSL_version_major() > 3 || (OPENSSL_version_major() == 3 && OPENSSL_version_minor() >= 2);
}

static void
check(size_t i)
{
	struct ck_eddsa_parameters p = {vectors[i].ph, strlen(vectors[i].context), (uint8_t *)vectors[i].context};
	CK_MECHANISM m = mechanism(CKM_EDDSA, &p, sizeof(p)), pure = mechanism(CKM_EDDSA, NULL, 0);
	struct object *priv = key(CKO_PRIVATE_KEY, vectors[i].group, vectors[i].secret),
		*pub = key(CKO_PUBLIC_KEY, vectors[i].group, vectors[i].public);
	uint8_t msg[32], sig[114], made[114];
	size_t n = unhex(vectors[i].message, msg), len = unhex(vectors[i].signature, sig), got = sizeof(made);
	struct op *op;

	if (!has_instances()) {
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &m, priv));
		CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_VERIFY, &m, pub));
	} else {
		/* a pure signature before and after: neither may take on the other's ways */
		CHECK_RV(CKR_OK, once(OP_SIGN, &pure, priv, msg, n, made, &got));
		CHECK(!same(made, got, sig, len));
		CHECK_RV(CKR_OK, verify(&pure, pub, msg, n, made, got));
		CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m, pub, msg, n, made, got));
		CHECK_RV(CKR_OK, parts(OP_SIGN, &m, priv, msg, n, made, &got));
		CHECK(same(made, got, sig, len));
		CHECK_RV(CKR_OK, verify(&m, pub, msg, n, sig, len));
		CHECK_RV(CKR_OK, verify_parts(&m, pub, msg, n, sig, len));
		CHECK_RV(CKR_SIGNATURE_INVALID, verify(&pure, pub, msg, n, sig, len));
		CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m, pub, msg, n - 1, sig, len));
		p.ulContextDataLen = 0;
		p.phFlag = !p.phFlag;
		if (p.phFlag || strcmp(vectors[i].group, "ED448") == 0)
			CHECK_RV(CKR_SIGNATURE_INVALID, verify(&m, pub, msg, n, sig, len));
	}
	object_put(pub);
	object_put(priv);
}

static void
test_bad_parameters(void)
{
	uint8_t context[256] = {0};
	struct ck_eddsa_parameters p = {0, 256, context};
	CK_MECHANISM m = mechanism(CKM_EDDSA, &p, sizeof(p));
	struct object *priv = key(CKO_PRIVATE_KEY, "ED25519", SK_PH), *big = key(CKO_PRIVATE_KEY, "ED448", SK_448);
	struct op *op;

	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &m, priv));
	p.ulContextDataLen = 0; /* Ed25519ctx wants a context */
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &m, priv));
	CHECK_RV(CKR_OK, op_begin(&op, OP_SIGN, &m, big)); /* Ed448 itself */
	op_end(op);
	p.pContextData = NULL;
	p.ulContextDataLen = 3;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &m, big));
	m.ulParameterLen = 5;
	CHECK_RV(CKR_MECHANISM_PARAM_INVALID, op_begin(&op, OP_SIGN, &m, big));
	object_put(priv);
	object_put(big);
}

int
main(void)
{
	CHECK_RV(CKR_OK, secret_start());
	for (size_t i = 0; i < VECTORS; i++)
		check(i);
	test_bad_parameters();
	return unit_done("eddsa");
}
