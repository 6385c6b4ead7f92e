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

/**
 * How the elements of a buffer behind a float32 tensor are stored: f32, or bf16. A launcher that does not ask and takes
 * `in<float>` of a bf16 buffer fails with a message: such a buffer has half the bytes.
 */
Type storageOf(BufferId id);

class CudaArgs : public Args {
 public:
  CudaArgs(napi_env env, napi_callback_info info) : Args(env, info, openBuffers()) {}
};

/** Adds `name` to the object `cuda` of the exports; Function takes CudaArgs& and returns void, a number or a napi_value. */
template <auto Function>
void bindCuda(Napi::Object cuda, const char* name) {
  setFunction(cuda, name, callback<Function, CudaArgs>);
}

/** bindCall over the buffers of the CUDA device. */
template <auto Function>
void bindCudaCall(Napi::Object cuda, const char* name = nullptr) {
  bindCall<Function, CudaArgs>(cuda, name);
}

/** Adds a registration to the list that fills the `cuda` object when the addon is loaded. */
struct CudaRegistrar {
  explicit CudaRegistrar(Registration registration);
};

#define REASVQA_CUDA_REGISTER(function) \
  static const ::reasvqa::cuda::CudaRegistrar function##CudaRegistrar(function);

}  // namespace reasvqa::cuda
