/**
 * libcublasLt.so.12 of the tests: a plain column-major product in double behind cuBLASLt's functions. What a real one
 * would refuse is refused: a leading dimension below the rows, shapes that do not fit, types that are not supported. A
 * variable CUDA_SHIM_LT_NO_BIAS makes it one without the epilogue that adds a bias, CUDA_SHIM_LT_IN_PLACE one that adds to
 * nothing but its result.
 */
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

extern "C" int cudaShimEnqueue(void (*run)(void*), void* data, void* stream);
extern "C" int cudaShimCountLaunch(const char* kernel);

namespace {

constexpr int kInvalid = 7;
constexpr int kNotSupported = 15;
constexpr int kF32 = 0;
constexpr int kF16 = 2;
constexpr int kBf16 = 14;

struct Desc {
  bool transA = false, transB = false, addsBias = false, factorsOnDevice = false;
  const void* bias = nullptr;  // of the result's type
};
struct Layout {
  int type;
  int64_t rows, columns, leading;
  int32_t batch = 1;
  int64_t stride = 0;
};
struct Heuristic {
  uint64_t algorithm[8];
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};

float bf16(uint16_t bits) {
  const uint32_t wide = uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}
uint16_t toBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
double f16(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const double mantissa = bits & 1023;
  const double size = exponent == 31  ? (mantissa == 0 ? INFINITY : NAN)
                      : exponent == 0 ? std::ldexp(mantissa, -24)
                                      : std::ldexp(mantissa + 1024, exponent - 25);
  return (bits & 0x8000) != 0 ? -size : size;
}
double load(const Layout& layout, const void* from, int64_t at) {
  if (layout.type == kF32) return static_cast<const float*>(from)[at];
  const uint16_t bits = static_cast<const uint16_t*>(from)[at];
  return layout.type == kF16 ? f16(bits) : double(bf16(bits));
}
void store(const Layout& layout, void* to, int64_t at, double value) {
  if (layout.type == kF32) static_cast<float*>(to)[at] = static_cast<float>(value);
  else static_cast<uint16_t*>(to)[at] = toBf16(static_cast<float>(value));
}

/** Which ways of adding up parts of a sum are allowed; 7: all. */
struct Preference {
  uint32_t reductions = 7;
};

struct Product {
  Desc desc;
  Layout a, b, c;
  bool reducesInOutputType;
  const void *pa, *pb, *pc;
  void* pd;
  const float *alpha, *beta;  // unless on the device, to the two below
  float hostAlpha, hostBeta;
  int64_t k;
};

bool known(int type) { return type == kF32 || type == kF16 || type == kBf16; }

int checkShapes(const Desc& desc, const Layout& a, const Layout& b, const Layout& c) {
  const int64_t m = desc.transA ? a.columns : a.rows;
  const int64_t ka = desc.transA ? a.rows : a.columns;
  const int64_t kb = desc.transB ? b.columns : b.rows;
  const int64_t n = desc.transB ? b.rows : b.columns;
  if (m != c.rows || n != c.columns || ka != kb || m <= 0 || n <= 0 || ka <= 0) return kInvalid;
  for (const Layout* each : {&a, &b, &c}) {
    if (each->leading < each->rows || each->batch != c.batch) return kInvalid;
    if (!known(each->type)) return kNotSupported;
  }
  return a.type != b.type || (a.type != kBf16 && c.type != kF32) ? kNotSupported : 0;
}

/** A matrix widened once, instead of at every product of its elements: element (row, l) at `l * rows + row`. */
std::vector<double> widened(const Layout& layout, const void* from, int64_t start, bool byColumns, int64_t rows, int64_t k) {
  std::vector<double> values(rows * k);
  for (int64_t l = 0; l < k; ++l) {
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t at = byColumns ? row * layout.leading + l : l * layout.leading + row;
      values[l * rows + row] = load(layout, from, start + at);
    }
  }
  return values;
}

void multiply(void* data) {
  auto* p = static_cast<Product*>(data);
  const double alpha = p->desc.factorsOnDevice ? *p->alpha : p->hostAlpha;
  const double beta = p->desc.factorsOnDevice ? *p->beta : p->hostBeta;
  const int64_t m = p->c.rows, n = p->c.columns;
  std::vector<double> sums(m);
  for (int64_t item = 0; item < p->c.batch; ++item) {
    const int64_t atC = item * p->c.stride;
    const std::vector<double> a = widened(p->a, p->pa, item * p->a.stride, p->desc.transA, m, p->k);
    const std::vector<double> b = widened(p->b, p->pb, item * p->b.stride, !p->desc.transB, n, p->k);
    for (int64_t j = 0; j < n; ++j) {
      // A column of sums at once, each in the order of l: the compiler may compute several of them together.
      sums.assign(m, 0);
      for (int64_t l = 0; l < p->k; ++l) {
        const double factor = b[l * n + j];
        const double* column = &a[l * m];
        for (int64_t i = 0; i < m; ++i) sums[i] += column[i] * factor;
        if (p->reducesInOutputType && l == p->k / 2 && p->c.type == kBf16) {
          for (double& sum : sums) sum = double(bf16(toBf16(static_cast<float>(sum))));
        }
      }
      for (int64_t i = 0; i < m; ++i) {
        const int64_t at = atC + j * p->c.leading + i;
        const double old = beta == 0 ? 0 : beta * load(p->c, p->pc, at);
        store(p->c, p->pd, at, alpha * sums[i] + old + (p->desc.addsBias ? load(p->c, p->desc.bias, i) : 0));
      }
    }
  }
  delete p;
}

}  // namespace

