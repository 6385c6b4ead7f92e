/**
 * GELU, gated GELU and gated SiLU, forward and backward.
 *
 * erf form: x Phi(x), with Phi's tail Q(a) = 1 - Phi(a) as exp(-a^2 / 2) t P(t), t = 1 / (1 + 0.3 a), P of degree 9
 * fitted for this file (relative error 4e-9 on [0, 14], about 3e-7 after float32 rounding). The usual
 * 0.5 (1 + erf(x / sqrt 2)) loses every digit below -5, and its derivative needs the same exponential once more.
 * tanh form: x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3), which equals 0.5 x (1 + tanh u).
 */
#pragma once

#include "cpu/ops/dropout.h"
#include "cpu/runtime/dispatch.h"

namespace reasvqa {

REASVQA_ENUM(GeluForm, erf, tanh)

/** y = gelu(x) */
struct GeluCall {
  Operand x, y;
  GeluForm form = GeluForm::erf;
  REASVQA_CALL("gelu", x, y, form)
};
/** dx = dy gelu'(x) */
struct GeluGradCall {
  Operand dy, x, dx;
  GeluForm form = GeluForm::erf;
  REASVQA_CALL("geluGrad", dy, x, dx, form)
};
/** y = dropout(gelu(gate) up): dropout follows in the same pass, since these are the model's widest tensors. */
struct GatedGeluCall {
  Operand gate, up, y;
  GeluForm form = GeluForm::erf;
  DropoutKey dropout;
  REASVQA_CALL("gatedGelu", gate, up, y, form, dropout)
};
struct GatedGeluGradCall {
  Operand dy, gate, up, dgate, dup;
  GeluForm form = GeluForm::erf;
  DropoutKey dropout;
  REASVQA_CALL("gatedGeluGrad", dy, gate, up, dgate, dup, form, dropout)
};

/** y = dropout(silu(gate) up), silu(x) = x sigmoid(x) */
struct GatedSiluCall {
  Operand gate, up, y;
  DropoutKey dropout;
  REASVQA_CALL("gatedSilu", gate, up, y, dropout)
};
struct GatedSiluGradCall {
  Operand dy, gate, up, dgate, dup;
  DropoutKey dropout;
  REASVQA_CALL("gatedSiluGrad", dy, gate, up, dgate, dup, dropout)
};

/** A gated unit's tensors are (rows, columns); dropout is on its result. */
struct Gated {
  GeluForm form = GeluForm::erf;
  int64_t rows = 0;
  int64_t columns = 0;
  Dropout dropout;
};

struct GeluKernels {
  /** y = gelu(x) */
  void (*forward)(GeluForm form, const float* x, float* y, int64_t n);
  /** dx = dy gelu'(x) */
  void (*backward)(GeluForm form, const float* dy, const float* x, float* dx, int64_t n);
  /** y = multiplier gelu(gate) up */
  void (*gated)(const Gated& unit, const float* gate, const float* up, float* y);
  /** With d = multiplier dy: dgate = d up gelu'(gate), dup = d gelu(gate) */
  void (*gatedBackward)(const Gated& unit, const float* dy, const float* gate, const float* up, float* dgate, float* dup);
  /** The same with silu; the unit's form is not read. */
  void (*gatedSilu)(const Gated& unit, const float* gate, const float* up, float* y);
  void (*gatedSiluBackward)(const Gated& unit, const float* dy, const float* gate, const float* up, float* dgate,
                            float* dup);
};

REASVQA_KERNELS(GeluKernels, gelu)

}  // namespace reasvqa
