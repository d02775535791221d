/*
 * client.h - the command's way to a vault: through the mount, or in this process if none is mounted
 *
 * Use:        client_open(&c, conf, CLIENT_EITHER); client_call(c, &request, &reply); client_close(c)
 *             request is begun with codec_begin(&request, call, client_seq(c)) and ended by client_call.
 * Errors:     the reply's CK_RV; CKR_DEVICE_REMOVED when the daemon is gone.
 */
#ifndef TOKENFS_CLIENT_H
#define TOKENFS_CLIENT_H

#include "../pkcs11/codec.h"
#include "../pkcs11/conf.h"

struct client;
enum client_way { CLIENT_MOUNT, CLIENT_EITHER };

CK_RV client_open(struct client **c, const struct conf *conf, enum client_way way, char *err, size_t err_len);
uint32_t client_seq(struct client *c);
CK_RV client_call(struct client *c, struct codec *request, struct codec *reply);
bool client_mounted(const struct client *c);
void client_close(struct client *c);

#endif
