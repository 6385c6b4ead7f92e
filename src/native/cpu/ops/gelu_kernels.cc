#include "cpu/ops/gelu.h"

#include "cpu/ops/philox.h"
#include "cpu/runtime/parallel.h"
#include "cpu/runtime/simd.h"
#include "cpu/runtime/vecmath.h"

namespace reasvqa::REASVQA_ISA_NS {
namespace {

constexpr int64_t kGrain = 8192;

struct Gelu {
  vf value;
  vf derivative;
};

struct ErfGelu {
  static Gelu of(vf x) {
    // Beyond 20 the tail is 0 in float32; the bound keeps a^2 of an infinity out.
    vf a = absolute(x);
    a = select(a > splat(20.0f), splat(20.0f), a);
    const vf square = a * a;
    // exp(-a^2 / 2) with the rounding error of a^2 put back (where there is FMA): 1e-6 at a = 5 without it.
    const vf lost = fma(a, a, -square);
    const vf e = vexp(square * splat(-0.5f));
    const vf gauss = fma(e, lost * splat(-0.5f), e);
    const vf t = splat(1.0f) / fma(a, splat(0.3f), splat(1.0f));
    vf p = splat(-0.02061283588409424f);
    p = fma(p, t, splat(0.11237581074237823f));
    p = fma(p, t, splat(-0.2280675768852234f));
    p = fma(p, t, splat(0.19158178567886353f));
    p = fma(p, t, splat(-0.07924740761518478f));
    p = fma(p, t, splat(0.09605786204338074f));
    p = fma(p, t, splat(0.0784255713224411f));
    p = fma(p, t, splat(0.1102273240685463f));
    p = fma(p, t, splat(0.11957284063100815f));
    p = fma(p, t, splat(0.11968663334846497f));
    const vf tail = gauss * (t * p);
    const vf phi = select(x > splat(0.0f), splat(1.0f) - tail, tail);
    return {x * phi, fma(x, gauss * splat(0.3989422804014327f), phi)};
  }
};

struct TanhGelu {
  static Gelu of(vf x) {
    // Beyond 20 the sigmoid is 0 or 1 to the last bit; the bound keeps x^2 finite.
    vf b = select(x > splat(20.0f), splat(20.0f), x);
    b = select(b < splat(-20.0f), splat(-20.0f), b);
    const vf square = b * b;
    const vf two = splat(1.5957691216057308f);  // 2 sqrt(2 / pi)
    const vf u = two * b * fma(square, splat(0.044715f), splat(1.0f));
    const vf s = splat(1.0f) / (splat(1.0f) + vexp(-u));
    const vf slope = two * fma(square, splat(3 * 0.044715f), splat(1.0f));
    return {x * s, fma(b * s * (splat(1.0f) - s), slope, s)};
  }
};

struct Silu {
  static Gelu of(vf x) {
    // Below -80 the sigmoid is 0 beside every x; the bound keeps its exponential finite.
    const vf b = select(x < splat(-80.0f), splat(-80.0f), x);
    const vf s = splat(1.0f) / (splat(1.0f) + vexp(-b));
    return {b * s, s * fma(b, splat(1.0f) - s, splat(1.0f))};
  }
};

template <class Form>
void forwardAs(const float* x, float* y, int64_t n) {
  parallelFor(n, kGrain, [&](int64_t begin, int64_t end) {
    forVectors(begin, end, [&](int64_t i, int lanes) { storeN(y + i, Form::of(loadN(x + i, lanes)).value, lanes); });
  });
}

template <class Form>
void backwardAs(const float* dy, const float* x, float* dx, int64_t n) {
  parallelFor(n, kGrain, [&](int64_t begin, int64_t end) {
    forVectors(begin, end, [&](int64_t i, int lanes) {
      storeN(dx + i, loadN(dy + i, lanes) * Form::of(loadN(x + i, lanes)).derivative, lanes);
    });
  });
}

/** Calls body(element, dropout's multipliers, lanes) over a gated unit's elements. */
template <class Body>
void forGated(const Gated& unit, const Body& body) {
  if (!unit.dropout.on) {
    const vf one = splat(1.0f);
    parallelFor(unit.rows * unit.columns, kGrain, [&](int64_t begin, int64_t end) {
      forVectors(begin, end, [&](int64_t i, int lanes) { body(i, one, lanes); });
    });
    return;
  }
  const int64_t grain = unit.columns == 0 ? unit.rows : kGrain / unit.columns + 1;
  parallelFor(unit.rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      forDropout(unit.dropout, static_cast<uint32_t>(r), unit.columns,
                 [&](int64_t j, vf multiplier, int lanes) { body(r * unit.columns + j, multiplier, lanes); });
    }
  });
}

template <class Form>
void gatedAs(const Gated& unit, const float* gate, const float* up, float* y) {
  forGated(unit, [&](int64_t i, vf multiplier, int lanes) {
    storeN(y + i, Form::of(loadN(gate + i, lanes)).value * loadN(up + i, lanes) * multiplier, lanes);
  });
}

template <class Form>
void gatedBackwardAs(const Gated& unit, const float* dy, const float* gate, const float* up, float* dgate, float* dup) {
  forGated(unit, [&](int64_t i, vf multiplier, int lanes) {
    const Gelu g = Form::of(loadN(gate + i, lanes));
    const vf d = loadN(dy + i, lanes) * multiplier;
    storeN(dgate + i, d * loadN(up + i, lanes) * g.derivative, lanes);
    storeN(dup + i, d * g.value, lanes);
  });
}

void forward(GeluForm form, const float* x, float* y, int64_t n) {
  form == GeluForm::erf ? forwardAs<ErfGelu>(x, y, n) : forwardAs<TanhGelu>(x, y, n);
}
void backward(GeluForm form, const float* dy, const float* x, float* dx, int64_t n) {
  form == GeluForm::erf ? backwardAs<ErfGelu>(dy, x, dx, n) : backwardAs<TanhGelu>(dy, x, dx, n);
}
void gated(const Gated& unit, const float* gate, const float* up, float* y) {
  unit.form == GeluForm::erf ? gatedAs<ErfGelu>(unit, gate, up, y) : gatedAs<TanhGelu>(unit, gate, up, y);
}
void gatedBackward(const Gated& unit, const float* dy, const float* gate, const float* up, float* dgate, float* dup) {
  unit.form == GeluForm::erf ? gatedBackwardAs<ErfGelu>(unit, dy, gate, up, dgate, dup)
                             : gatedBackwardAs<TanhGelu>(unit, dy, gate, up, dgate, dup);
}

}  // namespace

const GeluKernels gelu = {forward, backward, gated, gatedBackward, gatedAs<Silu>, gatedBackwardAs<Silu>};

}  // namespace reasvqa::REASVQA_ISA_NS
