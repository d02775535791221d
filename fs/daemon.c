#include "daemon.h"

#include <stdlib.h>

#include "app.h"
#include "session.h"
#include "unlock.h"

void
daemon_vault_config(const struct conf *conf, bool read_only, struct vault_config *cfg)
{
	*cfg = (struct vault_config){
		.vault = conf->vault,
		.state = conf->state,
		.key_file = conf->key_file,
		.retire_grace = conf->retire_grace,
		.pin_tries = conf->pin_tries,
		.spare_slot = conf->spare_slot,
		.read_only = read_only,
	};
}

CK_RV
daemon_open(struct daemon **out, const struct conf *conf, bool read_only)
{
	struct daemon *d = calloc(1, sizeof(*d));
	struct vault_config cfg;
	CK_RV rv;

	*out = NULL;
	if (!d)
		return CKR_HOST_MEMORY;
	d->conf = conf;
	d->started = time(NULL);
	d->initialising = CK_UNAVAILABLE_INFORMATION;
	atomic_flag_clear(&d->checking);
	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_init(&d->init_lock, NULL);
	mech_set_legacy(conf->legacy);
	daemon_vault_config(conf, read_only, &cfg);
	rv = vault_open(&d->vault, &cfg);
	if (rv != CKR_OK) {
		d->vault = NULL;
		daemon_close(d);
		return rv;
	}
	*out = d;
	return CKR_OK;
}

/* The first application that was not ended yet, referenced. */
static struct app *
next_app(struct daemon *d)
{
	struct app *a;

	pthread_mutex_lock(&d->lock);
	a = d->apps ? app_ref(d->apps) : NULL;
	pthread_mutex_unlock(&d->lock);
	return a;
}

void
daemon_close(struct daemon *d)
{
	struct app *a;

	if (!d)
		return;
	while ((a = next_app(d))) {
		app_end(a); /* takes it off the list */
		app_put(a);
	}
	while (d->unlocks)
		unlock_end_slot(d, d->unlocks->slot);
	if (d->vault)
		vault_close(d->vault);
	pthread_mutex_destroy(&d->lock);
	pthread_mutex_destroy(&d->init_lock);
	free(d);
}

void
daemon_heed_slots(struct daemon *d)
{
	uint64_t now = vault_generation(d->vault);

	if (atomic_exchange(&d->told_generation, now) != now && d->on_slots)
		d->on_slots(d->on_slots_arg);
}

/* With d->lock held. */
static bool
slot_in_use(struct daemon *d, CK_SLOT_ID slot)
{
	size_t all = 0, rw;

	for (struct app *a = d->apps; a && all == 0; a = a->next) {
		pthread_mutex_lock(&a->lock);
		session_count_locked(a, slot, &all, &rw);
		pthread_mutex_unlock(&a->lock);
	}
	return all > 0;
}

CK_RV
daemon_slot_claim(struct daemon *d, CK_SLOT_ID slot)
{
	bool busy;

	pthread_mutex_lock(&d->init_lock);
	pthread_mutex_lock(&d->lock);
	busy = slot_in_use(d, slot);
	if (!busy)
		d->initialising = slot;
	pthread_mutex_unlock(&d->lock);
	if (busy)
		pthread_mutex_unlock(&d->init_lock);
	return busy ? CKR_SESSION_EXISTS : CKR_OK;
}

void
daemon_slot_release(struct daemon *d)
{
	pthread_mutex_lock(&d->lock);
	d->initialising = CK_UNAVAILABLE_INFORMATION;
	pthread_mutex_unlock(&d->lock);
	pthread_mutex_unlock(&d->init_lock);
}
