#include "cuda/runtime/transfer.h"

#include "cuda/runtime/device.h"
#include "cuda/runtime/fault.h"
#include "cuda/runtime/scratch.h"

namespace reasvqa::cuda {
namespace {

CUdeviceptr address(const void* pointer) { return reinterpret_cast<CUdeviceptr>(pointer); }

}  // namespace

void copyAsync(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  Device& gpu = device();
  gpu.check(gpu.driver().copyOnDevice(address(to), address(from), bytes, gpu.stream()), "cuMemcpyDtoDAsync");
}

void fillZero(void* to, size_t bytes) {
  if (bytes == 0) return;
  Device& gpu = device();
  gpu.check(gpu.driver().fillBytes(address(to), 0, bytes, gpu.stream()), "cuMemsetD8Async");
}

void upload(void* to, const void* host, size_t bytes) { device().staging().upload(address(to), host, bytes); }

void download(void* host, const void* from, size_t bytes) {
  if (bytes == 0) return;
  Device& gpu = device();
  gpu.check(gpu.driver().copyToHost(host, address(from), bytes, gpu.stream()), "cuMemcpyDtoHAsync");
  synchronize();
}

void synchronize() {
  device().synchronize();
  throwReportedFault();
}

Scratch::Scratch(size_t bytes)
    : id_(device().memory().allocate(bytes)), data_(device().memory().data(id_, bytes)) {}

Scratch::~Scratch() { device().memory().release(id_, true); }

}  // namespace reasvqa::cuda
