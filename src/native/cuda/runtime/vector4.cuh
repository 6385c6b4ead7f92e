/**
 * Four neighbouring floats at a time: one 16-byte access where the address allows it, single ones at the end of a row and
 * where rows are not a multiple of four long.
 */
#pragma once

/** x[0 .. 3]; zeros beyond `count`. `aligned`: the address is a multiple of 16 bytes. */
__device__ inline void loadFour(const float* x, int64_t count, bool aligned, float (&value)[4]) {
  if (aligned && count >= 4) {
    const float4 all = *reinterpret_cast<const float4*>(x);
    value[0] = all.x;
    value[1] = all.y;
    value[2] = all.z;
    value[3] = all.w;
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) value[i] = i < count ? x[i] : 0.0f;
}

/** The same from bf16; `aligned`: the address is a multiple of 8 bytes. */
__device__ inline void loadFour(const unsigned short* x, int64_t count, bool aligned, float (&value)[4]) {
  if (aligned && count >= 4) {
    const uint2 all = *reinterpret_cast<const uint2*>(x);
    value[0] = __uint_as_float(all.x << 16);
    value[1] = __uint_as_float(all.x & 0xffff0000u);
    value[2] = __uint_as_float(all.y << 16);
    value[3] = __uint_as_float(all.y & 0xffff0000u);
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) value[i] = i < count ? bf16ToFloat(x[i]) : 0.0f;
}

__device__ inline void storeFour(float* y, int64_t count, bool aligned, const float (&value)[4]) {
  if (aligned && count >= 4) {
    *reinterpret_cast<float4*>(y) = make_float4(value[0], value[1], value[2], value[3]);
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i < count) y[i] = value[i];
  }
}

/** The same to bf16; `aligned`: the address is a multiple of 8 bytes. */
__device__ inline void storeFour(unsigned short* y, int64_t count, bool aligned, const float (&value)[4]) {
  if (aligned && count >= 4) {
    *reinterpret_cast<uint2*>(y) = make_uint2(packBf16(value[0], value[1]), packBf16(value[2], value[3]));
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i < count) y[i] = floatToBf16(value[i]);
  }
}
