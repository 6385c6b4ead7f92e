/**
 * Which instruction set the kernels run with: the best one of this CPU, or the one named by REASVQA_ISA
 * (plain, avx2 or avx512; tests force each).
 */
#pragma once

#include <string>

namespace reasvqa {

enum class Isa { plain = 0, avx2 = 1, avx512 = 2 };

/** Reads REASVQA_ISA; throws std::runtime_error when it is unknown or the CPU lacks it. Called once at load. */
void initIsa();
Isa isa();
Isa bestIsa();
/** Switches at run time; throws std::runtime_error like initIsa. */
void setIsa(const std::string& name);
const char* isaName(Isa isa);

}  // namespace reasvqa
