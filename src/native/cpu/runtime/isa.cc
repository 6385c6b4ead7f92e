#include "cpu/runtime/isa.h"

#include <cstdlib>
#include <stdexcept>

namespace reasvqa {
namespace {

Isa current = Isa::plain;

}  // namespace

const char* isaName(Isa isa) {
  if (isa == Isa::avx512) return "avx512";
  return isa == Isa::avx2 ? "avx2" : "plain";
}

Isa bestIsa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx2 && avx512) return Isa::avx512;
  if (avx2) return Isa::avx2;
#endif
  return Isa::plain;
}

void setIsa(const std::string& name) {
  for (const Isa isa : {Isa::plain, Isa::avx2, Isa::avx512}) {
    if (name != isaName(isa)) continue;
    if (isa > bestIsa()) {
      throw std::runtime_error("REASVQA_ISA=" + name + ": this CPU has only " + isaName(bestIsa()));
    }
    current = isa;
    return;
  }
  throw std::runtime_error("REASVQA_ISA=" + name + ": expected plain, avx2 or avx512");
}

void initIsa() {
  const char* wanted = std::getenv("REASVQA_ISA");
  if (wanted != nullptr && *wanted != '\0') {
    setIsa(wanted);
  } else {
    current = bestIsa();
  }
}

Isa isa() { return current; }

}  // namespace reasvqa
