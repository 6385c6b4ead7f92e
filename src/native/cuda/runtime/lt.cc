#include "cuda/runtime/lt.h"

#include <algorithm>

#include "cuda/runtime/device.h"
#include "cuda/runtime/half_product.h"
#include "cuda/runtime/launch.h"
#include "cuda/runtime/scratch.h"
#include "cuda/runtime/transfer.h"

namespace reasvqa::cuda {
namespace {

constexpr int kReal32F = 0;
constexpr int kReal16F = 2;
constexpr int kReal16BF = 14;
constexpr int kCompute32F = 68;  // TF32 is a compute type of its own
constexpr int kOperationT = 1;
constexpr int kDescPointerMode = 2;
constexpr int kDescTransA = 3;
constexpr int kDescTransB = 4;
constexpr int kDescEpilogue = 7;
constexpr int kDescBiasPointer = 8;
constexpr int32_t kPointersToDevice = 1;
constexpr int32_t kEpilogueBias = 4;  // its GELU is the tanh form, not the exact one that our models have
constexpr uintptr_t kBiasAlignment = 16;
constexpr int kNotSupported = 15;
constexpr int kLayoutBatchCount = 5;
constexpr int kLayoutBatchStride = 6;
constexpr int kPreferenceWorkspace = 1;
constexpr int kPreferenceReductions = 3;
constexpr uint32_t kReduceInComputeType = 2;
constexpr int kPreferenceAlignmentA = 5;  // B, C and D follow
constexpr size_t kWorkspace = size_t{32} << 20;  // what NVIDIA recommends for Hopper

int dataType(Type type) {
  switch (type) {
    case Type::f32: return kReal32F;
    case Type::bf16: return kReal16BF;
    case Type::f16: return kReal16F;
  }
  throw CudaError("a product of an unknown type");
}

const char* typeText(Type type) { return type == Type::f32 ? "f32" : type == Type::bf16 ? "bf16" : "f16"; }

/** The largest power of two up to 256 that divides the address and the distance between the batch's items. */
uint32_t alignment(const void* pointer, int64_t stride, Type type) {
  const auto bits = reinterpret_cast<uintptr_t>(pointer) | static_cast<uintptr_t>(stride * elementBytes(type)) | 256u;
  return static_cast<uint32_t>(bits & (~bits + 1));
}

std::string shapeText(const Gemm& g) {
  return "(" + std::to_string(g.m) + ", " + std::to_string(g.k) + ")" + (g.transA ? "^T" : "") + " x (" +
         std::to_string(g.k) + ", " + std::to_string(g.n) + ")" + (g.transB ? "^T" : "") + ", batch " +
         std::to_string(g.batch) + ", " + typeText(g.typeA);
}

}  // namespace

BlasLt::BlasLt(const std::vector<int>& majors)
    : library_(Library::toolkit("libcublasLt", majors, "cuBLASLt", "nvidia-cublas")) {
  library_.bind(create_, "cublasLtCreate");
  library_.bind(version_, "cublasLtGetVersion");
  library_.bind(descCreate_, "cublasLtMatmulDescCreate");
  library_.bind(descDestroy_, "cublasLtMatmulDescDestroy");
  library_.bind(descSet_, "cublasLtMatmulDescSetAttribute");
  library_.bind(layoutCreate_, "cublasLtMatrixLayoutCreate");
  library_.bind(layoutDestroy_, "cublasLtMatrixLayoutDestroy");
  library_.bind(layoutSet_, "cublasLtMatrixLayoutSetAttribute");
  library_.bind(preferenceCreate_, "cublasLtMatmulPreferenceCreate");
  library_.bind(preferenceDestroy_, "cublasLtMatmulPreferenceDestroy");
  library_.bind(preferenceSet_, "cublasLtMatmulPreferenceSetAttribute");
  library_.bind(heuristic_, "cublasLtMatmulAlgoGetHeuristic");
  library_.bind(matmul_, "cublasLtMatmul");
}

void BlasLt::open() { check(create_(&handle_), "cublasLtCreate"); }

std::string BlasLt::version() const {
  const size_t number = version_();
  const size_t unit = number >= 100000 ? 10000 : 1000;  // 120304 is 12.3.4, 13000x is written the same way
  return std::to_string(number / unit) + "." + std::to_string(number % unit / 100) + "." + std::to_string(number % 100);
}

void BlasLt::check(int code, const char* function, const Gemm* gemm) const {
  if (code == 0) return;
  throw CudaError(std::string(function) + " failed with status " + std::to_string(code) +
                  (gemm == nullptr ? "" : " for the product " + shapeText(*gemm)));
}

/**
 * cuBLASLt works in column-major order, in which a row-major matrix is its own transpose: C^T = op(B)^T op(A)^T is
 * computed, with B as the first operand.
 */
BlasLt::Plan& BlasLt::plan(const Gemm& g) {
  const bool adds = g.accumulate || g.addend != nullptr;
  const uint32_t alignmentC = std::min(alignment(g.c, g.strideC, g.typeC), alignment(g.addend, 0, g.typeC));
  const Key key{g.transA, g.transB, g.m, g.n, g.k, g.typeA, g.typeB, g.typeC, g.lda, g.ldb, g.ldc, adds,
                g.bias != nullptr, g.factors != nullptr, g.batch, g.strideA, g.strideB, g.strideC,
                alignment(g.a, g.strideA, g.typeA), alignment(g.b, g.strideB, g.typeB), alignmentC};
  const auto found = plans_.find(key);
  if (found != plans_.end()) return found->second;
  return plans_.emplace(key, makePlan(g, key)).first->second;
}

BlasLt::Plan BlasLt::makePlan(const Gemm& g, const Key& key) {
  Desc desc = nullptr;
  check(descCreate_(&desc, kCompute32F, kReal32F), "cublasLtMatmulDescCreate");
  Plan plan{{desc, descDestroy_},
            layout(g.typeB, g.transB ? g.k : g.n, g.transB ? g.n : g.k, g.ldb, g.batch, g.strideB),
            layout(g.typeA, g.transA ? g.m : g.k, g.transA ? g.k : g.m, g.lda, g.batch, g.strideA),
            layout(g.typeC, g.n, g.m, g.ldc, g.batch, g.strideC)};
  const int transpose = kOperationT;
  if (g.transB) check(descSet_(desc, kDescTransA, &transpose, sizeof(transpose)), "cublasLtMatmulDescSetAttribute");
  if (g.transA) check(descSet_(desc, kDescTransB, &transpose, sizeof(transpose)), "cublasLtMatmulDescSetAttribute");
  if (g.factors) {
    check(descSet_(desc, kDescPointerMode, &kPointersToDevice, sizeof(kPointersToDevice)), "cublasLtMatmulDescSetAttribute");
  }
  if (g.bias) {
    check(descSet_(desc, kDescEpilogue, &kEpilogueBias, sizeof(kEpilogueBias)), "cublasLtMatmulDescSetAttribute");
    setBias(desc, g);  // heuristics look at its alignment
  }
  choose(g, plan, key);
  return plan;
}

void BlasLt::setBias(Desc desc, const Gemm& g) {
  check(descSet_(desc, kDescBiasPointer, &g.bias, sizeof(g.bias)), "cublasLtMatmulDescSetAttribute");
}

BlasLt::Owned<BlasLt::Layout> BlasLt::layout(Type type, int64_t rows, int64_t columns, int64_t leading, int64_t batch,
                                             int64_t stride) {
  Layout raw = nullptr;
  check(layoutCreate_(&raw, dataType(type), static_cast<uint64_t>(rows), static_cast<uint64_t>(columns), leading),
        "cublasLtMatrixLayoutCreate");
  Owned<Layout> layout(raw, layoutDestroy_);
  if (batch > 1) {
    const auto count = static_cast<int32_t>(batch);
    check(layoutSet_(raw, kLayoutBatchCount, &count, sizeof(count)), "cublasLtMatrixLayoutSetAttribute");
    check(layoutSet_(raw, kLayoutBatchStride, &stride, sizeof(stride)), "cublasLtMatrixLayoutSetAttribute");
  }
  return layout;
}

void BlasLt::choose(const Gemm& g, Plan& plan, const Key& key) {
  Preference raw = nullptr;
  check(preferenceCreate_(&raw), "cublasLtMatmulPreferenceCreate");
  const Owned<Preference> preference(raw, preferenceDestroy_);
  const size_t workspace = kWorkspace;
  check(preferenceSet_(raw, kPreferenceWorkspace, &workspace, sizeof(workspace)), "cublasLtMatmulPreferenceSetAttribute");
  // Else parts of a long sum may be added up in the result's type.
  if (g.typeC == Type::bf16) {
    check(preferenceSet_(raw, kPreferenceReductions, &kReduceInComputeType, sizeof(kReduceInComputeType)),
          "cublasLtMatmulPreferenceSetAttribute");
  }
  const uint32_t alignments[] = {std::get<19>(key), std::get<18>(key), std::get<20>(key), std::get<20>(key)};
  for (int i = 0; i < 4; ++i) {
    check(preferenceSet_(raw, kPreferenceAlignmentA + i, &alignments[i], sizeof(uint32_t)),
          "cublasLtMatmulPreferenceSetAttribute");
  }
  int found = 0;
  const int code = heuristic_(handle_, plan.desc.get(), plan.a.get(), plan.b.get(), plan.c.get(), plan.c.get(), raw, 1,
                              &plan.choice, &found);
  if (code != kNotSupported) check(code, "cublasLtMatmulAlgoGetHeuristic", &g);
  plan.possible = code == 0 && found > 0;
}

bool BlasLt::addsBias(const Gemm& g) {
  return g.k > 0 && reinterpret_cast<uintptr_t>(g.bias) % kBiasAlignment == 0 && plan(g).possible;
}

bool BlasLt::gemm(const Gemm& g) {
  Plan& use = plan(g);
  if (!use.possible) throw CudaError("cuBLASLt knows no algorithm for the product " + shapeText(g));
  if (g.bias) setBias(use.desc.get(), g);
  const Scratch workspace(use.choice.workspaceBytes);
  const float hostFactors[] = {g.alpha, 0.0f, 1.0f};
  const float* factors = g.factors ? g.factors : hostFactors;
  const float* beta = factors + (g.accumulate || g.addend ? 2 : 1);
  const void* added = g.addend ? g.addend : g.c;
  const int code = matmul_(handle_, use.desc.get(), factors, g.b, use.a.get(), g.a, use.b.get(), beta, added, use.c.get(),
                           g.c, use.c.get(), &use.choice.algorithm, workspace.as<void>(), use.choice.workspaceBytes,
                           device().stream());
  if (code == kNotSupported && g.addend) return false;
  check(code, "cublasLtMatmul", &g);
  return true;
}

namespace {

/** The product added to what is laid out first: the bias in every row, and the addend. */
void gemmOnLayout(Gemm g) {
  const int64_t n = g.m * g.n;
  launch("storage", "layOut", gridFor(n), {256}, 0, g.bias, g.addend, static_cast<float*>(g.c), n, g.n);
  g.bias = nullptr;
  g.addend = nullptr;
  g.accumulate = true;
  gemm(g);
}

/** C in bf16 with a bias: the epilogue's bias has the type of C. Where there is no epilogue C is made in f32 and rounded. */
void gemmWithBiasInBf16(Gemm g) {
  const auto round = [](const void* from, void* to, int64_t n) {
    launch("storage", "f32ToBf16", gridFor(ceilDiv(n, 4)), {256}, 0, from, to, n);
  };
  Gemm epilogue = g;
  const Scratch bias(static_cast<size_t>(g.n) * sizeof(uint16_t));
  epilogue.bias = bias.as<float>();
  if (device().blas().addsBias(epilogue)) {
    round(g.bias, bias.as<void>(), g.n);
    device().blas().gemm(epilogue);
    return;
  }
  const Scratch wide(static_cast<size_t>(g.m * g.n) * sizeof(float));
  void* c = g.c;
  g.c = wide.as<void>();
  g.typeC = Type::f32;
  gemm(g);
  round(wide.as<void>(), c, g.m * g.n);
}

}  // namespace

void gemm(const Gemm& g) {
  if (g.m == 0 || g.n == 0 || g.batch == 0) return;
  if (g.typeA != g.typeB) throw CudaError("a product of mixed types: convert one operand first");
  if ((g.bias || g.addend) && (g.accumulate || g.batch > 1 || g.ldc != g.n))
    throw CudaError("a product with a bias or an addend: neither accumulated nor batched, its result dense");
  if (g.addend && g.typeC != Type::f32) throw CudaError("a product with an addend: its result is f32");
  if (g.typeA == Type::f32 && g.typeC != Type::f32) throw CudaError("a product of f32 stored in bf16");
  if (isHalf(g)) return halfProduct(g);
  if (g.bias && g.typeC == Type::bf16) return gemmWithBiasInBf16(g);
  if ((g.addend && g.k == 0) || (g.bias && !device().blas().addsBias(g))) return gemmOnLayout(g);
  if (g.k == 0) {
    if (g.accumulate) return;
    for (int64_t item = 0; item < g.batch; ++item) {
      for (int64_t row = 0; row < g.m; ++row) {
        auto* at = static_cast<char*>(g.c) + (item * g.strideC + row * g.ldc) * elementBytes(g.typeC);
        fillZero(at, static_cast<size_t>(g.n * elementBytes(g.typeC)));
      }
    }
    return;
  }
  if (!device().blas().gemm(g)) gemmOnLayout(g);
}

}  // namespace reasvqa::cuda