EXPORT int cublasLtCreate(void** handle) {
  static int one;
  *handle = &one;
  return 0;
}
EXPORT size_t cublasLtGetVersion() { return 120803; }
EXPORT int cublasLtMatmulDescCreate(Desc** desc, int compute, int scale) {
  if (compute != 68 || scale != 0) return kNotSupported;
  *desc = new Desc;
  return 0;
}
EXPORT int cublasLtMatmulDescDestroy(Desc* desc) {
  delete desc;
  return 0;
}
EXPORT int cublasLtMatmulDescSetAttribute(Desc* desc, int which, const void* value, size_t size) {
  int operation = 0;
  if (which == 8 && size == sizeof(desc->bias)) {
    std::memcpy(&desc->bias, value, size);
    return 0;
  }
  if (size != sizeof(operation)) return kInvalid;
  if (which == 7) {
    std::memcpy(&operation, value, size);
    desc->addsBias = operation == 4;
    return operation == 1 || operation == 4 ? 0 : kInvalid;
  }
  std::memcpy(&operation, value, size);
  if (operation != 0 && operation != 1) return kInvalid;
  if (which == 2) desc->factorsOnDevice = operation == 1;
  else if (which == 3) desc->transA = operation == 1;
  else if (which == 4) desc->transB = operation == 1;
  else return kInvalid;
  return 0;
}
EXPORT int cublasLtMatrixLayoutCreate(Layout** layout, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  *layout = new Layout{type, static_cast<int64_t>(rows), static_cast<int64_t>(columns), leading};
  return 0;
}
EXPORT int cublasLtMatrixLayoutDestroy(Layout* layout) {
  delete layout;
  return 0;
}
EXPORT int cublasLtMatrixLayoutSetAttribute(Layout* layout, int which, const void* value, size_t size) {
  if (which == 5 && size == sizeof(layout->batch)) std::memcpy(&layout->batch, value, size);
  else if (which == 6 && size == sizeof(layout->stride)) std::memcpy(&layout->stride, value, size);
  else return kInvalid;
  return 0;
}
EXPORT int cublasLtMatmulPreferenceCreate(Preference** preference) {
  *preference = new Preference;
  return 0;
}
EXPORT int cublasLtMatmulPreferenceDestroy(Preference* preference) {
  delete preference;
  return 0;
}
EXPORT int cublasLtMatmulPreferenceSetAttribute(Preference* preference, int which, const void* value, size_t size) {
  if (which == 1) return size == sizeof(size_t) ? 0 : kInvalid;
  if (which == 3 && size == sizeof(preference->reductions)) {
    std::memcpy(&preference->reductions, value, size);
    return 0;
  }
  return which >= 5 && which <= 8 && size == sizeof(uint32_t) ? 0 : kInvalid;
}
EXPORT int cublasLtMatmulAlgoGetHeuristic(void*, Desc* desc, Layout* a, Layout* b, Layout* c, Layout*,
                                          Preference* preference, int wanted, Heuristic* results, int* found) {
  if (const int code = checkShapes(*desc, *a, *b, *c)) return code;
  if (desc->addsBias && desc->bias == nullptr) return kInvalid;  // its alignment is part of the question
  if (desc->addsBias && std::getenv("CUDA_SHIM_LT_NO_BIAS") != nullptr) return kNotSupported;
  *found = wanted < 1 ? 0 : 1;
  if (*found == 1) *results = Heuristic{{42, (preference->reductions & 5) != 0}, 1024, 0, 1.0f, {}};
  return 0;
}
EXPORT int cublasLtMatmul(void*, Desc* desc, const float* alpha, const void* pa, Layout* a, const void* pb, Layout* b,
                          const float* beta, const void* pc, Layout* c, void* d, Layout*, const uint64_t* algorithm, void* workspace,
                          size_t workspaceBytes, void* stream) {
  if (const int code = checkShapes(*desc, *a, *b, *c)) return code;
  if (desc->addsBias && (desc->bias == nullptr || c->batch != 1)) return kInvalid;
  if (pc != d && std::getenv("CUDA_SHIM_LT_IN_PLACE") != nullptr) return kNotSupported;
  if (algorithm[0] != 42 || workspaceBytes != 1024) return kInvalid;
  if (cudaShimCountLaunch("cublasLtMatmul") == 0) return 0;
  std::memset(workspace, 0xee, workspaceBytes);
  const int64_t k = desc->transA ? a->rows : a->columns;
  const bool onHost = !desc->factorsOnDevice;
  auto* product = new Product{*desc, *a, *b, *c, algorithm[1] != 0, pa, pb, pc, d, alpha, beta, onHost ? *alpha : 0.0f,
                              onHost ? *beta : 0.0f, k};
  return cudaShimEnqueue(multiply, product, stream);
}
