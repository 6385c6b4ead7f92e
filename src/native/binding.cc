// Arguments and calls of bound functions, checked as they come from JavaScript; see binding.h.
#include "binding.h"

#include <cmath>
#include <cstring>
#include <sstream>

namespace reasvqa {
namespace {

constexpr double kMaxSize = 9007199254740992.0;  // 2^53

/** A typed array that both sides see: no array is created or read per call. */
template <class T>
struct SharedBlock {
  Napi::Reference<Napi::Value> reference;
  const T* data = nullptr;
  size_t length = 0;

  void share(const Args& args, size_t index) {
    size_t bytes = 0;
    data = static_cast<const T*>(args.typedArray(index, bytes));
    length = bytes / sizeof(T);
    reference = Napi::Persistent(Napi::Value(args.env(), args.value(index)));
    reference.SuppressDestruct();
  }
};
thread_local SharedBlock<int32_t> paramBlock;  // shapes and strides
thread_local SharedBlock<double> callBlock;    // the fields of a call

}  // namespace

std::vector<Registration>& registrations() {
  static std::vector<Registration> list;
  return list;
}

Registrar::Registrar(Registration registration) { registrations().push_back(registration); }

void throwToJs(napi_env env, const char* message, const char* code) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) return;
  if (napi_throw_error(env, code, message) != napi_ok) {
    napi_fatal_error("reasvqa", NAPI_AUTO_LENGTH, message, NAPI_AUTO_LENGTH);
  }
}

