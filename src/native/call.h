/**
 * A call of a fused kernel as one struct, the same on every device. Its fields are the operands, attributes and results that
 * the kernel has in src/ops/kernels.ts, by the same names:
 *
 *   struct GeluCall {
 *     Operand x, y;
 *     GeluForm form;
 *     REASVQA_CALL("gelu", x, y, form)
 *   };
 *   void gelu(const GeluCall& call) {
 *     const int64_t n = call.x.elements();
 *     geluKernels().forward(call.form, call.x.in<float>(n), call.y.out<float>(n), n);
 *   }
 *   void registerGelu(Napi::Env, Napi::Object exports) { bindCall<gelu>(exports); }
 *   REASVQA_REGISTER(registerGelu)
 *
 * A call costs JavaScript no array and native code no look-up: the fields lie one after the other in a Float64Array that
 * both sides see (setParams). Where each lies follows from the struct alone; the addon says so under `layouts`, and
 * src/engine/native/calls.ts, which fills it in, compares the names when the addon is loaded. An object of 22 properties
 * read through N-API took 2.7 us, 22 arguments 0.34 us, filling the array in takes 0.3 us.
 *
 * This header includes nothing of the standard library, so that headers of kernels (cpu/runtime/dispatch.h) may include it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace reasvqa {

class BufferTable;

/** tfjs has tensors of up to six axes. */
constexpr int kMaxAxes = 6;

/** A tensor of a call: a buffer and its shape. Its errors name the call and the field. */
struct Operand {
  static constexpr int32_t kNone = -1;  // the id of what was left out

  const char* call = nullptr;
  const char* field = nullptr;
  const BufferTable* table = nullptr;
  int32_t id = kNone;
  int rank = 0;
  int64_t shape[kMaxAxes] = {};

  /** Whether it was given: an OptionalOperand may be left out. */
  explicit operator bool() const { return id != kNone; }
  int64_t elements() const { return product(rank); }
  /** The tensor seen as (rows, columns): the last axis, and the product of the others. */
  int64_t columns() const { return rank == 0 ? 1 : shape[rank - 1]; }
  int64_t rows() const { return product(rank - 1); }
  /** Size of an axis; throws unless the tensor has `axes` of them. */
  int64_t axis(int index, int axes) const;

  /** Its elements; throws unless it has so many and its buffer is live and holds them. nullptr when it was left out. */
  template <class T>
  const T* in(int64_t expected) const {
    return static_cast<const T*>(data(expected, sizeof(T)));
  }
  template <class T>
  T* out(int64_t expected) const {
    return static_cast<T*>(data(expected, sizeof(T)));
  }

 private:
  void* data(int64_t expected, size_t elementBytes) const;
  int64_t product(int axes) const {
    int64_t product = 1;
    for (int i = 0; i < axes; ++i) product *= shape[i];
    return product;
  }
};

/** An operand or result that a call may leave out. */
struct OptionalOperand : Operand {};

/** Names the fields of a struct, in the order they lie in. */
#define REASVQA_FIELDS(...)                                \
  static constexpr const char* kFields = #__VA_ARGS__;     \
  template <class Visitor>                                 \
  void each(Visitor& visit) {                              \
    visit(__VA_ARGS__);                                    \
  }

/** The same of the struct of a call, with the name that the addon exports it under: the kernel's without Reas. */
#define REASVQA_CALL(name, ...)                \
  static constexpr const char* kName = name;   \
  REASVQA_FIELDS(__VA_ARGS__)

/** An enumeration whose names TypeScript knows from the addon; the last enumerator counts the others. */
#define REASVQA_ENUM(Name, ...)                                                                \
  enum class Name : int32_t { __VA_ARGS__, count };                                            \
  [[maybe_unused]] static constexpr const char* namesOf(Name) { return #__VA_ARGS__; }

/** One use of dropout: numbers of dropoutNumbers in src/ops/dropout.ts, all 0 without it. */
struct DropoutKey {
  double rate = 0;
  uint32_t threshold = 0;
  uint32_t seed = 0;
  uint32_t step = 0;
  uint32_t call = 0;
  REASVQA_FIELDS(rate, threshold, seed, step, call)
};
/** 1 / (1 - rate); throws when the rate is outside [0, 1). */
float dropoutScale(const DropoutKey& key);

}  // namespace reasvqa
