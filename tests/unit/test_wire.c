#include "pkcs11/wire.h"

#include <string.h>

#include "unit.h"

static bool
letters_known(const char *sig, const char *known)
{
	return strspn(sig, known) == strlen(sig);
}

static void
rows(void)
{
	unsigned n = 0;

	for (uint32_t call = 0; call <= WIRE_MAX_CALL + 10; call++) {
		const struct wire_call *row = wire_call(call);

		if (row == NULL)
			continue;
		n++;
		CHECK(row->call == call && row->call <= WIRE_MAX_CALL);
		CHECK(letters_known(row->request, "yubohaqmMp"));
		CHECK(letters_known(row->reply, "yubOhrP"));
	}
	/* every number of the enum has its row; a row out of order would not be found */
	CHECK(n == 1 + (WIRE_WAIT_FOR_SLOT_EVENT - WIRE_GET_SLOT_LIST + 1) +
		(WIRE_UNWRAP_KEY_AUTHENTICATED - WIRE_ENCRYPT_NOW + 1) +
		(WIRE_DECAPSULATE_KEY - WIRE_ENCAPSULATE_KEY + 1) + (WIRE_T_POLICY - WIRE_T_STATUS + 1));
	for (uint32_t call = WIRE_GET_SLOT_LIST; call <= WIRE_WAIT_FOR_SLOT_EVENT; call++)
		CHECK(wire_call(call) != NULL && strncmp(wire_call(call)->name, "C_", 2) == 0);
	for (uint32_t call = WIRE_LOGIN_USER; call <= WIRE_UNWRAP_KEY_AUTHENTICATED; call++)
		CHECK(wire_call(call) != NULL && strncmp(wire_call(call)->name, "C_", 2) == 0);
	CHECK(wire_call(0) == NULL && wire_call(2) == NULL && wire_call(UINT32_MAX) == NULL);
	CHECK(strcmp(wire_call(WIRE_SIGN)->name, "C_Sign") == 0);
	/* numbers are for ever: the table may grow, not shift */
	CHECK(WIRE_HELLO == 1 && WIRE_OPEN_SESSION == 13 && WIRE_SIGN == 44);
	CHECK(WIRE_WAIT_FOR_SLOT_EVENT == 66 && WIRE_ENCRYPT_NOW == 73 && WIRE_FIND_NOW == 78 && WIRE_T_AUDIT == 207);
	CHECK(WIRE_LOGIN_USER == 80 && WIRE_MESSAGE_VERIFY_FINAL == 101 && WIRE_UNWRAP_KEY_AUTHENTICATED == 108 &&
		WIRE_DECAPSULATE_KEY == 111);
}

static void
header(void)
{
	static const uint8_t bytes[WIRE_HEADER] = {
		0x10, 0, 0, 0, 0x0d, 0, 0, 0, 4, 3, 2, 1, 0x50, 1, 0, 0};
	struct wire_header h;
	uint8_t out[WIRE_HEADER];

	wire_get_header(bytes, &h);
	CHECK(h.length == 16 && h.call == WIRE_OPEN_SESSION && h.seq == 0x01020304 && h.rv == 0x150);
	wire_put_header(out, &h);
	CHECK(memcmp(out, bytes, sizeof(out)) == 0);
}

static void
ioctl_classes(void)
{
	size_t room;

	CHECK(wire_ioctl(16, &room) == WIRE_IOCTL_256 && room == 256);
	CHECK(wire_ioctl(256, &room) == WIRE_IOCTL_256 && room == 256);
	CHECK(wire_ioctl(257, &room) == WIRE_IOCTL_4K && room == 4096);
	CHECK(wire_ioctl(4097, &room) == WIRE_IOCTL_16K && room == 16376);
	CHECK(wire_ioctl(16376, &room) == WIRE_IOCTL_16K);
	CHECK(wire_ioctl(16377, &room) == 0 && room == 0);
	CHECK(WIRE_OFFSET(2, 5) == 0x200000005);
	CHECK(WIRE_OFFSET(WIRE_STREAMS - 1, WIRE_MAX_FRAME) > 0);
}

int
main(void)
{
	rows();
	header();
	ioctl_classes();
	return unit_done("test_wire");
}