void setFunction(Napi::Object exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  const napi_status status =
      napi_create_function(exports.Env(), name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  if (status != napi_ok) throw Napi::Error::New(exports.Env());
  exports.Set(name, function);
}

Napi::Object objectIn(Napi::Object exports, const char* name) {
  if (!exports.Has(name)) exports.Set(name, Napi::Object::New(exports.Env()));
  return exports.Get(name).As<Napi::Object>();
}

std::vector<std::string> splitNames(const char* list) {
  std::vector<std::string> names;
  std::istringstream text(list);
  for (std::string name; text >> name; names.push_back(name)) {
    if (name.back() == ',') name.pop_back();
  }
  return names;
}

int64_t Operand::axis(int index, int axes) const {
  if (rank != axes) {
    throw std::invalid_argument(std::string(call) + ": " + field + " has " + std::to_string(rank) + " axes, " +
                                std::to_string(axes) + " expected");
  }
  return shape[index];
}

void* Operand::data(int64_t expected, size_t elementBytes) const {
  if (id == kNone) return nullptr;
  const auto where = [this] { return std::string(call) + ": " + field; };
  if (elements() != expected) {
    throw std::invalid_argument(where() + " has " + std::to_string(elements()) + " elements, " +
                                std::to_string(expected) + " expected");
  }
  try {
    return table->data(id, static_cast<size_t>(expected) * elementBytes);
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(where() + ": " + error.what());
  }
}

float dropoutScale(const DropoutKey& key) {
  check(key.rate >= 0 && key.rate < 1, "dropout: the rate is outside [0, 1)");
  return static_cast<float>(1.0 / (1.0 - key.rate));
}

CallReader::CallReader(const char* call, const std::vector<std::string>& fields, const BufferTable& table)
    : call_(call), fields_(fields), table_(table), at_(callBlock.data) {
  if (callBlock.length < kCallNumbers) throw std::invalid_argument("no room for a call's numbers; call setParams first");
}

void CallReader::fail(const char* field, const char* expected) const {
  throw std::invalid_argument(std::string(call_) + ": " + field + " is missing or wrong: expected " + expected);
}

double CallReader::whole(const char* field, double most, const char* expected) {
  const double value = *at_++;
  if (!(value >= 0 && value <= most && value == std::floor(value))) fail(field, expected);
  return value;
}

void CallReader::read(const char*, double& value) { value = *at_++; }
void CallReader::read(const char*, float& value) { value = static_cast<float>(*at_++); }
void CallReader::read(const char*, bool& value) { value = *at_++ != 0; }
void CallReader::read(const char* field, int64_t& value) {
  value = static_cast<int64_t>(whole(field, kMaxSize, "a size of at least 0"));
}
void CallReader::read(const char* field, uint32_t& value) {
  value = static_cast<uint32_t>(whole(field, UINT32_MAX, "a 32-bit word"));
}

void CallReader::read(const char* field, OptionalOperand& operand) { readOperand(field, operand); }
void CallReader::read(const char* field, Operand& operand) {
  readOperand(field, operand);
  if (!operand) fail(field, "a tensor");
}

void CallReader::readOperand(const char* field, Operand& operand) {
  operand.call = call_;
  operand.field = field;
  operand.table = &table_;
  const double* const at = at_;
  const double id = *at_++;
  if (!(id >= INT32_MIN && id <= INT32_MAX) || id != std::floor(id)) fail(field, "a buffer");
  operand.id = static_cast<int32_t>(id);
  if (operand) {
    operand.rank = static_cast<int>(whole(field, kMaxAxes, "a tensor of up to six axes"));
    double elements = 1;
    for (int i = 0; i < operand.rank; ++i) {
      operand.shape[i] = static_cast<int64_t>(whole(field, kMaxSize, "sizes of at least 0"));
      elements *= static_cast<double>(operand.shape[i]);
    }
    if (elements > kMaxSize) fail(field, "a possible size");
  }
  at_ = at + 2 + kMaxAxes;
}

void LayoutWriter::add(const std::string& name, const char* kind, size_t numbers) {
  Napi::Object field = Napi::Object::New(list_.Env());
  field.Set("name", prefix_ + name);
  field.Set("kind", kind);
  field.Set("at", static_cast<double>(at_));
  list_.Set(list_.Length(), field);
  at_ += numbers;
  if (at_ > kCallNumbers) throw Napi::Error::New(list_.Env(), std::string(call_) + ": a call of more than kCallNumbers numbers");
}

Args::Args(napi_env env, napi_callback_info info, const BufferTable& buffers) : buffers_(buffers), env_(env) {
  if (napi_get_cb_info(env, info, &count_, values_, nullptr, nullptr) != napi_ok) {
    throw std::invalid_argument("cannot read the arguments");
  }
  if (count_ > kMax) throw std::invalid_argument("too many arguments");
}

void Args::fail(size_t index, const char* expected) const {
  throw std::invalid_argument("argument " + std::to_string(index) + ": expected " + expected);
}

double Args::number(size_t index) const {
  double value = 0;
  if (index >= count_ || napi_get_value_double(env_, values_[index], &value) != napi_ok) fail(index, "a number");
  return value;
}

int32_t Args::i32(size_t index) const {
  const double value = number(index);
  // napi_get_value_int32 would wrap numbers beyond 32 bits, and a wrong id must not become somebody else's.
  if (!(value >= INT32_MIN && value <= INT32_MAX) || value != std::floor(value)) fail(index, "a 32-bit integer");
  return static_cast<int32_t>(value);
}

bool Args::flag(size_t index) const {
  bool value = false;
  if (index < count_ && napi_get_value_bool(env_, values_[index], &value) == napi_ok) return value;
  return i32(index) != 0;
}

int64_t Args::size(size_t index) const {
  const double value = number(index);
  if (!(value >= 0 && value <= kMaxSize)) fail(index, "a size of at least 0");
  return static_cast<int64_t>(value);
}

Dtype Args::dtype(size_t index) const {
  const int32_t value = i32(index);
  if (value < 0 || value > 2) fail(index, "a dtype code from 0 to 2");
  return static_cast<Dtype>(value);
}

uint32_t Args::bits(size_t index, Dtype dtype) const {
  if (dtype == Dtype::i32) return static_cast<uint32_t>(i32(index));
  const float value = f32(index);
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

std::string Args::text(size_t index) const {
  size_t length = 0;
  if (index >= count_ || napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &length) != napi_ok) {
    fail(index, "a text");
  }
  std::string text(length, '\0');
  if (napi_get_value_string_utf8(env_, values_[index], text.data(), length + 1, &length) != napi_ok) {
    fail(index, "a text");
  }
  return text;
}

napi_value Args::value(size_t index) const {
  if (index >= count_) fail(index, "a value");
  return values_[index];
}

void* Args::typedArray(size_t index, size_t& bytes) const {
  static constexpr size_t kElementBytes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  if (index >= count_ ||
      napi_get_typedarray_info(env_, values_[index], &type, &length, &data, nullptr, nullptr) != napi_ok) {
    fail(index, "a typed array");
  }
  bytes = length * kElementBytes[type];
  return data;
}

void* Args::buffer(size_t index, int64_t elements, size_t elementBytes) const {
  const int32_t id = i32(index);
  if (elements < 0 || static_cast<uint64_t>(elements) > SIZE_MAX / elementBytes) fail(index, "a possible size");
  return buffers_.data(id, static_cast<size_t>(elements) * elementBytes);
}

const int32_t* Args::params(size_t count) const {
  if (paramBlock.data == nullptr || count > paramBlock.length) {
    throw std::invalid_argument("the parameter block is too short; call setParams first");
  }
  return paramBlock.data;
}

namespace {

/** setParams(Int32Array, Float64Array): shares the blocks of layouts (Args::params) and of calls (CallReader). */
void setParams(Args& args) {
  paramBlock.share(args, 0);
  callBlock.share(args, 1);
}

void registerBinding(Napi::Env, Napi::Object exports) {
  bind<setParams>(exports, "setParams");
  exports.Set("callNumbers", static_cast<double>(kCallNumbers));
}
REASVQA_REGISTER(registerBinding)

}  // namespace
}  // namespace reasvqa
