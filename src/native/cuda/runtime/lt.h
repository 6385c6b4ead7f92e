/**
 * cuBLASLt by dlopen: the functions in use, their handles as RAII types, and the plan of each shape met so far.
 * Numbers of enumerators are those of cublasLt.h and library_types.h (CUDA 12 and 13 agree).
 */
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "cuda/runtime/blas.h"
#include "cuda/runtime/driver.h"
#include "cuda/runtime/library.h"

namespace reasvqa::cuda {

/** cublasLtMatmulAlgo_t and cublasLtMatmulHeuristicResult_t; opaque but for the workspace. */
struct LtAlgorithm {
  uint64_t data[8];
};
struct LtHeuristic {
  LtAlgorithm algorithm;
  size_t workspaceBytes;
  int state;
  float waves;
  int reserved[4];
};

class BlasLt {
 public:
  /** CudaError when cuBLASLt of none of the major versions is found, with the package to install. */
  explicit BlasLt(const std::vector<int>& majors);
  /** Makes the handle; the context is current. */
  void open();
  /** @returns false when the algorithm cannot write elsewhere than where gemm.addend is; nothing was enqueued then. */
  bool gemm(const Gemm& gemm);
  /** Whether `gemm` can add gemm.bias as it writes C. */
  bool addsBias(const Gemm& gemm);
  std::string version() const;
  const std::string& libraryPath() const { return library_.path(); }

 private:
  using Handle = struct LtHandle*;
  using Desc = struct LtDesc*;
  using Layout = struct LtLayout*;
  using Preference = struct LtPreference*;
  template <class T>
  using Owned = std::unique_ptr<std::remove_pointer_t<T>, int (*)(T)>;

  /** Everything that the choice of an algorithm depends on. */
  using Key = std::tuple<bool, bool, int64_t, int64_t, int64_t, Type, Type, Type, int64_t, int64_t, int64_t, bool, bool,
                         bool, int64_t, int64_t, int64_t, int64_t, uint32_t, uint32_t, uint32_t>;
  struct Plan {
    Owned<Desc> desc;
    Owned<Layout> a;
    Owned<Layout> b;
    Owned<Layout> c;
    bool possible = false;  // whether cuBLASLt has an algorithm
    LtHeuristic choice{};
  };

  Plan& plan(const Gemm& gemm);
  Plan makePlan(const Gemm& gemm, const Key& key);
  Owned<Layout> layout(Type type, int64_t rows, int64_t columns, int64_t leading, int64_t batch, int64_t stride);
  void setBias(Desc desc, const Gemm& gemm);
  /** Fills in plan.possible and plan.choice. */
  void choose(const Gemm& gemm, Plan& plan, const Key& key);
  void check(int code, const char* function, const Gemm* gemm = nullptr) const;

  Library library_;
  Handle handle_ = nullptr;
  std::map<Key, Plan> plans_;

  int (*create_)(Handle*) = nullptr;
  size_t (*version_)() = nullptr;
  int (*descCreate_)(Desc*, int, int) = nullptr;
  int (*descDestroy_)(Desc) = nullptr;
  int (*descSet_)(Desc, int, const void*, size_t) = nullptr;
  int (*layoutCreate_)(Layout*, int, uint64_t, uint64_t, int64_t) = nullptr;
  int (*layoutDestroy_)(Layout) = nullptr;
  int (*layoutSet_)(Layout, int, const void*, size_t) = nullptr;
  int (*preferenceCreate_)(Preference*) = nullptr;
  int (*preferenceDestroy_)(Preference) = nullptr;
  int (*preferenceSet_)(Preference, int, const void*, size_t) = nullptr;
  int (*heuristic_)(Handle, Desc, Layout, Layout, Layout, Layout, Preference, int, LtHeuristic*, int*) = nullptr;
  int (*matmul_)(Handle, Desc, const void*, const void*, Layout, const void*, Layout, const void*, const void*, Layout,
                 void*, Layout, const LtAlgorithm*, void*, size_t, CUstream) = nullptr;
};

}  // namespace reasvqa::cuda
