/*
 * wire.h - frames and the call table: all that the two ends must agree on
 *
 * A frame is a 16-byte header and a body (docs/PROTOCOL.md):
 *
 *   0  u32  length   of the whole frame, header included
 *   4  u32  call     number of the call; a reply repeats it
 *   8  u32  seq      chosen by the client; a reply repeats it
 *  12  u32  rv       reply: the CK_RV; request: 0
 *
 * The body is typed by the row of its call, one letter per item, and codec.h refuses to put or
 * get anything else, so that the two ends cannot drift apart:
 *
 *   y  CK_BYTE, CK_BBOOL           u8
 *   u  CK_ULONG                    u64 (CK_UNAVAILABLE_INFORMATION is all ones)
 *   b  bytes or NULL               u32 length (0xFFFFFFFF: NULL) + data
 *   o  an output buffer's room     u8 present, u64 size   (request only)
 *   O  an output                   u64 length, b data     (reply only; data NULL with CKR_BUFFER_TOO_SMALL
 *                                                          and where the request had no room present)
 *   h  array of CK_ULONG           u32 count + u64 each
 *   a  template with values        attrs_encode of attr.h
 *   q  attribute query             u32 count + per item u32 type, u8 present, u64 room
 *   r  attribute query's answer    u32 count + per item u32 type, u64 length (all ones: none),
 *                                  b value as attr_encode_value of attr.h (NULL if not returned: then
 *                                  length is all ones where a buffer was present)
 *   m  mechanism                   param_encode of param.h
 *   M  mechanism whose parameter   u64 type, then as p
 *      is a message's
 *   p  message parameter           message_param_encode of param.h
 *   P  what the token writes to a  u8 present; if 1: param_put_outputs of param.h (reply only)
 *      parameter of the request
 *
 * A reply has a body if its rv is CKR_OK. It may have one, whole or not at all, if its letters and rv
 * are O with CKR_BUFFER_TOO_SMALL or r with CKR_BUFFER_TOO_SMALL, CKR_ATTRIBUTE_SENSITIVE or
 * CKR_ATTRIBUTE_TYPE_INVALID. Else it is the header alone.
 */
#ifndef TOKENFS_WIRE_H
#define TOKENFS_WIRE_H

#include <sys/ioctl.h>

#include "ck.h"

#define WIRE_VERSION 1u
#define WIRE_HEADER 16u
#define WIRE_MAX_FRAME (64u << 20)
/* With the header page around it, what the kernel passes in one piece (256 pages, of which an unaligned buffer
 * takes one more). */
#define WIRE_CHUNK (1020u << 10)

/* Carrier 1: one restricted ioctl carries request and reply in one buffer of one of these sizes.
 * Number = 'T', 0x70 + class; the size is part of the request number. */
#define WIRE_IOCTL_CLASSES 3
#define WIRE_IOCTL_256 _IOC(_IOC_READ | _IOC_WRITE, 'T', 0x70, 256)
#define WIRE_IOCTL_4K _IOC(_IOC_READ | _IOC_WRITE, 'T', 0x71, 4096)
#define WIRE_IOCTL_16K _IOC(_IOC_READ | _IOC_WRITE, 'T', 0x72, 16376)
/* The answer when a reply does not fit the ioctl's buffer: a header alone, rv = this. The reply
 * waits: a bare header with the same call and seq written to stream 0 of carrier 2 asks for it. */
#define WIRE_RV_READ_STREAM 0xF0000001u
/* Carrier 2: pwrite and pread. The file offset is (stream << 32 | position). A frame is written
 * from position 0 in pieces of at most WIRE_CHUNK; the write only queues. A pread at position 0
 * performs the call; further preads at rising positions fetch the rest of the reply. Streams
 * 1 .. WIRE_STREAMS-1 are the client's to hand out, one frame in flight in each. */
#define WIRE_STREAMS 64
#define WIRE_OFFSET(stream, pos) ((off_t)(((uint64_t)(stream) << 32) | (pos)))

/* What a signature is: bytes, or an image of CK_OTP_SIGNATURE_INFO (otp.h). */
#define WIRE_ANSWER_BYTES 0
#define WIRE_ANSWER_OTP 1

/* Handles in the answer of WIRE_FIND_NOW at most. */
#define WIRE_FIND_FIRST 256u

