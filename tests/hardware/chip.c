/* The chip: /dev/gpiochip0 as the kernel's second GPIO ABI has it (linux/gpio.h), for programs that this is preloaded into.
 *
 * Its state is a file that all of them map, named by TESTIGO_CHIP: so a pin is in use for others too, and whoever opens
 * the same file with chip_map() can drive pins from outside and see what was put out. Of the ABI it has what lgpio uses, and
 * refuses the rest: one line a request, no debounce in the kernel, no watching of other programs' requests.
 *
 * Files below /proc/device-tree are looked for below TESTIGO_TREE, if that is set: which board this is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINES 54
#define CHANGES 65536 /* two minutes of all that a unit's lamps and buzzer do */
#define FDS 4096
#define NODE "/dev/gpiochip0"
#define TREE "/proc/device-tree/"
#define EDGES (GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING)
#define BIASES (GPIO_V2_LINE_FLAG_BIAS_PULL_UP | GPIO_V2_LINE_FLAG_BIAS_PULL_DOWN | GPIO_V2_LINE_FLAG_BIAS_DISABLED)
#define KNOWN (GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_OUTPUT | EDGES | BIASES)

struct line {
	uint64_t flags;
	int32_t owner;  /* the process that has it, 0 for none */
	int32_t out;    /* what it is told to put out */
	int32_t from;   /* what drives it from outside: 0, 1, or -1 for nothing */
	int32_t broken; /* requests and writes fail with EIO */
	uint32_t seqno;
};

struct change {
	uint64_t ns; /* CLOCK_MONOTONIC */
	uint32_t line;
	uint32_t level;
};

struct chip {
	pthread_mutex_t mutex;
	struct line lines[LINES];
	uint64_t writes; /* to outputs, whether they changed them or not */
	uint64_t count; /* of all changes, the last CHANGES of which are here */
	struct change changes[CHANGES];
};

static struct chip *mapped;
static char file[4000];
static char is_chip[FDS];
static int line_of[FDS]; /* of a line's descriptor: its number and one; else 0 */

static int real_open(const char *path, int flags)
{
	static int (*real)(const char *, int, ...);
	if (!real)
		real = dlsym(RTLD_NEXT, "open");
	return real(path, flags);
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Maps a chip's file, which is made if it is empty. Returns 0, or -1 with errno. */
int chip_map(const char *path)
{
	struct stat found;
	int fd = real_open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &found))
		return -1;
	int is_new = found.st_size == 0;
	if (is_new && ftruncate(fd, sizeof *mapped))
		return -1;
	struct chip *chip = mmap(NULL, sizeof *chip, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (chip == MAP_FAILED)
		return -1;
	if (is_new) {
		pthread_mutexattr_t shared;
		pthread_mutexattr_init(&shared);
		pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
		pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
		pthread_mutex_init(&chip->mutex, &shared);
		for (int n = 0; n < LINES; n++)
			chip->lines[n].from = -1;
	}
	close(fd);
	snprintf(file, sizeof file, "%s", path);
	mapped = chip;
	return 0;
}

static struct chip *locked(void)
{
	if (pthread_mutex_lock(&mapped->mutex) == EOWNERDEAD) /* a process that was killed held it for no more than a store */
		pthread_mutex_consistent(&mapped->mutex);
	return mapped;
}

static void unlock(void)
{
	pthread_mutex_unlock(&mapped->mutex);
}

static int level(const struct line *line)
{
	if (line->flags & GPIO_V2_LINE_FLAG_OUTPUT)
		return line->out;
	if (line->from >= 0)
		return line->from;
	return !!(line->flags & GPIO_V2_LINE_FLAG_BIAS_PULL_UP);
}

/* Where what happens on a line is written by any process, for the one that has it: a pipe. It keeps a thousand edges, of
 * which the kernel would keep the last sixteen. */
static const char *events(int n)
{
	static char path[4096];
	snprintf(path, sizeof path, "%s.%d", file, n);
	return path;
}

static void log_change(struct chip *chip, int n, int is_on)
{
	chip->changes[chip->count % CHANGES] = (struct change){now(), n, is_on};
	chip->count++;
}

static void put_out(struct chip *chip, int n, int is_on)
{
	if (chip->lines[n].out != is_on)
		log_change(chip, n, is_on);
	chip->lines[n].out = is_on;
}

