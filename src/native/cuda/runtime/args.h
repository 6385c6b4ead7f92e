/**
 * Binding CUDA launchers to JavaScript: the CPU's Args over the buffers of the CUDA device. `in` and `out` give device
 * pointers. A concept file registers itself under the name that the CPU's function has:
 *
 *   void softmax(CudaArgs& args) { ... launch("softmax", "softmaxRows", ...); }
 *   void registerSoftmax(Napi::Env, Napi::Object cuda) { bindCuda<softmax>(cuda, "softmax"); }
 *   REASVQA_CUDA_REGISTER(registerSoftmax)
 */
#pragma once

#include "binding.h"
#include "cuda/runtime/blas.h"

namespace reasvqa::cuda {

/** The CUDA device's buffers; an EngineError-like message when no device is open. */
const BufferTable& openBuffers();

/** How the elements of a buffer behind a float32 tensor are stored. Everything else is stored as itself (f32 here). */
Type storageOf(BufferId id);

class CudaArgs : public Args {
 public:
  CudaArgs(napi_env env, napi_callback_info info) : Args(env, info, openBuffers()) {}

  /**
   * The storage of a buffer argument: f32, or bf16 for a frozen weight. A launcher that does not ask and takes
   * `in<float>` of a bf16 buffer fails with a message: such a buffer has half the bytes.
   */
  Type storage(size_t index) const { return storageOf(i32(index)); }
};

/** Adds `name` to the object `cuda` of the exports; Function takes CudaArgs& and returns void, a number or a napi_value. */
template <auto Function>
void bindCuda(Napi::Object cuda, const char* name) {
  setFunction(cuda, name, callback<Function, CudaArgs>);
}

/** Adds a registration to the list that fills the `cuda` object when the addon is loaded. */
struct CudaRegistrar {
  explicit CudaRegistrar(Registration registration);
};

#define REASVQA_CUDA_REGISTER(function) \
  static const ::reasvqa::cuda::CudaRegistrar function##CudaRegistrar(function);

}  // namespace reasvqa::cuda
