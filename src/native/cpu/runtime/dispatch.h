/**
 * Kernels compiled once per instruction set, chosen at run time.
 *
 * To add a kernel `foo` (nothing else has to be edited; CMake finds the files):
 *
 *   cpu/ops/foo.h        struct FooKernels { void (*run)(const float* x, float* y, int64_t n); };
 *                        REASVQA_KERNELS(FooKernels, foo)          // at namespace reasvqa scope
 *   cpu/ops/foo_kernels.cc
 *                        #include "cpu/ops/foo.h", "cpu/runtime/simd.h", "cpu/runtime/parallel.h"
 *                        namespace reasvqa::REASVQA_ISA_NS {
 *                        namespace { void run(const float* x, float* y, int64_t n) { ... } }
 *                        const FooKernels foo = {run};
 *                        }
 *   cpu/ops/foo.cc       the binding: reads the call or Args, checks sizes, calls fooKernels().run(...), registers
 *                        itself (see call.h, binding.h). Compiled once, for the baseline CPU.
 *
 * Rules for *_kernels.cc: compiled with -DREASVQA_ISA_NS=isa_plain|isa_avx2|isa_avx512 and -DREASVQA_ISA_LEVEL=0|1|2.
 * No standard-library templates or inline functions, no exceptions: a function that the linker may merge across
 * instruction sets could bring AVX-512 code to a CPU without it (test/native checks the objects for such symbols).
 * Use __builtin_sqrtf and friends, simd.h, vecmath.h, gemm.h; everything sits in the instruction set's namespace.
 */
#pragma once

#include <stdint.h>

#include "cpu/runtime/isa.h"

#if defined(__x86_64__)
#define REASVQA_KERNELS(Table, name)                                        \
  namespace isa_plain { extern const Table name; }                          \
  namespace isa_avx2 { extern const Table name; }                           \
  namespace isa_avx512 { extern const Table name; }                         \
  [[maybe_unused]] static inline const Table& name##Kernels() {             \
    const ::reasvqa::Isa isa = ::reasvqa::isa();                            \
    if (isa == ::reasvqa::Isa::avx512) return isa_avx512::name;             \
    return isa == ::reasvqa::Isa::avx2 ? isa_avx2::name : isa_plain::name;  \
  }
#else
#define REASVQA_KERNELS(Table, name)           \
  namespace isa_plain { extern const Table name; } \
  [[maybe_unused]] static inline const Table& name##Kernels() { return isa_plain::name; }
#endif
