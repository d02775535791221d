/*
 * semantics.c - what implementers of PKCS#11 miss: one check per point, through nothing but the module
 *
 * Usage: semantics MODULE LABEL PIN SO_PIN CHECK
 * CHECK is a name of the tables in semantics_*.h; `list` prints them. Ends with 0 if all is as the standard says.
 */
#include "semantics.h"

#include "semantics_token.h"
#include "semantics_object.h"
#include "semantics_client.h"
#include "semantics_standard.h"

int
main(int argc, char **argv)
{
	static const struct check *const all[] = {checks_of_tokens, checks_of_objects, checks_of_clients,
		checks_of_the_standard};

	if (argc != 6) {
		fprintf(stderr, "usage: semantics MODULE LABEL PIN SO_PIN CHECK\n");
		return 2;
	}
	sem_module = argv[1];
	sem_label = argv[2];
	sem_pin = argv[3];
	sem_so_pin = argv[4];
	client_load(sem_module);
	for (size_t i = 0; i < COUNT(all); i++) {
		for (const struct check *c = all[i]; c->name != NULL; c++) {
			if (strcmp(argv[5], "list") == 0)
				puts(c->name);
			if (strcmp(argv[5], c->name) != 0)
				continue;
			c->run();
			return sem_failed;
		}
	}
	return strcmp(argv[5], "list") == 0 ? 0 : 2;
}
