/* The program of mlp.c with vectors by hand: what the processor can do when nothing is in the way.
 *
 * Built as mlp.c is. Widths are padded to whole vectors with zeros, which stay zeros; sums stay in registers;
 * kernels are also kept transposed, so that every product reads rows.
 */
#include <math.h>
#include <string.h>

#define LANES 16
#define VECTORS(n) (((n) + LANES - 1) / LANES)
#define WIDEST 256
#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * LANES)));

static const int sizes[LAYERS + 1] = {SIZES};

static vec kernel[LAYERS][WIDEST * VECTORS(WIDEST)], bias[LAYERS][VECTORS(WIDEST)];
static vec transposed[LAYERS][WIDEST * VECTORS(WIDEST)];
static vec dkernel[LAYERS][WIDEST * VECTORS(WIDEST)], dbias[LAYERS][VECTORS(WIDEST)];
static vec slots[2][LAYERS][WIDEST * VECTORS(WIDEST)], bias_slots[2][LAYERS][VECTORS(WIDEST)];
static vec outputs[LAYERS + 1][BATCH * VECTORS(WIDEST)], deltas[LAYERS][BATCH * VECTORS(WIDEST)];

/* c[i][:] = start + sum over p of a[i][p] * b[p][:], a with any strides; two rows at a time. */
INLINE void product(int m, int k, int vectors, const float *a, int row, int column, const vec *b,
                    const vec *start, vec *c) {
    for (int i = 0; i < m; i += 2) {
        const int next = i + 1 < m;
        vec first[VECTORS(WIDEST)], second[VECTORS(WIDEST)];
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++) first[v] = second[v] = start ? start[v] : (vec){0};
        for (int p = 0; p < k; p++) {
            const float x = a[i * row + p * column], y = a[(i + next) * row + p * column];
#pragma GCC unroll 16
            for (int v = 0; v < vectors; v++) {
                first[v] += x * b[p * vectors + v];
                second[v] += y * b[p * vectors + v];
            }
        }
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++) {
            c[i * vectors + v] = first[v];
            if (next) c[(i + 1) * vectors + v] = second[v];
        }
    }
}

INLINE void relu(vec *z, int vectors) {
    for (int i = 0; i < BATCH * vectors; i++) z[i] = (vec)((z[i] > 0) & (__typeof__(z[i] > 0))z[i]);
}

/* dL/dz of the last layer, for the `rows` rows that there are. */
INLINE void output_delta(const float *z, const void *targets, const int *order, int rows, float *delta) {
    const int n = sizes[LAYERS], width = VECTORS(n) * LANES;
    memset(delta, 0, sizeof(float) * BATCH * width);
    for (int r = 0; r < rows; r++) {
        float *d = delta + r * width;
        const float *zr = z + r * width;
#if LABELS
        float largest = zr[0], total = 0;
        for (int j = 1; j < n; j++) largest = zr[j] > largest ? zr[j] : largest;
        for (int j = 0; j < n; j++) total += d[j] = expf(zr[j] - largest);
        for (int j = 0; j < n; j++) d[j] /= total * rows;
        d[((const int *)targets)[order[r]]] -= 1.0f / rows;
#else
        for (int j = 0; j < n; j++) {
            const float p = 1 / (1 + expf(-zr[j]));
            d[j] = 2 * (p - ((const float *)targets)[order[r] * n + j]) * p * (1 - p) / (rows * n);
        }
#endif
    }
}

INLINE void update(vec *value, const vec *grad, vec *m, vec *v, int count, float size) {
    for (int i = 0; i < count; i++) {
#if ADAM
        m[i] += (grad[i] - m[i]) * 0.1f;
        v[i] += (grad[i] * grad[i] - v[i]) * 0.001f;
        for (int lane = 0; lane < LANES; lane++) value[i][lane] -= size * m[i][lane] / (sqrtf(v[i][lane]) + 1e-7f);
#else
        value[i] -= size * grad[i];
#endif
    }
}

INLINE void transpose(const float *w, int k, int n, float *t) {
    const int width = VECTORS(n) * LANES, other = VECTORS(k) * LANES;
    for (int i = 0; i < k; i++)
        for (int j = 0; j < n; j++) t[j * other + i] = w[i * width + j];
}

