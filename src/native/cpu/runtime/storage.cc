/**
 * allocateBf16(elements): contents undefined; write() takes the elements' bits, read() gives f32.
 * castStorage(id, elements): a new buffer with the f32 elements rounded to bf16.
 * Every other function that wants f32 refuses such a buffer, because it has half the bytes.
 */
#include "cpu/runtime/storage.h"

#include "binding.h"

namespace reasvqa {

Weight weightArg(const Args& args, size_t index, int64_t elements) {
  if (Pool::instance().isBf16(args.i32(index))) return {nullptr, args.in<Bf16>(index, elements)};
  return {args.in<float>(index, elements), nullptr};
}

Weight weightOf(const Operand& operand, int64_t elements) {
  if (Pool::instance().isBf16(operand.id)) return {nullptr, operand.in<Bf16>(elements)};
  return {operand.in<float>(elements), nullptr};
}

namespace {

BufferId newBf16(int64_t elements) {
  return Pool::instance().allocate(static_cast<size_t>(elements) * sizeof(Bf16), true);
}

double allocateBf16(Args& args) { return newBf16(args.size(0)); }

double castStorage(Args& args) {
  const int64_t n = args.size(1);
  const auto* from = args.in<float>(0, n);
  const BufferId id = newBf16(n);
  storageKernels().narrow(from, args.at<Bf16>(id, n), n);
  return id;
}

void registerStorage(Napi::Env, Napi::Object exports) {
  bind<allocateBf16>(exports, "allocateBf16");
  bind<castStorage>(exports, "castStorage");
}
REASVQA_REGISTER(registerStorage)

}  // namespace
}  // namespace reasvqa
