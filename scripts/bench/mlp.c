/* A multilayer perceptron in plain C: loops over arrays, as the formulas are read.
 *
 *     cc -O3 -march=native -fno-math-errno -shared -fPIC -DSIZES=64,128,64,10 -DLAYERS=3 -DBATCH=32 -DADAM=1 \
 *        -DLABELS=1 mlp.c -lm
 *
 * Sizes and batch are known while compiling. LABELS: softmax and cross-entropy; else sigmoid and mean squared
 * error. ADAM: Adam; else plain descent. The innermost loops run over neighbours in memory.
 */
#include <math.h>
#include <string.h>

#define WIDEST 256

static const int sizes[LAYERS + 1] = {SIZES};

static float kernel[LAYERS][WIDEST * WIDEST], bias[LAYERS][WIDEST];
static float dkernel[LAYERS][WIDEST * WIDEST], dbias[LAYERS][WIDEST];
static float slots[2][LAYERS][WIDEST * WIDEST], bias_slots[2][LAYERS][WIDEST];
static float outputs[LAYERS + 1][BATCH * WIDEST], deltas[LAYERS][BATCH * WIDEST];

static inline __attribute__((always_inline)) void forward(int l, int rows, int k, int n) {
    for (int r = 0; r < rows; r++) {
        float *z = outputs[l + 1] + r * n;
        for (int j = 0; j < n; j++) z[j] = bias[l][j];
        for (int i = 0; i < k; i++)
            for (int j = 0; j < n; j++) z[j] += outputs[l][r * k + i] * kernel[l][i * n + j];
        if (l < LAYERS - 1)
            for (int j = 0; j < n; j++) z[j] = z[j] > 0 ? z[j] : 0;
    }
}

static inline __attribute__((always_inline)) void backward(int l, int rows, int k, int n) {
    memset(dkernel[l], 0, sizeof(float) * k * n);
    memset(dbias[l], 0, sizeof(float) * n);
    for (int r = 0; r < rows; r++) {
        const float *d = deltas[l] + r * n, *a = outputs[l] + r * k;
        for (int j = 0; j < n; j++) dbias[l][j] += d[j];
        for (int i = 0; i < k; i++)
            for (int j = 0; j < n; j++) dkernel[l][i * n + j] += a[i] * d[j];
        if (l == 0) continue;
        for (int i = 0; i < k; i++) {
            float total = 0;
            for (int j = 0; j < n; j++) total += d[j] * kernel[l][i * n + j];
            deltas[l - 1][r * k + i] = a[i] > 0 ? total : 0;
        }
    }
}

/* dL/dz of the last layer. */
static void output_delta(const void *targets, const int *order, int rows) {
    const int n = sizes[LAYERS];
    for (int r = 0; r < rows; r++) {
        const float *z = outputs[LAYERS] + r * n;
        float *d = deltas[LAYERS - 1] + r * n;
#if LABELS
        float largest = z[0], total = 0;
        for (int j = 1; j < n; j++) largest = z[j] > largest ? z[j] : largest;
        for (int j = 0; j < n; j++) total += d[j] = expf(z[j] - largest);
        for (int j = 0; j < n; j++) d[j] /= total * rows;
        d[((const int *)targets)[order[r]]] -= 1.0f / rows;
#else
        for (int j = 0; j < n; j++) {
            const float p = 1 / (1 + expf(-z[j]));
            d[j] = 2 * (p - ((const float *)targets)[order[r] * n + j]) * p * (1 - p) / (rows * n);
        }
#endif
    }
}

static void update(float *value, const float *grad, float *m, float *v, int count, float size) {
    for (int i = 0; i < count; i++) {
#if ADAM
        m[i] += (grad[i] - m[i]) * 0.1f;
        v[i] += (grad[i] * grad[i] - v[i]) * 0.001f;
        value[i] -= size * m[i] / (sqrtf(v[i]) + 1e-7f);
#else
        value[i] -= size * grad[i];
#endif
    }
}

static void step(const float *x, const void *targets, const int *order, int rows, float size) {
    for (int r = 0; r < rows; r++)
        memcpy(outputs[0] + r * sizes[0], x + order[r] * sizes[0], sizeof(float) * sizes[0]);
#pragma GCC unroll 8
    for (int l = 0; l < LAYERS; l++) forward(l, rows, sizes[l], sizes[l + 1]);
    output_delta(targets, order, rows);
#pragma GCC unroll 8
    for (int l = LAYERS - 1; l >= 0; l--) backward(l, rows, sizes[l], sizes[l + 1]);
    for (int l = 0; l < LAYERS; l++) {
        update(kernel[l], dkernel[l], slots[0][l], slots[1][l], sizes[l] * sizes[l + 1], size);
        update(bias[l], dbias[l], bias_slots[0][l], bias_slots[1][l], sizes[l + 1], size);
    }
}

/* Weights in, all slots zero. `leaves` has kernel and bias of each layer in turn. */
void reset(float **leaves) {
    memset(slots, 0, sizeof slots);
    memset(bias_slots, 0, sizeof bias_slots);
    for (int l = 0; l < LAYERS; l++) {
        memcpy(kernel[l], leaves[2 * l], sizeof(float) * sizes[l] * sizes[l + 1]);
        memcpy(bias[l], leaves[2 * l + 1], sizeof(float) * sizes[l + 1]);
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
        memcpy(leaves[2 * l], kernel[l], sizeof(float) * sizes[l] * sizes[l + 1]);
        memcpy(leaves[2 * l + 1], bias[l], sizeof(float) * sizes[l + 1]);
    }
}