static void step(const float *x, const void *targets, const int *order, int rows, float size) {
    const int width = VECTORS(sizes[0]) * LANES;
    for (int r = 0; r < rows; r++)
        memcpy((float *)outputs[0] + r * width, x + order[r] * sizes[0], sizeof(float) * sizes[0]);
#pragma GCC unroll 8
    for (int l = 0; l < LAYERS; l++) {
        const int in = VECTORS(sizes[l]) * LANES, out = VECTORS(sizes[l + 1]);
        product(BATCH, sizes[l], out, (float *)outputs[l], in, 1, kernel[l], bias[l], outputs[l + 1]);
        if (l < LAYERS - 1) relu(outputs[l + 1], out);
    }
    output_delta((float *)outputs[LAYERS], targets, order, rows, (float *)deltas[LAYERS - 1]);
#pragma GCC unroll 8
    for (int l = LAYERS - 1; l >= 0; l--) {
        const int in = VECTORS(sizes[l]), out = VECTORS(sizes[l + 1]);
        product(sizes[l], BATCH, out, (float *)outputs[l], 1, in * LANES, deltas[l], 0, dkernel[l]);
        for (int v = 0; v < out; v++) {
            vec total = {0};
            for (int r = 0; r < BATCH; r++) total += deltas[l][r * out + v];
            dbias[l][v] = total;
        }
        if (l == 0) continue;
        transpose((float *)kernel[l], sizes[l], sizes[l + 1], (float *)transposed[l]);
        product(BATCH, sizes[l + 1], in, (float *)deltas[l], out * LANES, 1, transposed[l], 0, deltas[l - 1]);
        for (int i = 0; i < BATCH * in; i++)
            deltas[l - 1][i] = (vec)((outputs[l][i] > 0) & (__typeof__(outputs[l][i] > 0))deltas[l - 1][i]);
    }
    for (int l = 0; l < LAYERS; l++) {
        const int out = VECTORS(sizes[l + 1]);
        update(kernel[l], dkernel[l], slots[0][l], slots[1][l], sizes[l] * out, size);
        update(bias[l], dbias[l], bias_slots[0][l], bias_slots[1][l], out, size);
    }
}

/* Weights in, all slots zero. `leaves` has kernel and bias of each layer in turn. */
void reset(float **leaves) {
    memset(slots, 0, sizeof slots);
    memset(bias_slots, 0, sizeof bias_slots);
    memset(outputs, 0, sizeof outputs);
    for (int l = 0; l < LAYERS; l++) {
        const int k = sizes[l], n = sizes[l + 1], width = VECTORS(n) * LANES;
        memset(kernel[l], 0, sizeof kernel[l]);
        memset(bias[l], 0, sizeof bias[l]);
        for (int i = 0; i < k; i++) memcpy((float *)kernel[l] + i * width, leaves[2 * l] + i * n, 4 * n);
        memcpy(bias[l], leaves[2 * l + 1], 4 * n);
    }
}

/* Train: `orders` has `num_orders` orders of the rows, taken in turn. */
void run(const float *x, const void *targets, const int *orders, int num_orders, int rows, int epochs, double rate) {
    double beta_1 = 1, beta_2 = 1;
    for (int epoch = 0; epoch < epochs; epoch++) {
        const int *order = orders + (long)(epoch % num_orders) * rows;
        for (int start = 0; start < rows; start += BATCH) {
            beta_1 *= 0.9, beta_2 *= 0.999;
            const double size = ADAM ? rate * sqrt(1 - beta_2) / (1 - beta_1) : rate;
            step(x, targets, order + start, rows - start < BATCH ? rows - start : BATCH, (float)size);
        }
    }
}

/* Weights out, as they came in. */
void weights(float **leaves) {
    for (int l = 0; l < LAYERS; l++) {
        const int k = sizes[l], n = sizes[l + 1], width = VECTORS(n) * LANES;
        for (int i = 0; i < k; i++) memcpy(leaves[2 * l] + i * n, (float *)kernel[l] + i * width, 4 * n);
        memcpy(leaves[2 * l + 1], bias[l], 4 * n);
    }
}
