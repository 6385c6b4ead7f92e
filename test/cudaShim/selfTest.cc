/**
 * Kernels that are wrong on purpose, run on the shim through the functions the engine uses; prints one line each with what
 * the shim says (test/engine/cuda/shim.test.ts).
 *
 *   selfTest FOLDER     FOLDER has libcuda.so.1 and libnvrtc.so.12
 */
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

void* libcuda;
void* libnvrtc;

template <class... A>
int call(void* library, const char* name, A... arguments) {
  auto function = reinterpret_cast<int (*)(A...)>(dlsym(library, name));
  if (function == nullptr) {
    std::fprintf(stderr, "no %s\n", name);
    std::exit(1);
  }
  return function(arguments...);
}

std::string compile(const std::string& source) {
  void* program = nullptr;
  call(libnvrtc, "nvrtcCreateProgram", &program, source.c_str(), "kernel.cu", 0, static_cast<const char* const*>(nullptr),
       static_cast<const char* const*>(nullptr));
  if (call(libnvrtc, "nvrtcCompileProgram", program, 0, static_cast<const char* const*>(nullptr)) != 0) return "";
  size_t size = 0;
  call(libnvrtc, "nvrtcGetCUBINSize", program, &size);
  std::string image(size, '\0');
  call(libnvrtc, "nvrtcGetCUBIN", program, image.data());
  return image;
}

/** Runs `kernel` over (8 blocks of `threads`) on 256 ints and prints what the shim says. */
void run(const char* title, unsigned threads, unsigned shared, const char* body) {
  const std::string image = compile(std::string("extern \"C\" __global__ void kernel(int* x, int n) {") + body + "}");
  std::printf("%s: ", title);
  void* module = nullptr;
  void* function = nullptr;
  if (image.empty() || call(libcuda, "cuModuleLoadData", &module, static_cast<const void*>(image.data())) != 0 ||
      call(libcuda, "cuModuleGetFunction", &function, module, "kernel") != 0) {
    std::printf("does not compile\n");
    return;
  }
  unsigned long long memory = 0;
  call(libcuda, "cuMemAlloc_v2", &memory, size_t{1024});
  int n = 256;
  void* arguments[] = {&memory, &n};
  call(libcuda, "cuLaunchKernel", function, 8u, 1u, 1u, threads, 1u, 1u, shared, static_cast<void*>(nullptr), arguments,
       static_cast<void**>(nullptr));
  const int code = call(libcuda, "cuStreamSynchronize", static_cast<void*>(nullptr));
  const auto text = reinterpret_cast<const char* (*)()>(dlsym(libcuda, "cudaShimError"))();
  std::printf("%d %s\n", code, text);
}

struct Case {
  const char* title;
  unsigned threads, shared;
  const char* body;
};

const std::vector<Case> kCases = {
    {"right", 64, 256,
     "extern __shared__ int s[]; s[threadIdx.x] = threadIdx.x; __syncthreads();"
     "int v = s[63 - threadIdx.x]; v += __shfl_xor_sync(0xffffffffu, v, 1); if (blockIdx.x == 0) x[threadIdx.x] = v;"
     "atomicAdd(&x[200], 1);"},
    // Not behind the guard as well, which is the host's own heap.
    {"behind the end", 64, 0, "x[blockIdx.x * 32 + threadIdx.x] = 1;"},
    {"before the start", 32, 0, "x[(int)threadIdx.x - 1] = 1;"},
    {"behind shared memory", 64, 128, "extern __shared__ int s[]; s[threadIdx.x] = 1;"},
    {"ended before the barrier", 64, 0, "if (threadIdx.x < 40) __syncthreads();"},
    {"half a warp shuffles", 32, 0, "if (threadIdx.x < 16) x[0] = __shfl_xor_sync(0xffffffffu, n, 1);"},
    {"half a warp with its mask", 32, 0, "if (threadIdx.x < 16) x[threadIdx.x] = __shfl_xor_sync(0xffffu, n, 1);"},
    {"not in the mask", 32, 0, "x[threadIdx.x] = __shfl_sync(0xffffu, n, 0);"},
    {"a lane that is not there", 48, 0, "x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, n, 16);"},
    {"barrier or shuffle", 32, 0, "if (threadIdx.x < 16) __syncthreads(); else __syncwarp();"},
    {"too many threads", 2048, 0, "x[0] = 1;"},
    {"too much shared memory", 32, 100000, "x[0] = 1;"},
    {"not aligned", 32, 0, "*(uint2*)(x + 1) = make_uint2(1, 2);"},
    {"a float atomic", 32, 0, "atomicAdd((float*)x, 1.0f);"},
};

}  // namespace

int main(int count, char** arguments) {
  const std::string folder = arguments[1];
  libcuda = dlopen((folder + "/libcuda.so.1").c_str(), RTLD_NOW);
  libnvrtc = dlopen((folder + "/libnvrtc.so.12").c_str(), RTLD_NOW);
  if (libcuda == nullptr || libnvrtc == nullptr) return 1;
  // A fault stays with the process, so each case is a process of its own.
  if (count > 2) {
    const Case& chosen = kCases[static_cast<size_t>(std::atoi(arguments[2]))];
    run(chosen.title, chosen.threads, chosen.shared, chosen.body);
    return 0;
  }
  for (size_t i = 0; i < kCases.size(); ++i) {
    std::fflush(stdout);
    const std::string command = "'" + std::string(arguments[0]) + "' '" + folder + "' " + std::to_string(i);
    if (std::system(command.c_str()) != 0) std::printf("%s: crashed\n", kCases[i].title);
  }
  return 0;
}
