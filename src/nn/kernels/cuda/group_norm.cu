// Group norm: each example's own moments over the pixels of a group of channels. A block per (example, group).

extern "C" __global__ void group_norm(const float* x, const float* skip, const float* weight, const float* bias,
                                      float* y, float* moments, int pixels, int channels, int groups, int relu) {
    int width = channels / groups, n = pixels * width;
    size_t start = (size_t)blockIdx.x * pixels * channels + blockIdx.y * width;
    float origin = x[start], sum = 0.0f, squares = 0.0f;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        float value = x[start + (size_t)(i / width) * channels + i % width] - origin;
        sum += value;
        squares += value * value;
    }
    Pair total = block_total({sum, squares});
    double around = total.a / n, variance = total.b / n - around * around;
    if (variance < 0.0) variance = 0.0;
    float mean = (float)((double)origin + around), inverse = (float)(1.0 / sqrt(variance + EPSILON));
    if (threadIdx.x == 0) {
        float* place = moments + 2 * ((size_t)blockIdx.x * groups + blockIdx.y);
        place[0] = mean;
        place[1] = inverse;
    }
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        size_t place = start + (size_t)(i / width) * channels + i % width;
        int channel = blockIdx.y * width + i % width;
        float value = (x[place] - mean) * inverse * weight[channel] + bias[channel];
        if (skip) value += skip[place];
        y[place] = relu ? above_zero(value) : value;
    }
}

// dz = dy behind the ReLU (where y is given), and with t = weight dz: dx = (t - mean(t) - x^ mean(t x^)) / deviation.
extern "C" __global__ void group_norm_backward(const float* x, const float* y, const float* dy, float* dz,
                                               const float* moments, const float* weight, float* dx, int pixels,
                                               int channels, int groups) {
    int width = channels / groups, n = pixels * width;
    size_t start = (size_t)blockIdx.x * pixels * channels + blockIdx.y * width;
    const float* own = moments + 2 * ((size_t)blockIdx.x * groups + blockIdx.y);
    float mean = own[0], inverse = own[1], sum = 0.0f, product = 0.0f;
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        size_t place = start + (size_t)(i / width) * channels + i % width;
        float value = dy[place];
        if (y) {
            value = opened(y[place], value);
            dz[place] = value;
        }
        value *= weight[blockIdx.y * width + i % width];
        sum += value;
        product += value * (x[place] - mean) * inverse;
    }
    Pair total = block_total({sum, product});
    float mean_sum = (float)(total.a / n), mean_product = (float)(total.b / n);
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        size_t place = start + (size_t)(i / width) * channels + i % width;
        // The same thread wrote dz there; without a ReLU dz is dy.
        float value = (y ? dz : dy)[place] * weight[blockIdx.y * width + i % width];
        dx[place] = inverse * (value - mean_sum - (x[place] - mean) * inverse * mean_product);
    }
}

// parts[example][channel] = sums of dz and of dz x^ over the example's pixels. Blocks: (examples, channels).
extern "C" __global__ void group_norm_sums(const float* x, const float* dz, const float* moments, double* parts,
                                           int pixels, int channels, int groups) {
    int channel = blockIdx.y * blockDim.x + threadIdx.x;
    float sum = 0.0f, product = 0.0f;
    double inverse = 0.0;
    if (channel < channels) {
        int group = channel / (channels / groups);
        const float* own = moments + 2 * ((size_t)blockIdx.x * groups + group);
        inverse = own[1];
        for (int pixel = threadIdx.y; pixel < pixels; pixel += blockDim.y) {
            size_t place = ((size_t)blockIdx.x * pixels + pixel) * channels + channel;
            sum += dz[place];
            product += dz[place] * (x[place] - own[0]);
        }
    }
    Pair total = column_total({sum, product});
    if (threadIdx.y == 0 && channel < channels) {
        double* place = parts + 2 * ((size_t)blockIdx.x * channels + channel);
        place[0] = total.a;
        place[1] = total.b * inverse;
    }
}
