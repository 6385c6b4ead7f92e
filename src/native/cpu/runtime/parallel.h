/**
 * The thread pool and parallelFor.
 *
 * parallelFor(n, grain, fn) cuts [0, n) into chunks of at least `grain` and calls fn(begin, end) for each, on all
 * threads. Chunk borders depend only on n, grain and the thread count; each thread has the same part of them first, and
 * helps others when it is done. Which thread takes which chunk does not matter to results as long as each output element
 * is computed inside one chunk, so they are the same on every run. A kernel whose result depends on the chunk borders
 * (a sum over chunks) uses parallelChunks, whose borders do not depend on the thread count either.
 *
 * A call inside a parallel region runs serially on the calling thread, so kernels may call each other freely.
 * fn must not throw.
 */
#pragma once

#include <stdint.h>

namespace reasvqa {

using RangeFunction = void (*)(void* context, int64_t begin, int64_t end);

/** Threads in use, the calling one included. */
int threadCount();
/** Changes it; throws std::runtime_error outside 1..1024. */
void setThreadCount(int threads);
/** Reads REASVQA_THREADS (default: the cores this process may use); throws std::runtime_error when it is no count. */
void initThreads();
/** True on a thread that is inside a parallel region. */
bool insideParallel();

void parallelRanges(int64_t n, int64_t chunk, RangeFunction function, void* context);
/** The chunk length parallelFor uses. */
int64_t chunkFor(int64_t n, int64_t grain);

/** fn(begin, end) over [0, n), in chunks of at least `grain`. */
template <class F>
static inline void parallelFor(int64_t n, int64_t grain, const F& fn) {
  if (n <= 0) return;
  if (n <= grain) {
    fn(int64_t{0}, n);
    return;
  }
  parallelRanges(
      n, chunkFor(n, grain), [](void* context, int64_t begin, int64_t end) { (*static_cast<const F*>(context))(begin, end); },
      const_cast<void*>(static_cast<const void*>(&fn)));
}

/** fn(begin, end) over [0, n), in chunks of exactly `chunk` (the last may be shorter), whatever the thread count. */
template <class F>
static inline void parallelChunks(int64_t n, int64_t chunk, const F& fn) {
  if (n <= 0) return;
  parallelRanges(
      n, chunk, [](void* context, int64_t begin, int64_t end) { (*static_cast<const F*>(context))(begin, end); },
      const_cast<void*>(static_cast<const void*>(&fn)));
}

}  // namespace reasvqa
