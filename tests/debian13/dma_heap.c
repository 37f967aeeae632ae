/* The DMA heap: memory for frames where the kernel has no heap for it. Loaded before the C library (LD_PRELOAD), it
 * answers for /dev/dma_heap with memory files, and for their synchronisation, which such memory does not need. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 4096
static unsigned char is_heap[DESCRIPTORS_MAX];

static int opened_heap(const char *path) {
    if (!path || strncmp(path, "/dev/dma_heap/", 14) != 0)
        return -2;
    int heap = memfd_create("dma-heap", MFD_CLOEXEC);
    if (heap >= 0 && heap < DESCRIPTORS_MAX)
        is_heap[heap] = 1;
    return heap;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        static int (*real)(const char *, int, ...);                                                                    \
        mode_t mode = 0;                                                                                               \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        if (flags & (O_CREAT | O_TMPFILE))                                                                             \
            mode = va_arg(rest, mode_t);                                                                               \
        va_end(rest);                                                                                                  \
        int heap = opened_heap(path);                                                                                  \
        if (heap != -2)                                                                                                \
            return heap;                                                                                               \
        if (!real)                                                                                                     \
            real = dlsym(RTLD_NEXT, #name);                                                                            \
        return real(path, flags, mode);                                                                                \
    }
OPEN(open)
OPEN(open64)

int close(int descriptor) {
    static int (*real)(int);
    if (!real)
        real = dlsym(RTLD_NEXT, "close");
    if (descriptor >= 0 && descriptor < DESCRIPTORS_MAX)
        is_heap[descriptor] = 0;
    return real(descriptor);
}

int ioctl(int descriptor, unsigned long request, ...) {
    static int (*real)(int, unsigned long, ...);
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (!real)
        real = dlsym(RTLD_NEXT, "ioctl");
    request &= 0xffffffffUL; /* Python sign-extends it */
    if (request == DMA_HEAP_IOCTL_ALLOC && descriptor >= 0 && descriptor < DESCRIPTORS_MAX && is_heap[descriptor]) {
        struct dma_heap_allocation_data *asked = argument;
        int memory = memfd_create("dma-buffer", MFD_CLOEXEC);
        if (memory < 0)
            return -1;
        if (ftruncate(memory, (off_t)((asked->len + 4095) & ~4095ULL)) != 0) {
            int why = errno;
            close(memory);
            errno = why;
            return -1;
        }
        asked->fd = (unsigned)memory;
        return 0;
    }
    int answer = real(descriptor, request, argument);
    int is_for_buffers = request == DMA_BUF_IOCTL_SYNC || request == (DMA_BUF_SET_NAME_A & 0xffffffffUL) ||
                         request == (DMA_BUF_SET_NAME_B & 0xffffffffUL);
    return answer < 0 && errno == ENOTTY && is_for_buffers ? 0 : answer;
}
