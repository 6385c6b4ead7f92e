/**
 * What the shim's nvrtc puts before a kernel source to build it with the host compiler: CUDA's words, built-in functions
 * and vector types, and a scheduler that runs the threads of a block as fibers on one processor.
 *
 * Threads run one after the other, each until it waits (__syncthreads, a warp's shuffle) or ends. What cannot be right on
 * a GPU is an error with a text, never a hang: a thread that ends or waits elsewhere while the others wait at a barrier,
 * a shuffle from a lane that does not exist. Shared memory is filled with NaN before each block.
 */
#pragma once

#define REASVQA_HOST_SHIM 1
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __constant__ static
#define __shared__ static __attribute__((section("shim_shared")))

extern "C" char __start_shim_shared[] __attribute__((weak, visibility("hidden")));
extern "C" char __stop_shim_shared[] __attribute__((weak, visibility("hidden")));

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x = 1, y = 1, z = 1; };
#define SHIM_VECTOR(T, name)                                                       \
  struct alignas(2 * sizeof(T)) name##2 { T x, y; };                               \
  struct alignas(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)) name##4 { T x, y, z, w; }; \
  static inline name##2 make_##name##2(T x, T y) { return {x, y}; }                \
  static inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
SHIM_VECTOR(float, float)
SHIM_VECTOR(double, double)
SHIM_VECTOR(int, int)
SHIM_VECTOR(unsigned, uint)
SHIM_VECTOR(unsigned short, ushort)
#undef SHIM_VECTOR

namespace shim {

constexpr size_t kStack = 128 << 10;
constexpr size_t kMaxThreads = 1024;
constexpr size_t kMaxShared = 256 << 10;
constexpr size_t kSharedGuard = 4096;

enum State : char { kRunnable, kAtBlock, kAtWarp, kDone };

struct Fiber {
#if defined(__x86_64__)
  void* stack = nullptr;  // its stack pointer while it is not running
#else
  ucontext_t context;
#endif
  State state = kRunnable;
  unsigned mask = 0;           // of the warp operation it waits in
  unsigned char parity = 0;    // which of the two exchange slots comes next
  alignas(16) char slot[2][16];
};

struct Machine {
  uint3 thread{}, block{};
  dim3 blockSize{}, gridSize{};
  Fiber fibers[kMaxThreads];
  Fiber scheduler;
  char* stacks = nullptr;
  unsigned current = 0, threads = 0;
  unsigned vote = 0;  // result of __syncthreads_count
  unsigned voted = 0;
  const char* error = nullptr;
  char errorText[256];
  void (*body)(void*) = nullptr;
  void* arguments = nullptr;
};

static Machine machine;
alignas(256) static char dynamicShared[kMaxShared + kSharedGuard];

#if defined(__x86_64__)
extern "C" void shimSwitch(void** save, void* load) __attribute__((visibility("hidden")));
asm(R"(
.text
.hidden shimSwitch
.globl shimSwitch
.type shimSwitch, @function
shimSwitch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size shimSwitch, .-shimSwitch
)");
static inline void change(Fiber& from, Fiber& to) { shimSwitch(&from.stack, to.stack); }
#else
static inline void change(Fiber& from, Fiber& to) { swapcontext(&from.context, &to.context); }
#endif

static __attribute__((noinline)) void yield() {
  asm volatile("" ::: "memory");
  change(machine.fibers[machine.current], machine.scheduler);
  asm volatile("" ::: "memory");
}

static void fail(const char* text) {
  if (machine.error == nullptr) {
    snprintf(machine.errorText, sizeof(machine.errorText), "%s (thread %u, block %u %u %u)", text, machine.current,
             machine.block.x, machine.block.y, machine.block.z);
    machine.error = machine.errorText;
  }
}

static void fiberMain() {
  machine.body(machine.arguments);
  machine.fibers[machine.current].state = kDone;
  yield();
}

static void startFiber(unsigned index) {
  Fiber& fiber = machine.fibers[index];
  char* stack = machine.stacks + index * kStack;
  fiber.state = kRunnable;
  fiber.parity = 0;
#if defined(__x86_64__)
  void** top = reinterpret_cast<void**>(stack + kStack);
  *--top = nullptr;  // keeps the stack aligned as after a call
  *--top = reinterpret_cast<void*>(&fiberMain);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  fiber.stack = top;
#else
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = stack;
  fiber.context.uc_stack.ss_size = kStack;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, fiberMain, 0);
#endif
}

