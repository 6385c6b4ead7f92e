/**
 * The k largest of each row, largest first, the earlier of equal ones first, NaN last: an element's place is the number of
 * elements that rank before it, so each thread counts for its own. length^2 comparisons a row, all from cache.
 */

/** True when (a, i) ranks before (b, j). */
__device__ inline bool ranksBefore(float a, int64_t i, float b, int64_t j) {
  if (a > b) return true;
  if (a == b) return i < j;
  const bool isNanA = a != a;
  const bool isNanB = b != b;
  return isNanB && (!isNanA || i < j);
}

extern "C" __global__ void topK(const float* x, float* values, int32_t* indices, int64_t rows, int64_t length, int64_t k) {
  for (int64_t item = globalThread(); item < rows * length; item += globalThreads()) {
    const int64_t row = item / length;
    const int64_t i = item - row * length;
    const float* from = x + row * length;
    const float own = from[i];
    int64_t place = 0;
    for (int64_t j = 0; j < length; ++j) place += ranksBefore(from[j], j, own, i);
    if (place < k) {
      values[row * k + place] = own;
      indices[row * k + place] = (int32_t)i;
    }
  }
}
