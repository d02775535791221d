/* templ.c - templates from words */
#include <string.h>

#include "templ.h"

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

#define OF_SECRET 1u
#define OF_PUBLIC 2u
#define OF_PRIVATE 4u
#define OF_OTHER 8u
#define OF_KEYS (OF_SECRET | OF_PUBLIC | OF_PRIVATE)

static const struct word {
	const char *name;
	CK_ATTRIBUTE_TYPE type;
	unsigned said; /* classes for which it is always in the template */
} words_known[] = {
	{"token", CKA_TOKEN, OF_KEYS | OF_OTHER},
	{"private", CKA_PRIVATE, 0},
	{"sensitive", CKA_SENSITIVE, OF_SECRET | OF_PRIVATE},
	{"extractable", CKA_EXTRACTABLE, OF_SECRET | OF_PRIVATE},
	{"encrypt", CKA_ENCRYPT, OF_SECRET | OF_PUBLIC},
	{"decrypt", CKA_DECRYPT, OF_SECRET | OF_PRIVATE},
	{"sign", CKA_SIGN, OF_SECRET | OF_PRIVATE},
	{"verify", CKA_VERIFY, OF_SECRET | OF_PUBLIC},
	{"sign_recover", CKA_SIGN_RECOVER, 0},
	{"verify_recover", CKA_VERIFY_RECOVER, 0},
	{"wrap", CKA_WRAP, OF_SECRET | OF_PUBLIC},
	{"unwrap", CKA_UNWRAP, OF_SECRET | OF_PRIVATE},
	{"derive", CKA_DERIVE, OF_SECRET | OF_PRIVATE},
	{"trusted", CKA_TRUSTED, 0},
	{"wrap_with_trusted", CKA_WRAP_WITH_TRUSTED, 0},
	{"always_authenticate", CKA_ALWAYS_AUTHENTICATE, 0},
	{"copyable", CKA_COPYABLE, 0},
	{"modifiable", CKA_MODIFIABLE, 0},
	{"destroyable", CKA_DESTROYABLE, 0},
	{"local", CKA_LOCAL, 0},
	{"always_sensitive", CKA_ALWAYS_SENSITIVE, 0},
	{"never_extractable", CKA_NEVER_EXTRACTABLE, 0},
	{"encapsulate", CKA_ENCAPSULATE, 0},
	{"decapsulate", CKA_DECAPSULATE, 0},
};
#define N_WORDS (sizeof(words_known) / sizeof(words_known[0]))

void
templ_bytes(struct templ *t, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG len)
{
	if (t->n < sizeof(t->a) / sizeof(t->a[0]))
		t->a[t->n++] = (CK_ATTRIBUTE){type, (void *)value, len};
}

void
templ_number(struct templ *t, CK_ATTRIBUTE_TYPE type, CK_ULONG value)
{
	if (t->n_numbers >= sizeof(t->numbers) / sizeof(t->numbers[0]))
		return;
	t->numbers[t->n_numbers] = value;
	templ_bytes(t, type, &t->numbers[t->n_numbers++], sizeof(value));
}

void
templ_sub(struct templ *t, CK_ATTRIBUTE_TYPE type, struct templ *sub)
{
	templ_bytes(t, type, sub->a, sub->n * sizeof(sub->a[0]));
}

/* 1: named, -1: named with a minus, 0: not there */
static int
stands_in(const char *words, const char *word)
{
	size_t n = strlen(word);
	const char *at = words;

	while ((at = strstr(at, word)) != NULL) {
		bool minus = at > words && at[-1] == '-';
		bool begins = at == words || at[-1] == ' ' || (minus && (at - 1 == words || at[-2] == ' '));

		if (begins && (at[n] == ' ' || at[n] == '\0'))
			return minus ? -1 : 1;
		at += n;
	}
	return 0;
}

static unsigned
class_bit(CK_OBJECT_CLASS class)
{
	switch (class) {
	case CKO_SECRET_KEY:
		return OF_SECRET;
	case CKO_PUBLIC_KEY:
		return OF_PUBLIC;
	case CKO_PRIVATE_KEY:
		return OF_PRIVATE;
	default:
		return OF_OTHER;
	}
}

void
templ_begin(struct templ *t, CK_OBJECT_CLASS class, CK_KEY_TYPE type, const char *words)
{
	unsigned bit = class_bit(class);
	bool bare = stands_in(words, "bare") != 0;

	t->n = t->n_numbers = 0;
	if (class != NO_CLASS)
		templ_number(t, CKA_CLASS, class);
	if (type != NO_CLASS)
		templ_number(t, CKA_KEY_TYPE, type);
	if (!bare && (bit & (OF_SECRET | OF_PRIVATE)) && !stands_in(words, "private"))
		templ_bytes(t, CKA_PRIVATE, stands_in(words, "public") ? &no : &yes, 1);
	if (stands_in(words, "public") && bare)
		templ_bytes(t, CKA_PRIVATE, &no, 1);
	for (size_t i = 0; i < N_WORDS; i++) {
		int said = stands_in(words, words_known[i].name);

		if (said != 0 || (!bare && (words_known[i].said & bit)))
			templ_bytes(t, words_known[i].type, said > 0 ? &yes : &no, 1);
	}
}
