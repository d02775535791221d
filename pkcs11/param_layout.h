/*
 * param_layout.h - where the fields of each parameter structure lie; seen by param*.c alone
 *
 * A layout is the order in which fields travel, which need not be their order in memory.
 */
#ifndef TOKENFS_PARAM_LAYOUT_H
#define TOKENFS_PARAM_LAYOUT_H

#include <string.h>

#include "names.h"

enum field_type {
	FIELD_END,
	FIELD_ULONG,    /* CK_ULONG at `first` */
	FIELD_HANDLE,   /* CK_OBJECT_HANDLE at `first`: a key */
	FIELD_BOOL,     /* CK_BBOOL at `first` */
	FIELD_ARRAY,    /* `second` bytes at `first`, inside the structure */
	FIELD_DATA,     /* a pointer at `first`, its CK_ULONG length at `second` */
	FIELD_PASSWORD, /* the same; but the length may be a pointer to it (CK_PKCS5_PBKD2_PARAMS) */
	FIELD_BITS,     /* the length counts bits */
	FIELD_NONCE,    /* the length counts bytes, or bits from 64 on (CK_NONCE_BYTES) */
	FIELD_POINTED,  /* a pointer at `first` to `second` bytes, or NULL */
	FIELD_ROOM,     /* an output: a pointer at `first`, its length in bits at `second` of the structure above */
	FIELD_RESULT,   /* an output: CK_OBJECT_HANDLE at `first` */
	FIELD_RESULT_AT, /* an output: a pointer at `first` to a CK_OBJECT_HANDLE */
	FIELD_STRUCT,   /* a pointer at `first` to one structure `inner` */
	FIELD_LIST,     /* a pointer at `first` to structures `inner`, their number at `second` */
	FIELD_TEMPLATE, /* a pointer at `first` to CK_ATTRIBUTEs, their number at `second` */
	FIELD_FORMED    /* as FIELD_DATA; what it is, `forms` say by the CK_ULONG at the structure's start */
};

/* Data, bits, nonces and pointed-to bytes may be outputs too. */
enum field_flow {
	FLOW_IN,
	FLOW_IN_OUT,
	FLOW_TAG /* message parameters: out when sealing, else in */
};

struct layout;

struct form {
	CK_ULONG selector;
	const struct layout *layout;
};

struct field {
	enum field_type type;
	size_t first, second;
	enum field_flow flow;
	const struct layout *inner;
	const struct form *forms; /* ends with layout NULL; any other selector: plain bytes */
	/* Looked at only if the CK_ULONG at `when` is `is`; is == 0: always. */
	size_t when;
	CK_ULONG is;
};

#define LAYOUT_FIELDS 10

struct layout {
	size_t size;               /* 0: the kind is no structure */
	bool optional;             /* may be absent */
	enum param_kind other;     /* another structure, told by its length, for the same mechanisms; or PARAM_NONE */
	bool outputs;              /* has fields that receive something */
	struct field fields[LAYOUT_FIELDS + 1];
};

extern const struct layout param_layouts[PARAM_KINDS];

/* `s` is the structure that the field is in, `above` the one that led there. */
bool field_is_looked_at(const struct field *f, const uint8_t *s);
/* Bytes behind a pointer whose length field says `len`. */
size_t field_bytes(const struct field *f, CK_ULONG len);
/* The length that belongs to a pointer; 0 for FIELD_POINTED. */
CK_ULONG field_length(const struct field *f, const uint8_t *s, const uint8_t *above);
/* Does the length travel by itself, because the data's does not tell it? room: no data travels. */
bool field_length_travels(const struct field *f, bool room);
/* FIELD_FORMED: the structure that it is, or NULL for plain bytes. */
const struct layout *field_form(const struct field *f, const uint8_t *s);
/* The second one that a mechanism takes, told by its length; PARAM_NONE: it has none. */
enum param_kind param_kind_other(CK_MECHANISM_TYPE type);
/* The structure that a mechanism's parameter of this length is. */
enum param_kind param_kind_of(const CK_MECHANISM *m);
/* That of a message's parameter, by its length alone. PARAM_NONE: no structure is as long. */
enum param_kind message_kind_of(CK_ULONG len);

/* Fields have no alignment that the compiler could know of. */
static inline CK_ULONG
load_ulong(const uint8_t *p)
{
	CK_ULONG v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void
store_ulong(uint8_t *p, CK_ULONG v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void *
load_pointer(const uint8_t *p)
{
	void *v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void
store_pointer(uint8_t *p, const void *v)
{
	memcpy(p, &v, sizeof(v));
}

#endif