static void resume(unsigned index) {
  Machine& m = machine;
  m.current = index;
  m.thread = {index % m.blockSize.x, index / m.blockSize.x % m.blockSize.y, index / (m.blockSize.x * m.blockSize.y)};
  change(m.scheduler, m.fibers[index]);
}

/** Lets go the lanes whose partners all wait in the same operation; false when none could. */
static bool releaseLanes(unsigned first, unsigned lanes) {
  bool released = false;
  const unsigned existing = lanes == 32 ? 0xffffffffu : (1u << lanes) - 1;
  unsigned waiting = 0;
  for (unsigned l = 0; l < lanes; ++l) waiting |= unsigned(machine.fibers[first + l].state == kAtWarp) << l;
  for (unsigned l = 0; l < lanes; ++l) {
    Fiber& fiber = machine.fibers[first + l];
    if (!(waiting >> l & 1)) continue;
    const unsigned group = fiber.mask & existing;
    bool together = (group & waiting) == group;
    for (unsigned o = 0; o < lanes && together; ++o) {
      if (group >> o & 1) together = machine.fibers[first + o].mask == fiber.mask;
    }
    if (together) {
      fiber.state = kRunnable;
      released = true;
    }
  }
  return released;
}

/** Runs a warp until each of its threads ended or waits for the block. */
static void runWarp(unsigned first, unsigned lanes) {
  for (;;) {
    unsigned waiting = 0;
    for (unsigned l = 0; l < lanes && machine.error == nullptr; ++l) {
      if (machine.fibers[first + l].state == kRunnable) resume(first + l);
      waiting += machine.fibers[first + l].state == kAtWarp;
    }
    if (machine.error != nullptr || waiting == 0) return;
    if (!releaseLanes(first, lanes)) {
      fail("divergence: some lanes wait in a warp operation that others of its mask never reach");
      return;
    }
  }
}

static void runBlock() {
  Machine& m = machine;
  memset(__start_shim_shared, 0xff, size_t(__stop_shim_shared - __start_shim_shared));
  for (unsigned t = 0; t < m.threads; ++t) startFiber(t);
  for (;;) {
    m.voted = 0;
    for (unsigned t = 0; t < m.threads; t += 32) {
      runWarp(t, m.threads - t < 32 ? m.threads - t : 32);
      if (m.error != nullptr) return;
    }
    unsigned waiting = 0;
    for (unsigned t = 0; t < m.threads; ++t) waiting += m.fibers[t].state == kAtBlock;
    if (waiting == 0) return;
    if (waiting != m.threads) {
      fail("divergence: threads ended while others wait at __syncthreads");
      return;
    }
    m.vote = m.voted;
    for (unsigned t = 0; t < m.threads; ++t) m.fibers[t].state = kRunnable;
  }
}

static unsigned syncBlock(bool predicate) {
  machine.voted += predicate;
  machine.fibers[machine.current].state = kAtBlock;
  yield();
  return machine.vote;
}

/** Waits for the lanes of the mask, then gives each the slot of lane `source` of its warp. */
template <class T>
static T exchange(unsigned mask, T value, unsigned source) {
  static_assert(sizeof(T) <= 16, "a shuffle moves at most 16 bytes");
  const unsigned warp = machine.current / 32 * 32;
  Fiber& fiber = machine.fibers[machine.current];
  const unsigned parity = fiber.parity;
  fiber.parity ^= 1;
  memcpy(fiber.slot[parity], &value, sizeof(T));
  fiber.mask = mask;
  fiber.state = kAtWarp;
  if (!(mask >> (machine.current % 32) & 1)) fail("a lane calls a warp operation whose mask leaves it out");
  yield();
  if (warp + source >= machine.threads || !(mask >> source & 1)) {
    fail("a shuffle reads a lane that does not exist or is outside of the mask");
    return value;
  }
  memcpy(&value, machine.fibers[warp + source].slot[parity], sizeof(T));
  return value;
}

