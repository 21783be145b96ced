// A product of matrices of float32 on one thread, for products.py: c[m, n] = sum over k of a[m, k] b[k, n].
//
// A tile of c, 8 or 4 rows of 2 vectors, stays in registers over 256 terms of the sum; the columns of b that it
// needs lie side by side in the cache, as all tiles of these columns read them again. Sums of 256 terms are
// added up one after the other. Nothing depends on where in memory a matrix lies.
#ifndef NAPPO2_PRODUCT
#define NAPPO2_PRODUCT

namespace nappo2 {

using Vec = at::vec::Vectorized<float>;
constexpr int64_t WIDTH = Vec::size(), VECTORS = 2, ROWS = 8, TERMS = 256;

// `packed`: [terms, vectors * WIDTH]. `last`: of the tile's last vector, the columns that there are. `done`: the
// rows that another tile has, and that this one leaves.
template <int64_t rows, int64_t vectors>
inline void tile(
    const float* a, int64_t a_row, int64_t a_term, const float* packed, float* c, int64_t c_row,
    int64_t terms, int64_t last, int64_t done, bool add) {
  Vec sums[rows][vectors];
  for (int64_t row = 0; row < rows; row++)
    for (int64_t v = 0; v < vectors; v++) sums[row][v] = Vec(0.0f);
  for (int64_t k = 0; k < terms; k++) {
    Vec right[vectors];
    for (int64_t v = 0; v < vectors; v++) right[v] = Vec::loadu(packed + (k * vectors + v) * WIDTH);
    for (int64_t row = 0; row < rows; row++) {
      Vec left(a[row * a_row + k * a_term]);
      for (int64_t v = 0; v < vectors; v++) sums[row][v] = at::vec::fmadd(left, right[v], sums[row][v]);
    }
  }
  for (int64_t row = 0; row < rows; row++)
    for (int64_t v = 0; row >= done && v < vectors; v++) {
      float* place = c + row * c_row + v * WIDTH;
      int64_t count = v + 1 < vectors ? WIDTH : last;
      if (add) sums[row][v] = sums[row][v] + Vec::loadu(place, count);
      sums[row][v].store(place, count);
    }
}

// Rows from `begin` to `end`, of some columns, over up to TERMS terms. The last of all tiles may overlap another.
template <int64_t height, int64_t vectors>
inline void columns_of(
    const float* a, int64_t a_row, int64_t a_term, const float* b, int64_t b_row, float* c, int64_t c_row,
    int64_t rows, int64_t begin, int64_t end, int64_t terms, int64_t last, bool add) {
  alignas(64) float packed[TERMS * vectors * WIDTH];
  for (int64_t k = 0; k < terms; k++)
    for (int64_t v = 0; v < vectors; v++)
      Vec::loadu(b + k * b_row + v * WIDTH, v + 1 < vectors ? WIDTH : last)
          .store(packed + (k * vectors + v) * WIDTH);
  for (int64_t next = begin; next < end; next += height) {
    int64_t row = std::min(next, rows - height);
    tile<height, vectors>(
        a + row * a_row, a_row, a_term, packed, c + row * c_row, c_row, terms, last, next - row, add);
  }
}

// a: [rows, terms], of at least 4 rows, that are a_row apart, and its columns a_term. b: [terms, columns].
// Threads share the rows of c: this one has those from `begin`, a multiple of 8, to `end`.
__attribute__((noinline)) inline void product(
    const float* a, int64_t a_row, int64_t a_term, const float* b, int64_t b_row, float* c, int64_t c_row,
    int64_t rows, int64_t terms, int64_t columns, int64_t begin, int64_t end) {
  for (int64_t k = 0; k < terms; k += TERMS)
    for (int64_t n = 0; n < columns; n += VECTORS * WIDTH) {
      const float *left = a + k * a_term, *right = b + k * b_row + n;
      int64_t depth = std::min(TERMS, terms - k), width = std::min(VECTORS * WIDTH, columns - n);
      bool wide = width > WIDTH, high = rows >= ROWS;
      auto part = wide ? high ? columns_of<ROWS, 2> : columns_of<ROWS / 2, 2>
                       : high ? columns_of<ROWS, 1> : columns_of<ROWS / 2, 1>;
      int64_t last = wide ? width - WIDTH : width;
      part(left, a_row, a_term, right, b_row, c + n, c_row, rows, begin, end, depth, last, k > 0);
    }
}

}  // namespace nappo2
#endif
