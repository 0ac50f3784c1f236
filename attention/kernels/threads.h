/* Work that several threads take from one list. */
#ifndef HEARKEN_THREADS_H
#define HEARKEN_THREADS_H

#ifdef _OPENMP
/* PyTorch's own pool, since the process has one OpenMP library: threads of another pool would fight its waiting ones. */
static void run_threads(void *(*take)(void *), void *queue, int threads) {
#pragma omp parallel num_threads(threads)
    take(queue);
}
#else
#include <pthread.h>

static void run_threads(void *(*take)(void *), void *queue, int threads) {
    pthread_t others[256];
    int started = 0;
    for (; started + 1 < threads && started < 256; started++)
        if (pthread_create(&others[started], NULL, take, queue)) break; /* fewer threads, the same result */
    take(queue);
    for (int index = 0; index < started; index++) pthread_join(others[index], NULL);
}
#endif

#endif
