/*
 * client.h - the command's way to a vault: through the mount, or in this process if none is mounted
 *
 * Use:        client_open(&c, conf, CLIENT_EITHER); client_call(c, &request, &reply); client_close(c)
 *             request is begun with codec_begin(&request, call, client_seq(c)) and ended by client_call or client_ask.
 * Ownership:  codec_free frees, and so wipes, request and reply; client_ask does it itself.
 * Errors:     the reply's CK_RV; CKR_DEVICE_REMOVED when the daemon is gone.
 */
#ifndef TOKENFS_CLIENT_H
#define TOKENFS_CLIENT_H

#include "../pkcs11/codec.h"
#include "../pkcs11/conf.h"

struct client;
enum client_way { CLIENT_MOUNT, CLIENT_EITHER };

/* CLIENT_EITHER: the vault itself, where none is mounted. err: what went wrong, in words. */
CK_RV client_open(struct client **c, const struct conf *conf, enum client_way way, char *err, size_t err_len);
/* A number for the next request. */
uint32_t client_seq(struct client *c);
/* Sends, and opens the reply, whose items are then taken; they stand until the next call. */
CK_RV client_call(struct client *c, struct codec *request, struct codec *reply);
/* The same for a call whose reply is one number (result) or nothing (NULL); frees the request. */
CK_RV client_ask(struct client *c, struct codec *request, CK_ULONG *result);
bool client_mounted(const struct client *c);
void client_close(struct client *c); /* NULL does nothing */

#endif