enum wire_number {
	WIRE_HELLO = 1, /* must be first on a connection */
	WIRE_GET_SLOT_LIST = 5,
	WIRE_GET_SLOT_INFO,
	WIRE_GET_TOKEN_INFO,
	WIRE_GET_MECHANISM_LIST,
	WIRE_GET_MECHANISM_INFO,
	WIRE_INIT_TOKEN,
	WIRE_INIT_PIN,
	WIRE_SET_PIN,
	WIRE_OPEN_SESSION,
	WIRE_CLOSE_SESSION,
	WIRE_CLOSE_ALL_SESSIONS,
	WIRE_GET_SESSION_INFO,
	WIRE_GET_OPERATION_STATE,
	WIRE_SET_OPERATION_STATE,
	WIRE_LOGIN,
	WIRE_LOGOUT,
	WIRE_CREATE_OBJECT,
	WIRE_COPY_OBJECT,
	WIRE_DESTROY_OBJECT,
	WIRE_GET_OBJECT_SIZE,
	WIRE_GET_ATTRIBUTE_VALUE,
	WIRE_SET_ATTRIBUTE_VALUE,
	WIRE_FIND_OBJECTS_INIT,
	WIRE_FIND_OBJECTS,
	WIRE_FIND_OBJECTS_FINAL,
	WIRE_ENCRYPT_INIT,
	WIRE_ENCRYPT,
	WIRE_ENCRYPT_UPDATE,
	WIRE_ENCRYPT_FINAL,
	WIRE_DECRYPT_INIT,
	WIRE_DECRYPT,
	WIRE_DECRYPT_UPDATE,
	WIRE_DECRYPT_FINAL,
	WIRE_DIGEST_INIT,
	WIRE_DIGEST,
	WIRE_DIGEST_UPDATE,
	WIRE_DIGEST_KEY,
	WIRE_DIGEST_FINAL,
	WIRE_SIGN_INIT,
	WIRE_SIGN,
	WIRE_SIGN_UPDATE,
	WIRE_SIGN_FINAL,
	WIRE_SIGN_RECOVER_INIT,
	WIRE_SIGN_RECOVER,
	WIRE_VERIFY_INIT,
	WIRE_VERIFY,
	WIRE_VERIFY_UPDATE,
	WIRE_VERIFY_FINAL,
	WIRE_VERIFY_RECOVER_INIT,
	WIRE_VERIFY_RECOVER,
	WIRE_DIGEST_ENCRYPT_UPDATE,
	WIRE_DECRYPT_DIGEST_UPDATE,
	WIRE_SIGN_ENCRYPT_UPDATE,
	WIRE_DECRYPT_VERIFY_UPDATE,
	WIRE_GENERATE_KEY,
	WIRE_GENERATE_KEY_PAIR,
	WIRE_WRAP_KEY,
	WIRE_UNWRAP_KEY,
	WIRE_DERIVE_KEY,
	WIRE_SEED_RANDOM,
	WIRE_GENERATE_RANDOM,
	WIRE_WAIT_FOR_SLOT_EVENT,
	/* 73-79: what the standard has two calls for, in one round trip: the Init and the one-shot call after
	 * it; the search's Init and its first handles. */
	WIRE_ENCRYPT_NOW = 73,
	WIRE_DECRYPT_NOW,
	WIRE_DIGEST_NOW,
	WIRE_SIGN_NOW,
	WIRE_VERIFY_NOW,
	WIRE_FIND_NOW,
	WIRE_DERIVE_KEYS, /* C_DeriveKey for mechanisms whose parameter receives something */
	/* 80-199: PKCS#11 3.x */
	WIRE_LOGIN_USER = 80,
	WIRE_SESSION_CANCEL,
	WIRE_MESSAGE_ENCRYPT_INIT,
	WIRE_ENCRYPT_MESSAGE,
	WIRE_ENCRYPT_MESSAGE_BEGIN,
	WIRE_ENCRYPT_MESSAGE_NEXT,
	WIRE_MESSAGE_ENCRYPT_FINAL,
	WIRE_MESSAGE_DECRYPT_INIT,
	WIRE_DECRYPT_MESSAGE,
	WIRE_DECRYPT_MESSAGE_BEGIN,
	WIRE_DECRYPT_MESSAGE_NEXT,
	WIRE_MESSAGE_DECRYPT_FINAL,
	WIRE_MESSAGE_SIGN_INIT,
	WIRE_SIGN_MESSAGE,
	WIRE_SIGN_MESSAGE_BEGIN,
	WIRE_SIGN_MESSAGE_NEXT,
	WIRE_MESSAGE_SIGN_FINAL,
	WIRE_MESSAGE_VERIFY_INIT,
	WIRE_VERIFY_MESSAGE,
	WIRE_VERIFY_MESSAGE_BEGIN,
	WIRE_VERIFY_MESSAGE_NEXT,
	WIRE_MESSAGE_VERIFY_FINAL,
	WIRE_VERIFY_SIGNATURE_INIT,
	WIRE_VERIFY_SIGNATURE,
	WIRE_VERIFY_SIGNATURE_UPDATE,
	WIRE_VERIFY_SIGNATURE_FINAL,
	WIRE_GET_SESSION_VALIDATION_FLAGS,
	WIRE_WRAP_KEY_AUTHENTICATED,
	WIRE_UNWRAP_KEY_AUTHENTICATED,
	WIRE_ENCAPSULATE_KEY = 110,
	WIRE_DECAPSULATE_KEY,
	/* 200-: the calls of the tokenfs command, PKCS#11 has no words for them */
	WIRE_T_STATUS = 200, /* text of the daemon's state, JSON */
	WIRE_T_UNLOCK,       /* slot, PIN, seconds (0: until locked) */
	WIRE_T_LOCK,         /* slot */
	WIRE_T_RELOAD,
	WIRE_T_RESTORE_ACCEPT, /* slot, SO or user PIN */
	WIRE_T_DELETE_TOKEN,   /* slot, SO PIN */
	WIRE_T_CHECK,          /* slot or all ones; text of findings, JSON */
	WIRE_T_AUDIT,          /* after sequence number, at most count; JSON lines */
	WIRE_T_POLICY,         /* slot, SO PIN, 1 for compat or 0 for strict */
	WIRE_MAX_CALL = 255
};

struct wire_call {
	uint32_t call;
	const char *name;    /* "C_OpenSession" */
	const char *request; /* letters as above */
	const char *reply;
};

/* The row of a call, or NULL. */
const struct wire_call *wire_call(uint32_t call);

struct wire_header {
	uint32_t length, call, seq, rv;
};
/* The 16 bytes and back; what they say is for codec_open to judge. */
void wire_put_header(uint8_t out[WIRE_HEADER], const struct wire_header *h);
void wire_get_header(const uint8_t in[WIRE_HEADER], struct wire_header *h);
/* The ioctl request for a frame of `size` bytes, 0 when it must go by stream; *room: its size. */
unsigned long wire_ioctl(size_t size, size_t *room);

#endif
