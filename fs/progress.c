#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SHOW_AFTER_MS 2000
#define REDRAW_MS     100
#define BAR_WIDTH     30

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
progress_begin(struct progress *p, const char *what, bool quiet)
{
	*p = (struct progress){.what = what, .terminal = !quiet && isatty(STDERR_FILENO)};
	p->began = now_ms();
}

void
progress_set(struct progress *p, uint64_t done, uint64_t total)
{
	char bar[BAR_WIDTH + 1];
	unsigned filled;
	int64_t now;

	if (!p->terminal || total == 0)
		return;
	now = now_ms();
	if (now - p->began < SHOW_AFTER_MS || now - p->drawn < REDRAW_MS)
		return;
	if (done > total)
		done = total;
	filled = (unsigned)((double)done / (double)total * BAR_WIDTH);
	for (unsigned i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r%s [%s] %" PRIu64 " of %" PRIu64 "\033[K", p->what, bar, done, total);
	fflush(stderr);
	p->drawn = now;
	p->shown = true;
}

void
progress_hide(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
	p->drawn = 0;
}

void
progress_end(struct progress *p)
{
	progress_hide(p);
	p->terminal = false;
}
