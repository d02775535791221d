/*
 * shutdown_fs.c - a power cut: the file system takes nothing more, and forgets what was not durable
 *
 * Usage: shutdown_fs MOUNTPOINT      (ext4, as root)
 */
#include <fcntl.h>
#include <linux/types.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define EXT4_IOC_SHUTDOWN	     _IOR('X', 125, __u32)
#define EXT4_GOING_FLAGS_NOLOGFLUSH 2

int
main(int argc, char **argv)
{
	__u32 how = EXT4_GOING_FLAGS_NOLOGFLUSH;
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;

	if (fd < 0 || ioctl(fd, EXT4_IOC_SHUTDOWN, &how) != 0) {
		perror(argc == 2 ? argv[1] : "usage: shutdown_fs MOUNTPOINT");
		return 1;
	}
	return 0;
}