/* From outside: drives a pin low or high, or with -1 leaves it to its pull. */
void chip_drive(int n, int from)
{
	struct line *line = &locked()->lines[n];
	int before = level(line);
	line->from = from;
	int after = level(line);
	uint64_t edge = after ? GPIO_V2_LINE_FLAG_EDGE_RISING : GPIO_V2_LINE_FLAG_EDGE_FALLING;
	if (line->owner && before != after && line->flags & edge) {
		struct gpio_v2_line_event event = {
			.timestamp_ns = now(),
			.id = after ? GPIO_V2_LINE_EVENT_RISING_EDGE : GPIO_V2_LINE_EVENT_FALLING_EDGE,
			.offset = n,
			.seqno = ++line->seqno,
			.line_seqno = line->seqno,
		};
		int fd = real_open(events(n), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0) { /* else whoever had the line was killed */
			(void)!write(fd, &event, sizeof event);
			close(fd);
		}
	}
	unlock();
}

/* From outside: what a pin is at, whoever drives it. */
int chip_level(int n)
{
	int found = level(&locked()->lines[n]);
	unlock();
	return found;
}

/* From outside: whether a pin is pulled up (1), down (-1) or neither. */
int chip_pull(int n)
{
	uint64_t flags = locked()->lines[n].flags;
	unlock();
	return !!(flags & GPIO_V2_LINE_FLAG_BIAS_PULL_UP) - !!(flags & GPIO_V2_LINE_FLAG_BIAS_PULL_DOWN);
}

/* From outside: the process that has a pin; 0 for none. */
int chip_owner(int n)
{
	int owner = locked()->lines[n].owner;
	unlock();
	return owner;
}

/* From outside: breaks a pin, or mends it. */
void chip_break(int n, int is_broken)
{
	locked()->lines[n].broken = is_broken;
	unlock();
}

/* From outside: how many changes of outputs there were since the chip was made. */
uint64_t chip_count(void)
{
	uint64_t count = locked()->count;
	unlock();
	return count;
}

/* From outside: how often programs have written to outputs. */
uint64_t chip_writes(void)
{
	uint64_t writes = locked()->writes;
	unlock();
	return writes;
}

/* From outside: one of the changes, which must be one of the last 65,536. */
void chip_change(uint64_t which, uint64_t *ns, uint32_t *line, uint32_t *is_on)
{
	struct change *change = &locked()->changes[which % CHANGES];
	*ns = change->ns, *line = change->line, *is_on = change->level;
	unlock();
}

static int refuse(int with)
{
	errno = with;
	return -1;
}

static int is_used(struct line *line)
{
	if (line->owner && line->owner != getpid() && kill(line->owner, 0) && errno == ESRCH)
		line->owner = 0; /* the kernel has taken it back from a process that is gone */
	return line->owner != 0;
}

static int request_line(struct gpio_v2_line_request *asked)
{
	unsigned n = asked->offsets[0];
	uint64_t flags = asked->config.flags;
	if (asked->num_lines != 1 || n >= LINES || flags & ~(uint64_t)KNOWN)
		return refuse(EINVAL);
	struct chip *chip = locked();
	struct line *line = &chip->lines[n];
	int problem = line->broken ? EIO : is_used(line) ? EBUSY : 0;
	int fd = -1;
	if (!problem) {
		if (mkfifo(events(n), 0600) && errno != EEXIST)
			abort();
		fd = real_open(events(n), O_RDWR | O_CLOEXEC); /* so it never ends */
		if (fd < 0 || fd >= FDS)
			abort();
		line->flags = flags;
		line->owner = getpid();
		line_of[fd] = n + 1;
		int is_on = 0;
		for (unsigned i = 0; i < asked->config.num_attrs; i++)
			if (asked->config.attrs[i].attr.id == GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES)
				is_on = asked->config.attrs[i].attr.values & asked->config.attrs[i].mask & 1;
		if (flags & GPIO_V2_LINE_FLAG_OUTPUT)
			put_out(chip, n, is_on);
		asked->fd = fd;
	}
	unlock();
	return fd >= 0 ? 0 : refuse(problem);
}

