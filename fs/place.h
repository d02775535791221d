/*
 * place.h - the mount point: where it is, whether it is fit, what is there
 */
#ifndef TOKENFS_PLACE_H
#define TOKENFS_PLACE_H

#include <limits.h>

#include "mount.h"

#define PLACE_MAX PATH_MAX

/* The path without links, as the mount table has it; the last part need not exist and is never
 * entered, as a dead mount could be there. False with err. */
bool place_path(const char *path, char out[PLACE_MAX], char *err, size_t err_len);
enum mount_state place_look(const char *mount);
/* Makes the directory (0700) if it is missing, unmounts what is left of a dead daemon, and refuses what is
 * not an empty directory of our own. */
bool place_prepare(const char *mount, char *err, size_t err_len);

#endif
