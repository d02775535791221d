/*
 * progress.h - a bar on stderr for work that a person waits for
 *
 * Shown only where stderr is a terminal and the work has taken longer than two seconds.
 *
 * Use:        struct progress p; progress_begin(&p, "checking", quiet); progress_set(&p, done, total); ...;
 *             progress_end(&p)
 */
#ifndef TOKENFS_PROGRESS_H
#define TOKENFS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what;
	bool terminal;
	bool shown;
	int64_t began, drawn; /* CLOCK_MONOTONIC, milliseconds */
};

/* quiet: nothing is ever shown. */
void progress_begin(struct progress *p, const char *what, bool quiet);
/* As often as the work likes: it is drawn a few times a second. total 0: not known, nothing is drawn. */
void progress_set(struct progress *p, uint64_t done, uint64_t total);
/* Takes the bar away, so that a line of output can be printed; the next set draws it again. */
void progress_hide(struct progress *p);
/* Takes the bar away for good. */
void progress_end(struct progress *p);

#endif