static int ask_chip(unsigned long what, void *with)
{
	switch (what) {
	case GPIO_GET_CHIPINFO_IOCTL: {
		struct gpiochip_info *info = with;
		memset(info, 0, sizeof *info);
		strcpy(info->name, "gpiochip0");
		strcpy(info->label, "pinctrl-bcm2711");
		info->lines = LINES;
		return 0;
	}
	case GPIO_V2_GET_LINEINFO_IOCTL: {
		struct gpio_v2_line_info *info = with;
		unsigned n = info->offset;
		if (n >= LINES)
			return refuse(EINVAL);
		memset(info, 0, sizeof *info);
		info->offset = n;
		struct line *line = &locked()->lines[n];
		info->flags = is_used(line) ? line->flags | GPIO_V2_LINE_FLAG_USED : GPIO_V2_LINE_FLAG_INPUT;
		unlock();
		return 0;
	}
	case GPIO_V2_GET_LINE_IOCTL:
		return request_line(with);
	default:
		return refuse(EINVAL);
	}
}

static int ask_line(int n, unsigned long what, struct gpio_v2_line_values *values)
{
	struct chip *chip = locked();
	struct line *line = &chip->lines[n];
	int problem = 0;
	if (what == GPIO_V2_LINE_GET_VALUES_IOCTL)
		values->bits = values->mask & 1 ? level(line) : 0;
	else if (what != GPIO_V2_LINE_SET_VALUES_IOCTL)
		problem = EINVAL;
	else if (line->broken)
		problem = EIO;
	else if (!(line->flags & GPIO_V2_LINE_FLAG_OUTPUT))
		problem = EPERM;
	else if (values->mask & 1) {
		chip->writes++;
		put_out(chip, n, values->bits & 1);
	}
	unlock();
	return problem ? refuse(problem) : 0;
}

/* What stands in for the C library. */

static int open_as(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode)
{
	const char *chip = getenv("TESTIGO_CHIP"), *tree = getenv("TESTIGO_TREE");
	if (chip && !strcmp(path, NODE)) {
		if (!mapped && chip_map(chip))
			return -1;
		int fd = real(chip, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && fd < FDS)
			is_chip[fd] = 1;
		return fd;
	}
	if (tree && !strncmp(path, TREE, strlen(TREE))) {
		char moved[4096];
		snprintf(moved, sizeof moved, "%s/%s", tree, path + strlen(TREE));
		return real(moved, flags, mode);
	}
	return real(path, flags, mode);
}

#define OPEN(name)                                                             \
	int name(const char *path, int flags, ...)                             \
	{                                                                      \
		mode_t mode = 0;                                               \
		if (flags & (O_CREAT | __O_TMPFILE)) {                         \
			va_list rest;                                          \
			va_start(rest, flags);                                 \
			mode = va_arg(rest, mode_t);                           \
			va_end(rest);                                          \
		}                                                              \
		return open_as(dlsym(RTLD_NEXT, #name), path, flags, mode);    \
	}
OPEN(open)
OPEN(open64)

int ioctl(int fd, unsigned long what, ...)
{
	static int (*real)(int, unsigned long, ...);
	va_list rest;
	va_start(rest, what);
	void *with = va_arg(rest, void *);
	va_end(rest);
	if (fd >= 0 && fd < FDS && is_chip[fd])
		return ask_chip(what, with);
	if (fd >= 0 && fd < FDS && line_of[fd])
		return ask_line(line_of[fd] - 1, what, with);
	if (!real)
		real = dlsym(RTLD_NEXT, "ioctl");
	return real(fd, what, with);
}

int close(int fd)
{
	static int (*real)(int);
	if (!real)
		real = dlsym(RTLD_NEXT, "close");
	if (fd < 0 || fd >= FDS || !(is_chip[fd] || line_of[fd]))
		return real(fd);
	is_chip[fd] = 0;
	if (!line_of[fd])
		return real(fd);
	struct chip *chip = locked();
	int n = line_of[fd] - 1, done = real(fd);
	line_of[fd] = 0;
	chip->lines[n].owner = 0;
	chip->lines[n].flags = GPIO_V2_LINE_FLAG_INPUT; /* what hangs on it is off */
	put_out(chip, n, 0);
	unlock();
	return done;
}
