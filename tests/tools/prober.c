/*
 * prober.c - signs without pause, tells when it stops working and comes back by C_Finalize and C_Initialize
 *
 * Usage: prober MODULE LABEL PIN SECONDS
 * Prints, each at once:
 *     ready                    the first signature
 *     failed 0xRV MS           a call failed after that many milliseconds
 *     back                     works again
 */
#include "client.h"

static CK_OBJECT_HANDLE key;

static CK_RV
begin(const char *label, const char *pin)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE templ = ATTR_OF(CKA_CLASS, class);
	CK_ULONG n = 0;
	CK_RV rv = client_begin(label, pin);

	if (rv == CKR_OK)
		rv = client_find(&templ, 1, &key, 1, &n);
	return rv == CKR_OK && n == 0 ? CKR_KEY_HANDLE_INVALID : rv;
}

int
main(int argc, char **argv)
{
	struct timespec pause = {0, 20 * 1000 * 1000};
	CK_BYTE signature[64];
	double end, start;
	bool working = false, ever = false;
	CK_RV rv;

	if (argc != 5)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	client_load(argv[1]);
	NEED(begin(argv[2], argv[3]));
	end = client_now() + atof(argv[4]);
	while (client_now() < end) {
		start = client_now();
		rv = client_sign(key, signature);
		if (rv != CKR_OK) {
			if (working)
				printf("failed 0x%lx %.0f\n", rv, (client_now() - start) * 1000);
			working = false;
			client_end();
			nanosleep(&pause, NULL);
			begin(argv[2], argv[3]);
		} else if (!working) {
			puts(ever ? "back" : "ready");
			working = ever = true;
		}
	}
	client_end();
	return 0;
}
