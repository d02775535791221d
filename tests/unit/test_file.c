/*
 * Files below a directory: what is refused, what is whole or not there.
 */
#include "vault_help.h"

#include "../../store/file.h"

static struct scratch s;
static struct dir base;

static CK_RV
read_it(const char *name)
{
	uint8_t *data = NULL;
	size_t len = 0;
	CK_RV rv = file_read(&base, name, 100, &data, &len);

	CHECK(rv == CKR_OK || strstr(why_text(), name) != NULL);
	CHECK(rv != CKR_OK || (len == 5 && memcmp(data, "hello", 5) == 0));
	if (rv == CKR_OK)
		free(data);
	return rv;
}

static void
test_what_is_refused(void)
{
	CHECK_RV(CKR_OK, file_write_new(&base, "good", "hello", 5));
	CHECK_RV(CKR_OK, read_it("good"));
	CHECK_RV(CKR_OBJECT_HANDLE_INVALID, read_it("missing"));
	CHECK_RV(CKR_FUNCTION_REJECTED, file_write_new(&base, "good", "other", 5));
	CHECK_RV(CKR_OK, read_it("good"));
	shell("cd %s && ln -s good link && ln -s /etc/hostname away && mkfifo -m 600 pipe && mkdir -m 700 folder", base.path);
	CHECK_RV(CKR_DEVICE_ERROR, read_it("link"));
	CHECK_RV(CKR_DEVICE_ERROR, read_it("away"));
	CHECK_RV(CKR_DEVICE_ERROR, read_it("pipe"));
	CHECK_RV(CKR_DEVICE_ERROR, read_it("folder"));
	CHECK_RV(CKR_DEVICE_ERROR, read_it("../etc"));
	CHECK_RV(CKR_DEVICE_ERROR, read_it("/etc/hostname"));
	shell("cd %s && cp good shared && chmod 0604 shared && cp good twice && ln twice again", base.path);
	CHECK_RV(CKR_DEVICE_ERROR, read_it("shared"));
	CHECK(strstr(why_text(), "chmod go=") != NULL);
	CHECK_RV(CKR_DEVICE_ERROR, read_it("twice"));
	shell("cd %s && rm again && head -c 101 /dev/zero > long && head -c 100 /dev/zero > fits", base.path);
	CHECK_RV(CKR_OK, file_remove(&base, "fits"));
	CHECK_RV(CKR_DEVICE_ERROR, read_it("long"));
	CHECK_RV(CKR_OK, read_it("twice"));
	if (geteuid() == 0) {
		shell("cd %s && cp good strange && chown 12345 strange", base.path);
		CHECK_RV(CKR_DEVICE_ERROR, read_it("strange"));
		CHECK(strstr(why_text(), "12345") != NULL);
	}
}

static void
test_directories(void)
{
	struct dir d;

	CHECK_RV(CKR_DEVICE_ERROR, dir_open_at(&d, &base, "nothing", false));
	CHECK(d.fd == -1);
	CHECK_RV(CKR_OK, dir_open_at(&d, &base, "made", true));
	CHECK_RV(CKR_OK, file_write_new(&d, "a", "1", 1));
	dir_close(&d);
	dir_close(&d);
	CHECK_RV(CKR_OK, dir_open_at(&d, &base, "made", true));
	dir_close(&d);
	shell("cd %s && mkdir -m 750 open && ln -s made sly", base.path);
	CHECK_RV(CKR_DEVICE_ERROR, dir_open_at(&d, &base, "open", false));
	CHECK_RV(CKR_DEVICE_ERROR, dir_open_at(&d, &base, "sly", false));
	CHECK_RV(CKR_DEVICE_ERROR, dir_open_at(&d, &base, "..", false));
	CHECK_RV(CKR_DEVICE_ERROR, dir_open_at(&d, &base, "good", false));
	shell("cd %s/made && mkdir -m 700 -p b/c && touch b/c/x b/y && ln -s /etc b/etc", base.path);
	CHECK_RV(CKR_OK, file_remove_tree(&base, "made"));
	shell("test ! -e %s/made && test -e /etc/hostname", base.path);
}

static CK_RV
count_one(void *arg, const char *name)
{
	size_t *n = arg;

	CHECK(name[0] != '.');
	return ++*n == 3 ? CKR_FUNCTION_CANCELED : CKR_OK;
}

static void
test_replace_and_each(void)
{
	struct dir d;
	size_t n = 0;
	char name[16];

	CHECK_RV(CKR_OK, dir_open_at(&d, &base, "list", true));
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		CHECK_RV(CKR_OK, file_replace(&d, name, "x", 1));
		CHECK_RV(CKR_OK, file_replace(&d, name, "xyz", 3));
	}
	CHECK_RV(CKR_FUNCTION_CANCELED, dir_each(&d, count_one, &n));
	CHECK(n == 3);
	shell("test $(cat %s/f1) = xyz && test $(ls -A %s | wc -l) = 3 && test $(stat -c %%a %s/f1) = 600", d.path, d.path,
		d.path);
	dir_close(&d);
}

static void
test_by_path(void)
{
	uint8_t *data = NULL;
	size_t len = 0;
	char path[600];

	snprintf(path, sizeof(path), "%s/key", base.path);
	CHECK_RV(CKR_OK, file_write_path(path, "secret", 6));
	CHECK_RV(CKR_FUNCTION_REJECTED, file_write_path(path, "other", 5));
	CHECK_RV(CKR_OK, file_read_path(path, 6, &data, &len));
	CHECK(len == 6 && memcmp(data, "secret", 6) == 0);
	free(data);
	CHECK_RV(CKR_DEVICE_ERROR, file_read_path(path, 5, &data, &len));
	snprintf(path, sizeof(path), "%s/nowhere/key", base.path);
	CHECK_RV(CKR_DEVICE_ERROR, file_write_path(path, "x", 1));
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	CHECK_RV(CKR_DEVICE_ERROR, file_write_path(path, "x", 1));
}

int
main(void)
{
	scratch_open(&s);
	CHECK_RV(CKR_OK, dir_open(&base, s.base));
	test_what_is_refused();
	test_directories();
	test_replace_and_each();
	test_by_path();
	dir_close(&base);
	scratch_remove(&s);
	return unit_done("test_file");
}
