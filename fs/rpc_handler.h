/*
 * rpc_handler.h - what a handler gets, and the handlers that the gate's table names
 *
 * A handler takes the items that the gate has not taken (the gate takes the session handle where the
 * row asks for a session), calls rpc_taken, does its work, puts the reply's items and returns the
 * CK_RV of the reply.
 *
 * Ownership:  everything in struct rpc is the gate's.
 * Locking:    rpc->session is entered: its lock is held while the handler runs.
 */
#ifndef TOKENFS_RPC_HANDLER_H
#define TOKENFS_RPC_HANDLER_H

#include "rpc.h"
#include "session.h"

/* The longest single output that fits a frame, with room for what stands around it. */
#define RPC_MAX_OUTPUT (WIRE_MAX_FRAME - 256u)

struct rpc {
	struct app *app;
	struct daemon *daemon;
	struct session *session; /* NULL where the row asks for none */
	bool *busy;              /* see session_enter */
	struct codec in;
	struct codec *out;
};

/* CKR_OK if the request held exactly its items; else what was wrong with it. */
CK_RV rpc_taken(struct rpc *r);
/* The same for a request whose one item is a number, which is taken; and for one whose PIN, already taken, must not be
 * left out (NULL): CKR_ARGUMENTS_BAD. */
CK_RV rpc_taken_ulong(struct rpc *r, CK_ULONG *v);
CK_RV rpc_taken_pin(struct rpc *r, const uint8_t *pin);
/* What make_* wants to know about the caller. */
struct maker rpc_maker(struct rpc *r);

/* An object that the session may see; otherwise `invalid` (CKR_OBJECT_HANDLE_INVALID,
 * CKR_KEY_HANDLE_INVALID ...) for every number that is not such a handle. */
CK_RV rpc_object(struct rpc *r, CK_OBJECT_HANDLE h, CK_RV invalid, struct object **o);
/* Gives new session objects their handles, all or none; token objects have theirs. On failure the
 * token objects among them are destroyed again. CKR_USER_NOT_LOGGED_IN if one is private and the user has logged
 * out since the call began. */
CK_RV rpc_keep(struct rpc *r, struct object **v, size_t n);
/* What make_* answered, but for a call that a logout stopped: CKR_USER_NOT_LOGGED_IN. */
CK_RV rpc_made(struct rpc *r, CK_RV rv);
/* A key argument: an object that is a key, else `invalid`. */
CK_RV rpc_key_argument(struct rpc *r, CK_OBJECT_HANDLE h, CK_RV invalid, struct object **key);
/* Puts the handle of a new key that was made (rv CKR_OK), kept and audited as `what`; or the reason why not, which the
 * audit gets with the key it was to be made from. */
CK_RV rpc_hand_out(struct rpc *r, CK_RV rv, const char *what, const struct object *from, struct object *key);
/* Audit of a call on an object: token objects only, for session objects leave no trace; of failures only
 * those that audit_refusal knows. o NULL: there was none yet, or it could not be made. */
void rpc_audit(struct rpc *r, const char *what, const struct object *o, CK_RV rv);

typedef CK_RV rpc_handler(struct rpc *r);

/* rpc_slot.c */
rpc_handler rpc_hello, rpc_get_slot_list, rpc_get_slot_info, rpc_get_token_info, rpc_get_mechanism_list,
	rpc_get_mechanism_info, rpc_init_token, rpc_wait_for_slot_event;
/* rpc_session.c */
rpc_handler rpc_init_pin, rpc_set_pin, rpc_open_session, rpc_close_session, rpc_close_all_sessions,
	rpc_get_session_info, rpc_get_operation_state, rpc_set_operation_state, rpc_login, rpc_logout, rpc_login_user,
	rpc_session_cancel, rpc_get_session_validation_flags;
/* rpc_object.c */
rpc_handler rpc_create_object, rpc_copy_object, rpc_destroy_object, rpc_get_object_size,
	rpc_get_attribute_value, rpc_set_attribute_value, rpc_find_objects_init, rpc_find_objects,
	rpc_find_objects_final;
/* rpc_crypto.c */
rpc_handler rpc_encrypt_init, rpc_encrypt, rpc_encrypt_update, rpc_encrypt_final, rpc_decrypt_init,
	rpc_decrypt, rpc_decrypt_update, rpc_decrypt_final, rpc_digest_init, rpc_digest, rpc_digest_update,
	rpc_digest_key, rpc_digest_final, rpc_sign_init, rpc_sign, rpc_sign_update, rpc_sign_final,
	rpc_sign_recover_init, rpc_sign_recover, rpc_verify_init, rpc_verify, rpc_verify_update,
	rpc_verify_final, rpc_verify_recover_init, rpc_verify_recover, rpc_digest_encrypt_update,
	rpc_decrypt_digest_update, rpc_sign_encrypt_update, rpc_decrypt_verify_update;
/* Beginning an operation, the items after the session taken from the request: all of it (false), or
 * its first part. */
CK_RV rpc_op_begin(struct rpc *r, enum op_kind kind, bool more_follows);
/* rpc_ride.c */
rpc_handler rpc_encrypt_now, rpc_decrypt_now, rpc_digest_now, rpc_sign_now, rpc_verify_now, rpc_find_now;
/* rpc_key.c */
rpc_handler rpc_generate_key, rpc_generate_key_pair, rpc_derive_key, rpc_derive_keys,
	rpc_seed_random, rpc_generate_random;
/* rpc_wrap.c */
rpc_handler rpc_wrap_key, rpc_unwrap_key, rpc_wrap_key_authenticated, rpc_unwrap_key_authenticated;
/* rpc_message.c */
rpc_handler rpc_message_encrypt_init, rpc_encrypt_message, rpc_encrypt_message_begin, rpc_encrypt_message_next,
	rpc_message_encrypt_final, rpc_message_decrypt_init, rpc_decrypt_message, rpc_decrypt_message_begin,
	rpc_decrypt_message_next, rpc_message_decrypt_final, rpc_message_sign_init, rpc_sign_message,
	rpc_sign_message_begin, rpc_sign_message_next, rpc_message_sign_final, rpc_message_verify_init,
	rpc_verify_message, rpc_verify_message_begin, rpc_verify_message_next, rpc_message_verify_final;
/* rpc_verify.c */
rpc_handler rpc_verify_signature_init, rpc_verify_signature, rpc_verify_signature_update,
	rpc_verify_signature_final;
/* rpc_encap.c */
rpc_handler rpc_encapsulate_key, rpc_decapsulate_key;
/* rpc_control.c */
rpc_handler rpc_t_unlock, rpc_t_lock, rpc_t_reload, rpc_t_restore_accept, rpc_t_delete_token, rpc_t_policy;
/* rpc_report.c */
rpc_handler rpc_t_status, rpc_t_check, rpc_t_audit;

#endif