static unsigned ballot(unsigned mask, bool predicate) {
  const unsigned warp = machine.current / 32 * 32;
  const unsigned parity = machine.fibers[machine.current].parity;
  exchange(mask, unsigned(predicate), machine.current % 32);
  unsigned votes = 0;
  for (unsigned l = 0; l < 32 && warp + l < machine.threads; ++l) {
    unsigned vote = 0;
    memcpy(&vote, machine.fibers[warp + l].slot[parity], sizeof(vote));
    if (mask >> l & 1) votes |= vote << l;
  }
  return votes;
}

/** To nearest, ties to even, as cvt.rn.f16.f32. */
static unsigned toF16(float x) {
  const unsigned sign = signbit(x) ? 0x8000u : 0u;
  const float size = fabsf(x);
  if (x != x) return 0x7fffu;
  if (size >= 65520.0f) return sign | 0x7c00u;
  if (size <= 0x1p-25f) return sign;
  int exponent = 0;
  frexpf(size, &exponent);  // size = f 2^exponent, f in [0.5, 1)
  const int unit = exponent - 11 > -24 ? exponent - 11 : -24;  // the last bit's power; subnormal numbers end at 2^-24
  const unsigned steps = unsigned(rintf(ldexpf(size, -unit)));
  return sign | (steps + (unsigned(unit + 24) << 10));  // a carry moves to the exponent by itself
}

static float fromF16(unsigned bits) {
  const int exponent = int(bits >> 10 & 31u);
  const float mantissa = float(bits & 1023u);
  const float size = exponent == 31 ? (mantissa == 0 ? INFINITY : NAN)
                                    : ldexpf(exponent == 0 ? mantissa : mantissa + 1024.0f, (exponent == 0 ? 1 : exponent) - 25);
  return bits & 0x8000u ? -size : size;
}

/** f16 number `index` of words of two each. */
static float f16At(const unsigned* words, unsigned index) { return fromF16(words[index / 2] >> (index % 2 * 16)); }

/**
 * mma.sync.m16n8k16 on f16, as src/native/cuda/runtime/mma.cuh says: the lanes put down their pieces of A and B, and each sums
 * what is its own of C, in f32 and in order of the depth.
 */
static void multiplyAdd(float (&sum)[4], const unsigned (&left)[4], unsigned right, unsigned rightHigh) {
  struct Left { unsigned words[4]; };
  struct Right { unsigned words[2]; };
  Fiber& fiber = machine.fibers[machine.current];
  const unsigned lane = machine.current % 32;
  const Fiber* warp = machine.fibers + (machine.current - lane);
  // A lane's piece is there until its second warp operation from here: each is read right after its exchange.
  const unsigned parity = fiber.parity;
  exchange(0xffffffffu, Left{{left[0], left[1], left[2], left[3]}}, lane);
  unsigned a[4][4], b[2][4][2];  // of the four lanes that hold a row of A, and of those that hold a column of B
  for (unsigned t = 0; t < 4; ++t) memcpy(a[t], warp[lane / 4 * 4 + t].slot[parity], sizeof(a[t]));
  exchange(0xffffffffu, Right{{right, rightHigh}}, lane);
  for (unsigned j = 0; j < 2; ++j) {
    for (unsigned t = 0; t < 4; ++t) memcpy(b[j][t], warp[(lane % 4 * 2 + j) * 4 + t].slot[parity ^ 1], sizeof(b[j][t]));
  }
  for (unsigned depth = 0; depth < 16; ++depth) {
    const unsigned t = depth % 8 / 2;
    const unsigned high = depth / 8;
    for (unsigned i = 0; i < 2; ++i) {
      const float x = f16At(a[t] + i + 2 * high, depth % 2);
      for (unsigned j = 0; j < 2; ++j) sum[2 * i + j] += x * f16At(b[j][t] + high, depth % 2);
    }
  }
}

