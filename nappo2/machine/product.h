// A product of matrices of float32 on one thread, for products.py: c[m, n] = sum over k of a[m, k] b[k, n].
//
// A tile of c, 8 rows of 2 vectors, stays in registers over 256 terms of the sum; the columns of b that it
// needs lie side by side in the cache, as all tiles of these columns read them again. Sums of 256 terms are
// added up one after the other. Nothing depends on where in memory a matrix lies.
#ifndef NAPPO2_PRODUCT
#define NAPPO2_PRODUCT

namespace nappo2 {

using Vec = at::vec::Vectorized<float>;
constexpr int64_t WIDTH = Vec::size(), VECTORS = 2, ROWS = 8, TERMS = 256;

// `last`: of the tile's last vector, the columns that there are. `packed`: [terms, vectors * WIDTH].
template <int64_t rows, int64_t vectors>
inline void tile(
    const float* a, int64_t a_row, int64_t a_term, const float* packed, float* c, int64_t c_row,
    int64_t terms, int64_t last, bool add) {
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
    for (int64_t v = 0; v < vectors; v++) {
      float* place = c + row * c_row + v * WIDTH;
      int64_t count = v + 1 < vectors ? WIDTH : last;
      if (add) sums[row][v] = sums[row][v] + Vec::loadu(place, count);
      sums[row][v].store(place, count);
    }
}

// All rows of up to `vectors` vectors of columns, over up to TERMS terms.
template <int64_t vectors>
inline void columns_of(
    const float* a, int64_t a_row, int64_t a_term, const float* b, int64_t b_row, float* c, int64_t c_row,
    int64_t rows, int64_t terms, int64_t last, bool add) {
  alignas(64) float packed[TERMS * vectors * WIDTH];
  for (int64_t k = 0; k < terms; k++)
    for (int64_t v = 0; v < vectors; v++)
      Vec::loadu(b + k * b_row + v * WIDTH, v + 1 < vectors ? WIDTH : last)
          .store(packed + (k * vectors + v) * WIDTH);
  int64_t row = 0;
  for (; row + ROWS <= rows; row += ROWS)
    tile<ROWS, vectors>(a + row * a_row, a_row, a_term, packed, c + row * c_row, c_row, terms, last, add);
  for (; row + ROWS / 2 <= rows; row += ROWS / 2)
    tile<ROWS / 2, vectors>(a + row * a_row, a_row, a_term, packed, c + row * c_row, c_row, terms, last, add);
  for (; row < rows; row++)
    tile<1, vectors>(a + row * a_row, a_row, a_term, packed, c + row * c_row, c_row, terms, last, add);
}

// a: [rows, terms], its rows a_row and its columns a_term apart. b: [terms, columns], rows b_row apart.
__attribute__((noinline)) inline void product(
    const float* a, int64_t a_row, int64_t a_term, const float* b, int64_t b_row, float* c, int64_t c_row,
    int64_t rows, int64_t terms, int64_t columns) {
  for (int64_t k = 0; k < terms; k += TERMS)
    for (int64_t n = 0; n < columns; n += VECTORS * WIDTH) {
      const float *left = a + k * a_term, *right = b + k * b_row + n;
      int64_t depth = std::min(TERMS, terms - k), width = std::min(VECTORS * WIDTH, columns - n);
      if (width > WIDTH)
        columns_of<2>(left, a_row, a_term, right, b_row, c + n, c_row, rows, depth, width - WIDTH, k > 0);
      else
        columns_of<1>(left, a_row, a_term, right, b_row, c + n, c_row, rows, depth, width, k > 0);
    }
}

}  // namespace nappo2
#endif
