/**
 * Binding C++ functions to JavaScript with few instructions per call (about 0.05 us): numbers and buffer ids in, a
 * number or nothing out. A C++ exception becomes a JavaScript Error with the same text.
 *
 * Calls of many numbers are structs (call.h, bindCall); the others take arguments. A concept file registers itself; no other
 * file changes:
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
#include <vector>

#include "call.h"
#include "pool.h"

namespace reasvqa {

/** What a buffer's elements are. */
REASVQA_ENUM(Dtype, f32, i32, u8)

/** Throws std::invalid_argument with the text unless the condition holds. */
inline void check(bool condition, const char* message) {
  if (!condition) throw std::invalid_argument(message);
}

/** The arguments of one call from JavaScript. Every accessor throws std::invalid_argument on a wrong argument. */
class Args {
 public:
  static constexpr size_t kMax = 16;

  /** Buffer ids are looked up in `buffers`: the CPU's pool, or the memory of another device. */
  Args(napi_env env, napi_callback_info info, const BufferTable& buffers = Pool::instance());

  size_t count() const { return count_; }
  const BufferTable& buffers() const { return buffers_; }
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
    return static_cast<const T*>(buffer(index, elements, sizeof(T)));
  }
  template <class T>
  T* out(size_t index, int64_t elements) const {
    return static_cast<T*>(buffer(index, elements, sizeof(T)));
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
  void* buffer(size_t index, int64_t elements, size_t elementBytes) const;

  const BufferTable& buffers_;
  napi_env env_;
  napi_value values_[kMax];
  size_t count_ = kMax;
};

/** Throws a JavaScript Error with the message, and the code unless it is nullptr. */
void throwToJs(napi_env env, const char* message, const char* code = nullptr);
void setFunction(Napi::Object exports, const char* name, napi_callback callback);
/** The object under a name, made at the first use. */
Napi::Object objectIn(Napi::Object exports, const char* name);

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

/** Names in a list such as that of REASVQA_FIELDS or REASVQA_ENUM. */
std::vector<std::string> splitNames(const char* list);

/** Room for the numbers of one call, for setParams. */
constexpr size_t kCallNumbers = 160;

/** Fills the fields of a call's struct in from the numbers that setParams shares. */
class CallReader {
 public:
  CallReader(const char* call, const std::vector<std::string>& fields, const BufferTable& table);

  template <class... Fields>
  void operator()(Fields&... fields) {
    size_t i = 0;
    (read(fields_[i++].c_str(), fields), ...);
  }

 private:
  void read(const char* field, Operand& operand);
  void read(const char* field, OptionalOperand& operand);
  void read(const char* field, double& value);
  void read(const char* field, float& value);
  void read(const char* field, bool& value);
  void read(const char* field, int64_t& value);
  void read(const char* field, uint32_t& value);
  template <class Field>
  void read(const char* field, Field& value) {
    if constexpr (std::is_enum_v<Field>) {
      value = static_cast<Field>(whole(field, static_cast<double>(Field::count) - 1, namesOf(value)));
    } else {
      static const std::vector<std::string> fields = splitNames(Field::kFields);
      CallReader nested(*this, fields);
      value.each(nested);
      at_ = nested.at_;
    }
  }
  CallReader(const CallReader& outer, const std::vector<std::string>& fields)
      : call_(outer.call_), fields_(fields), table_(outer.table_), at_(outer.at_) {}

  void readOperand(const char* field, Operand& operand);
  double whole(const char* field, double most, const char* expected);
  [[noreturn]] void fail(const char* field, const char* expected) const;

  const char* call_;
  const std::vector<std::string>& fields_;
  const BufferTable& table_;
  const double* at_;
};

/** Notes where the fields of a call lie: objects {name, kind, at}; kind is operand, optional, number or an enum's names. */
class LayoutWriter {
 public:
  LayoutWriter(Napi::Env env, const char* call, const char* fields, const std::string& prefix = "", size_t at = 0)
      : list_(Napi::Array::New(env)), call_(call), fields_(splitNames(fields)), prefix_(prefix), at_(at) {}

  template <class... Fields>
  void operator()(Fields&... fields) {
    size_t i = 0;
    (note(fields_[i++], fields), ...);
  }
  Napi::Array list() const { return list_; }

 private:
  template <class Field>
  void note(const std::string& name, Field& value) {
    if constexpr (std::is_same_v<Field, OptionalOperand>) {
      add(name, "optional", 2 + kMaxAxes);
    } else if constexpr (std::is_same_v<Field, Operand>) {
      add(name, "operand", 2 + kMaxAxes);
    } else if constexpr (std::is_enum_v<Field>) {
      add(name, namesOf(value), 1);
    } else if constexpr (std::is_arithmetic_v<Field>) {
      add(name, "number", 1);
    } else {
      LayoutWriter nested(list_.Env(), call_, Field::kFields, prefix_ + name + ".", at_);
      value.each(nested);
      for (uint32_t i = 0; i < nested.list_.Length(); ++i) list_.Set(list_.Length(), nested.list_.Get(i));
      at_ = nested.at_;
    }
  }
  void add(const std::string& name, const char* kind, size_t numbers);

  Napi::Array list_;
  const char* call_;
  std::vector<std::string> fields_;
  std::string prefix_;
  size_t at_;
};

/** The struct that a function of one call takes. */
template <class Result, class Call, class... More>
Call callOf(Result (*)(const Call&, More...));

/** What Node calls: reads the struct and runs Function(call), or Function(call, args) where it takes further arguments. */
template <auto Function, class Arguments>
auto runCall(Arguments& args) {
  using Call = decltype(callOf(Function));
  static const std::vector<std::string> fields = splitNames(Call::kFields);
  CallReader reader(Call::kName, fields, args.buffers());
  Call call;
  call.each(reader);
  if constexpr (std::is_invocable_v<decltype(Function), const Call&>) {
    return Function(call);
  } else {
    return Function(call, args);
  }
}

/** Adds a function of one call to the exports, by default under the call's name, and its layout to their `layouts`. */
template <auto Function, class Arguments = Args>
void bindCall(Napi::Object exports, const char* name = nullptr) {
  using Call = decltype(callOf(Function));
  LayoutWriter writer(exports.Env(), Call::kName, Call::kFields);
  Call call;
  call.each(writer);
  if (name == nullptr) name = Call::kName;
  objectIn(exports, "layouts").Set(name, writer.list());
  setFunction(exports, name, callback<runCall<Function, Arguments>, Arguments>);
}

/** Adds the names of an enumeration to `enumerations` of the exports. */
template <class Enum>
void nameEnum(Napi::Object exports, const char* name) {
  objectIn(exports, "enumerations").Set(name, Napi::String::New(exports.Env(), namesOf(Enum{})));
}

using Registration = void (*)(Napi::Env, Napi::Object);

/** What the addon runs when it is loaded. */
std::vector<Registration>& registrations();

/** Adds a registration to them. */
struct Registrar {
  explicit Registrar(Registration registration);
};

#define REASVQA_REGISTER(function) \
  static const ::reasvqa::Registrar function##Registrar(function);

}  // namespace reasvqa