struct Launch {
  dim3 grid, block;
  unsigned sharedBytes;
};

/** Runs a grid; nullptr or the text of what went wrong. */
static const char* runGrid(const Launch& launch, void (*body)(void*), void* arguments) {
  Machine& m = machine;
  m.threads = launch.block.x * launch.block.y * launch.block.z;
  if (m.threads == 0 || m.threads > kMaxThreads || launch.sharedBytes > kMaxShared) return "a launch outside of the limits";
  if (m.stacks == nullptr) {
    void* stacks = mmap(nullptr, kMaxThreads * kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks == MAP_FAILED) return "no memory for the fibers' stacks";
    m.stacks = static_cast<char*>(stacks);
  }
  m.blockSize = launch.block;
  m.gridSize = launch.grid;
  m.body = body;
  m.arguments = arguments;
  m.error = nullptr;
  for (unsigned z = 0; z < launch.grid.z; ++z) {
    for (unsigned y = 0; y < launch.grid.y; ++y) {
      for (unsigned x = 0; x < launch.grid.x; ++x) {
        m.block = {x, y, z};
        memset(dynamicShared, 0xff, launch.sharedBytes + kSharedGuard);
        runBlock();
        if (m.error != nullptr) return m.error;
        for (size_t i = 0; i < kSharedGuard; ++i) {
          if (dynamicShared[launch.sharedBytes + i] != char(0xff)) return "a write behind the dynamic shared memory";
        }
      }
    }
  }
  return nullptr;
}

template <size_t... I>
struct Indices {};
template <size_t N, size_t... I>
struct MakeIndices : MakeIndices<N - 1, N - 1, I...> {};
template <size_t... I>
struct MakeIndices<0, I...> {
  using type = Indices<I...>;
};

template <class... A>
struct Call {
  void (*kernel)(A...);
  void** arguments;
  template <size_t... I>
  void apply(Indices<I...>) const {
    kernel(*static_cast<A*>(arguments[I])...);
  }
  static void body(void* self) { static_cast<Call*>(self)->apply(typename MakeIndices<sizeof...(A)>::type()); }
};

template <class... A>
static const char* run(void (*kernel)(A...), const Launch* launch, void** arguments) {
  Call<A...> call{kernel, arguments};
  return runGrid(*launch, Call<A...>::body, &call);
}

/** Size of parameter i; 0 when there is none. */
template <class... A>
static size_t parameterSize(void (*)(A...), size_t i) {
  const size_t sizes[] = {sizeof(A)..., 0};
  return i < sizeof...(A) ? sizes[i] : 0;
}

}  // namespace shim

/** What the compiler's -fsanitize=alignment (nvrtc.cc) calls. */
extern "C" __attribute__((visibility("hidden"), used)) void __ubsan_handle_type_mismatch_v1(void*, uintptr_t address) {
  char text[96];
  snprintf(text, sizeof(text), "an access at %#zx, which is not aligned to its size", size_t(address));
  shim::fail(text);
}

#define SHIM_KERNEL(name)                                                                                            \
  extern "C" __attribute__((visibility("default"))) const char* shim_run_##name(const shim::Launch* launch,         \
                                                                                 void** arguments) {                \
    return shim::run(name, launch, arguments);                                                                       \
  }                                                                                                                  \
  extern "C" __attribute__((visibility("default"))) size_t shim_size_##name(size_t i) {                             \
    return shim::parameterSize(name, i);                                                                             \
  }

#define threadIdx (shim::machine.thread)
#define blockIdx (shim::machine.block)
#define blockDim (shim::machine.blockSize)
#define gridDim (shim::machine.gridSize)
static const int warpSize = 32;

