// What convolutions need beside cuDNN: weights in its order and format, standardised where asked for; windows as
// matrices; and what per-example norms take from products of them.

// A filter [inputs, area] as [area, inputs], in f32 and (where wanted) bfloat16. A block per filter.
//
// Standardised: minus its mean, over the root of its population variance + 1e-5, whose inverse is kept.
extern "C" __global__ void prepare_weights(const float* weight, float* prepared, u16* narrowed, float* inverses,
                                           int inputs, int area, int standardised) {
    int n = inputs * area;
    const float* own = weight + (size_t)blockIdx.x * n;
    float mean = 0.0f, inverse = 1.0f;
    if (standardised) {
        double sum = 0.0, squares = 0.0;
        for (int i = threadIdx.x; i < n; i += blockDim.x) {
            sum += own[i];
            squares += (double)own[i] * own[i];
        }
        Pair total = block_total({sum, squares});
        double average = total.a / n, variance = total.b / n - average * average;
        mean = (float)average;
        inverse = (float)(1.0 / sqrt((variance < 0.0 ? 0.0 : variance) + EPSILON));
        if (threadIdx.x == 0) inverses[blockIdx.x] = inverse;
    }
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        float value = own[(i % inputs) * area + i / inputs];
        if (standardised) value = (value - mean) * inverse;
        size_t place = (size_t)blockIdx.x * n + i;
        prepared[place] = value;
        if (narrowed) narrowed[place] = to_bf16(value);
    }
}

// The sums that the Jacobian of standardisation needs: of a gradient g, and of g times the standardised weight.
__device__ inline Pair jacobian_sums(const float* g, const u16* g16, const float* prepared, int n) {
    double sum = 0.0, product = 0.0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        double value = g16 ? from_bf16(g16[i]) : g[i];
        sum += value;
        product += value * prepared[i];
    }
    return block_total({sum, product});
}

// A filter's gradient [area, inputs], in f32 or bfloat16, to its place [inputs, area] in the arena; through
// standardisation it is (g - mean(g) - w^ mean(g w^)) / deviation. A block per filter.
extern "C" __global__ void finish_weight_gradient(const float* g, const u16* g16, const float* prepared,
                                                  const float* inverses, float* gradient, int inputs, int area,
                                                  int standardised) {
    int n = inputs * area;
    size_t start = (size_t)blockIdx.x * n;
    if (g) g += start;
    if (g16) g16 += start;
    prepared += start;
    float mean = 0.0f, slope = 0.0f, inverse = 1.0f;
    if (standardised) {
        Pair total = jacobian_sums(g, g16, prepared, n);
        mean = (float)(total.a / n);
        slope = (float)(total.b / n);
        inverse = inverses[blockIdx.x];
    }
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        float value = g16 ? from_bf16(g16[i]) : g[i];
        if (standardised) value = inverse * (value - mean - prepared[i] * slope);
        gradient[start + (i % inputs) * area + i / inputs] = value;
    }
}

// parts[example][filter] = the squared norm of the filter's gradient of that example. Blocks: (examples, filters).
extern "C" __global__ void weight_gradient_squares(const float* g, const float* prepared, const float* inverses,
                                                   double* parts, int filters, int n, int standardised) {
    g += ((size_t)blockIdx.x * filters + blockIdx.y) * n;
    prepared += (size_t)blockIdx.y * n;
    float mean = 0.0f, slope = 0.0f, inverse = 1.0f;
    if (standardised) {
        Pair total = jacobian_sums(g, 0, prepared, n);
        mean = (float)(total.a / n);
        slope = (float)(total.b / n);
        inverse = inverses[blockIdx.y];
    }
    double squares = 0.0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        float value = g[i];
        if (standardised) value = inverse * (value - mean - prepared[i] * slope);
        squares += (double)value * value;
    }
    Pair total = block_total({squares, 0.0});
    if (threadIdx.x == 0) parts[(size_t)blockIdx.x * filters + blockIdx.y] = total.a;
}

// norms[example] += the sum of its row of parts. A block per example.
extern "C" __global__ void add_rows(const double* parts, float* norms, int columns) {
    double sum = 0.0;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) sum += parts[(size_t)blockIdx.x * columns + i];
    Pair total = block_total({sum, 0.0});
    if (threadIdx.x == 0) norms[blockIdx.x] += (float)total.a;
}

// norms[example] += |dy|^2 (|x|^2 + 1): the squared norm of a dense layer's gradient. A block per example.
extern "C" __global__ void dense_squares(const float* x, const float* dy, float* norms, int inputs, int outputs) {
    const float *row = x + (size_t)blockIdx.x * inputs, *column = dy + (size_t)blockIdx.x * outputs;
    double of_x = 0.0, of_dy = 0.0;
    for (int i = threadIdx.x; i < inputs; i += blockDim.x) of_x += (double)row[i] * row[i];
    for (int i = threadIdx.x; i < outputs; i += blockDim.x) of_dy += (double)column[i] * column[i];
    Pair total = block_total({of_x, of_dy});
    if (threadIdx.x == 0) norms[blockIdx.x] += (float)(total.b * (total.a + 1.0));
}

// columns [windows, kernel, kernel, channels] of images [height, width, channels]; n values.
extern "C" __global__ void windows_of(const float* x, float* columns, int n, int channels, int height, int width,
                                      int kernel, int stride, int padding, int high, int wide) {
    EACH(i, n) {
        int channel = i % channels, kx = i / channels % kernel, ky = i / channels / kernel % kernel;
        u32 window = i / channels / kernel / kernel;
        int column = (int)(window % wide) * stride + kx - padding;
        int row = (int)(window / wide % high) * stride + ky - padding;
        u32 example = window / wide / high;
        bool inside = row >= 0 && row < height && column >= 0 && column < width;
        columns[i] = inside ? x[(((size_t)example * height + row) * width + column) * channels + channel] : 0.0f;
    }
}

// dx = the sum of a pixel's places in all windows, in their order (+ dx where `onto`); n values of dx.
extern "C" __global__ void images_of(const float* columns, float* dx, int n, int channels, int height, int width,
                                     int kernel, int stride, int padding, int high, int wide, int onto) {
    EACH(i, n) {
        int channel = i % channels, column = i / channels % width, row = i / channels / width % height;
        u32 example = i / channels / width / height;
        float sum = 0.0f;
        for (int ky = 0; ky < kernel; ky++) {
            int y = row + padding - ky;
            if (y < 0 || y % stride || y / stride >= high) continue;
            for (int kx = 0; kx < kernel; kx++) {
                int x = column + padding - kx;
                if (x < 0 || x % stride || x / stride >= wide) continue;
                size_t window = ((size_t)example * high + y / stride) * wide + x / stride;
                sum += columns[((window * kernel + ky) * kernel + kx) * channels + channel];
            }
        }
        dx[i] = onto ? dx[i] + sum : sum;
    }
}
