/**
 * Binding C++ functions to JavaScript with few instructions per call (about 0.05 us): numbers and buffer ids in, a
 * number or nothing out. A C++ exception becomes a JavaScript Error with the same text.
 *
 * A concept file registers itself; no other file changes:
 *
 *   double sumOfSquares(Args& args) {
 *     const int64_t n = args.size(1);
 *     const float* x = args.in<float>(0, n);       // buffer id -> pointer; id and size are checked
 *     return sumOfSquaresKernels().run(x, n);
 *   }
 *   void registerSumOfSquares(Napi::Env, Napi::Object exports) { bind<sumOfSquares>(exports, "sumOfSquares"); }
 *   REASVQA_REGISTER(registerSumOfSquares)
 */
#pragma once

#include <napi.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "pool.h"

namespace reasvqa {

/** What a buffer's elements are; the numbers are part of the seam (src/engine/native/addon.ts). */
enum class Dtype : int32_t { f32 = 0, i32 = 1, u8 = 2 };

/** Throws std::invalid_argument with the text unless the condition holds. */
inline void check(bool condition, const char* message) {
  if (!condition) throw std::invalid_argument(message);
}

/** The arguments of one call from JavaScript. Every accessor throws std::invalid_argument on a wrong argument. */
class Args {
 public:
  static constexpr size_t kMax = 32;

  /** Buffer ids are looked up in `buffers`: the CPU's pool, or the memory of another device. */
  Args(napi_env env, napi_callback_info info, const BufferTable& buffers = Pool::instance());

  size_t count() const { return count_; }
  napi_env env() const { return env_; }

  double number(size_t index) const;
  float f32(size_t index) const { return static_cast<float>(number(index)); }
  int32_t i32(size_t index) const;
  /** A boolean, or a number that is not 0. */
  bool flag(size_t index) const;
  /** A count or dimension: an integer from 0 to 2^53. */
  int64_t size(size_t index) const;
  std::string text(size_t index) const;
  Dtype dtype(size_t index) const;

  /** The elements of a pool buffer named by its id; throws when the buffer is not live or too small. */
  template <class T>
  const T* in(size_t index, int64_t elements) const {
    return static_cast<const T*>(buffer(index, elements, sizeof(T), false));
  }
  template <class T>
  T* out(size_t index, int64_t elements) const {
    return static_cast<T*>(buffer(index, elements, sizeof(T), false));
  }
  /** The same for an operand that may be left out: the id -1 gives nullptr. */
  template <class T>
  const T* inOrNull(size_t index, int64_t elements) const {
    return static_cast<const T*>(buffer(index, elements, sizeof(T), true));
  }
  template <class T>
  T* outOrNull(size_t index, int64_t elements) const {
    return static_cast<T*>(buffer(index, elements, sizeof(T), true));
  }

  /** A buffer whose id came in an array argument; checked like `in`. */
  template <class T>
  T* at(BufferId id, int64_t elements) const {
    check(elements >= 0, "a size is negative");
    return static_cast<T*>(buffers_.data(id, static_cast<size_t>(elements) * sizeof(T)));
  }
  /** A number as the 32 bits of an f32 or i32 element. */
  uint32_t bits(size_t index, Dtype dtype) const;

  napi_value value(size_t index) const;
  /** The bytes of a typed array argument. */
  void* typedArray(size_t index, size_t& bytes) const;

  /** The parameter block shared with JavaScript (see setParams): shapes and strides of the current call. */
  const int32_t* params(size_t count) const;

 protected:
  [[noreturn]] void fail(size_t index, const char* expected) const;

 private:
  void* buffer(size_t index, int64_t elements, size_t elementBytes, bool optional) const;

  const BufferTable& buffers_;
  napi_env env_;
  napi_value values_[kMax];
  size_t count_ = kMax;
};

/** Throws a JavaScript Error with the message, and the code unless it is nullptr. */
void throwToJs(napi_env env, const char* message, const char* code = nullptr);
void setFunction(Napi::Object exports, const char* name, napi_callback callback);

/** What Node calls: runs Function(Arguments) and turns its result or exception into JavaScript's. */
template <auto Function, class Arguments = Args>
napi_value callback(napi_env env, napi_callback_info info) {
  try {
    Arguments args(env, info);
    if constexpr (std::is_void_v<decltype(Function(args))>) {
      Function(args);
      return nullptr;
    } else {
      const auto result = Function(args);
      if constexpr (std::is_same_v<decltype(result), const napi_value>) {
        return result;
      } else {
        napi_value value = nullptr;
        if (napi_create_double(env, static_cast<double>(result), &value) != napi_ok) return nullptr;
        return value;
      }
    }
  } catch (const DeviceError& error) {
    throwToJs(env, error.what(), error.code());
  } catch (const std::exception& error) {
    throwToJs(env, error.what());
  }
  return nullptr;
}

/** Adds `name` to the exports; Function takes Args& and returns void, a number or a napi_value. */
template <auto Function>
void bind(Napi::Object exports, const char* name) {
  setFunction(exports, name, callback<Function>);
}

using Registration = void (*)(Napi::Env, Napi::Object);

/** Adds a registration to the list that the addon runs when it is loaded. */
struct Registrar {
  explicit Registrar(Registration registration);
};

#define REASVQA_REGISTER(function) \
  static const ::reasvqa::Registrar function##Registrar(function);

}  // namespace reasvqa