static inline void __syncthreads() { shim::syncBlock(false); }
static inline int __syncthreads_count(int p) { return int(shim::syncBlock(p != 0)); }
static inline int __syncthreads_or(int p) { return shim::syncBlock(p != 0) != 0; }
static inline int __syncthreads_and(int p) { return shim::syncBlock(p != 0) == shim::machine.threads; }
static inline void __syncwarp(unsigned mask = 0xffffffffu) { shim::exchange(mask, 0, shim::machine.current % 32); }
static inline void __threadfence() {}
static inline void __threadfence_block() {}
static inline unsigned __ballot_sync(unsigned mask, int p) { return shim::ballot(mask, p != 0); }
static inline int __any_sync(unsigned mask, int p) { return shim::ballot(mask, p != 0) != 0; }
static inline int __all_sync(unsigned mask, int p) { return shim::ballot(mask, p == 0) == 0; }

template <class T>
static inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const unsigned lane = shim::machine.current % 32;
  return shim::exchange(mask, value, (lane & ~unsigned(width - 1)) | (unsigned(source) & unsigned(width - 1)));
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  const unsigned lane = shim::machine.current % 32;
  const unsigned source = lane ^ unsigned(bits);
  return shim::exchange(mask, value, (source | unsigned(width - 1)) > (lane | unsigned(width - 1)) ? lane : source);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned lane = shim::machine.current % 32;
  return shim::exchange(mask, value, (lane % unsigned(width)) + delta < unsigned(width) ? lane + delta : lane);
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned lane = shim::machine.current % 32;
  return shim::exchange(mask, value, (lane % unsigned(width)) >= delta ? lane - delta : lane);
}

// One processor runs all threads, and none is interrupted: plain operations are atomic.
template <class T>
static inline T atomicAdd(T* at, T value) {
  static_assert(T(0.5) == T(0), "no float atomics: their order changes from run to run");
  const T old = *at;
  *at = old + value;
  return old;
}
template <class T>
static inline T atomicMax(T* at, T value) { const T old = *at; if (value > old) *at = value; return old; }
template <class T>
static inline T atomicMin(T* at, T value) { const T old = *at; if (value < old) *at = value; return old; }
template <class T>
static inline T atomicOr(T* at, T value) { const T old = *at; *at = old | value; return old; }
template <class T>
static inline T atomicAnd(T* at, T value) { const T old = *at; *at = old & value; return old; }
template <class T>
static inline T atomicExch(T* at, T value) { const T old = *at; *at = value; return old; }
template <class T>
static inline T atomicCAS(T* at, T expected, T value) { const T old = *at; if (old == expected) *at = value; return old; }

template <class To, class From>
static inline To shimBits(From from) {
  static_assert(sizeof(To) == sizeof(From), "");
  To to;
  memcpy(&to, &from, sizeof(to));
  return to;
}
static inline float __int_as_float(int x) { return shimBits<float>(x); }
static inline int __float_as_int(float x) { return shimBits<int>(x); }
static inline float __uint_as_float(unsigned x) { return shimBits<float>(x); }
static inline unsigned __float_as_uint(float x) { return shimBits<unsigned>(x); }
static inline double __longlong_as_double(long long x) { return shimBits<double>(x); }
static inline long long __double_as_longlong(double x) { return shimBits<long long>(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((uint64_t(a) * b) >> 32); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(unsigned(x)); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
template <class T>
static inline T __ldg(const T* at) { return *at; }

static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
#define __expf expf
#define __logf logf
#define __powf powf
static inline float __fdividef(float a, float b) { return a / b; }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline int __float2int_rn(float x) { return int(rintf(x)); }
static inline int __float2int_rz(float x) { return int(x); }

#define SHIM_MINMAX(T)                                         \
  static inline T min(T a, T b) { return b < a ? b : a; }      \
  static inline T max(T a, T b) { return a < b ? b : a; }
SHIM_MINMAX(int)
SHIM_MINMAX(unsigned)
SHIM_MINMAX(long)
SHIM_MINMAX(long long)
SHIM_MINMAX(unsigned long)
SHIM_MINMAX(unsigned long long)
#undef SHIM_MINMAX
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
