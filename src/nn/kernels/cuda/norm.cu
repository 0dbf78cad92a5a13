// Batch norm over [rows, channels], with ReLU and a skip in the same pass; sums over columns for biases too.
//
// Kernels that sum have blocks of (channels, rows) threads: neighbours read neighbouring channels.

// parts[part][channel] = sums of x - x[0] and of its square over the part's rows.
extern "C" __global__ void norm_sums(const float* x, double* parts, int rows, int part, int channels) {
    int channel = blockIdx.y * blockDim.x + threadIdx.x;
    int end = min((int)(blockIdx.x + 1) * part, rows);
    float sum = 0.0f, squares = 0.0f;
    if (channel < channels) {
        // Around a value of its own channel, squares lose nothing to a large mean.
        float origin = x[channel];
        for (int row = blockIdx.x * part + threadIdx.y; row < end; row += blockDim.y) {
            float value = x[(size_t)row * channels + channel] - origin;
            sum += value;
            squares += value * value;
        }
    }
    Pair total = column_total({sum, squares});
    if (threadIdx.y == 0 && channel < channels) {
        double* place = parts + 2 * ((size_t)blockIdx.x * channels + channel);
        place[0] = total.a;
        place[1] = total.b;
    }
}

// The total of a channel's parts; `channel` below `channels` or not, every thread of the block takes part.
__device__ inline Pair total_of_parts(const double* parts, int count, int channel, int channels) {
    Pair own = {0.0, 0.0};
    if (channel < channels) {
        for (int part = threadIdx.y; part < count; part += blockDim.y) {
            const double* place = parts + 2 * ((size_t)part * channels + channel);
            own.a += place[0];
            own.b += place[1];
        }
    }
    return column_total(own);
}

// moments [2, channels]: mean and 1 / deviation of the batch, which are folded into the running ones.
extern "C" __global__ void norm_moments(const double* parts, const float* x, float* running_mean,
                                        float* running_variance, float* moments, int count, int rows, int channels) {
    int channel = blockIdx.y * blockDim.x + threadIdx.x;
    Pair total = total_of_parts(parts, count, channel, channels);
    if (threadIdx.y != 0 || channel >= channels) return;
    double around = total.a / rows, variance = total.b / rows - around * around;
    double mean = (double)x[channel] + around;
    if (variance < 0.0) variance = 0.0;
    // A single value has no unbiased variance: the biased one, 0, takes its place.
    double unbiased = variance * rows / (rows > 1 ? rows - 1 : 1);
    running_mean[channel] = (float)(0.9 * running_mean[channel] + 0.1 * mean);
    running_variance[channel] = (float)(0.9 * running_variance[channel] + 0.1 * unbiased);
    moments[channel] = (float)mean;
    moments[channels + channel] = (float)(1.0 / sqrt(variance + EPSILON));
}

// moments [2, channels] of the running statistics.
extern "C" __global__ void norm_running(const float* running_mean, const float* running_variance, float* moments,
                                        int channels) {
    EACH(channel, channels) {
        moments[channel] = running_mean[channel];
        moments[channels + channel] = (float)(1.0 / sqrt((double)running_variance[channel] + EPSILON));
    }
}

// y = norm(x) (+ skip), then the ReLU.
extern "C" __global__ void norm_apply(const float* x, const float* skip, const float* moments, const float* weight,
                                      const float* bias, float* y, int n, int channels, int relu) {
    EACH(i, n) {
        u32 channel = i % channels;
        float scale = weight[channel] * moments[channels + channel];
        float value = x[i] * scale + (bias[channel] - moments[channel] * scale);
        if (skip) value += skip[i];
        y[i] = relu ? above_zero(value) : value;
    }
}

// dz = dy behind the ReLU (where y is given), and parts[part][channel] = sums of dz and of dz x^ over the part's rows.
extern "C" __global__ void norm_backward_sums(const float* x, const float* y, const float* dy, float* dz,
                                              const float* moments, double* parts, int rows, int part, int channels) {
    int channel = blockIdx.y * blockDim.x + threadIdx.x;
    int end = min((int)(blockIdx.x + 1) * part, rows);
    float sum = 0.0f, product = 0.0f;
    double inverse = 0.0;
    if (channel < channels) {
        float mean = moments[channel];
        inverse = moments[channels + channel];
        for (int row = blockIdx.x * part + threadIdx.y; row < end; row += blockDim.y) {
            size_t i = (size_t)row * channels + channel;
            float value = dy[i];
            if (y) {
                value = opened(y[i], value);
                dz[i] = value;
            }
            sum += value;
            product += value * (x[i] - mean);
        }
    }
    Pair total = column_total({sum, product});
    if (threadIdx.y == 0 && channel < channels) {
        double* place = parts + 2 * ((size_t)blockIdx.x * channels + channel);
        place[0] = total.a;
        place[1] = total.b * inverse;
    }
}

// Gradients of weight and bias (where wanted), and dx = a dz + b x + c: coefficients [3, channels].
//
// With batch moments dx = a (dz - mean(dz) - x^ mean(dz x^)), with running ones a dz, where a = weight / deviation.
extern "C" __global__ void norm_backward_finish(const double* parts, const float* moments, const float* weight,
                                                float* weight_gradient, float* bias_gradient, float* coefficients,
                                                int count, int rows, int channels, int train) {
    int channel = blockIdx.y * blockDim.x + threadIdx.x;
    Pair total = total_of_parts(parts, count, channel, channels);
    if (threadIdx.y != 0 || channel >= channels) return;
    if (weight_gradient) {
        weight_gradient[channel] = (float)total.b;
        bias_gradient[channel] = (float)total.a;
    }
    float inverse = moments[channels + channel], a = weight[channel] * inverse, b = 0.0f, c = 0.0f;
    if (train) {
        b = -a * inverse * (float)(total.b / rows);
        c = -a * (float)(total.a / rows) - b * moments[channel];
    }
    coefficients[channel] = a;
    coefficients[channels + channel] = b;
    coefficients[2 * channels + channel] = c;
}

extern "C" __global__ void norm_backward_apply(const float* x, const float* dz, const float* coefficients, float* dx,
                                               int n, int channels, int train) {
    EACH(i, n) {
        u32 channel = i % channels;
        float value = coefficients[channel] * dz[i];
        if (train) value += coefficients[channels + channel] * x[i] + coefficients[2 * channels + channel];
        dx[i] = value;
    }
}

// norms[example] += the squares of both sums of every channel; parts are examples. A block per example.
extern "C" __global__ void add_squares(const double* parts, float* norms, int channels) {
    const double* own = parts + 2 * (size_t)blockIdx.x * channels;
    double squares = 0.0;
    for (int i = threadIdx.x; i < 2 * channels; i += blockDim.x) squares += own[i] * own[i];
    Pair total = block_total({squares, 0.0});
    if (threadIdx.x == 0) norms[blockIdx.x] += (float)total.a;
}

// parts[part][channel] = the sum of x over the part's rows, and 0.
extern "C" __global__ void column_sums(const float* x, double* parts, int rows, int part, int channels) {
    int channel = blockIdx.y * blockDim.x + threadIdx.x;
    int end = min((int)(blockIdx.x + 1) * part, rows);
    float sum = 0.0f;
    if (channel < channels) {
        for (int row = blockIdx.x * part + threadIdx.y; row < end; row += blockDim.y) sum += x[(size_t)row * channels + channel];
    }
    Pair total = column_total({sum, 0.0});
    if (threadIdx.y == 0 && channel < channels) {
        double* place = parts + 2 * ((size_t)blockIdx.x * channels + channel);
        place[0] = total.a;
        place[1] = 0.0;
    }
}

// The totals of both sums over all parts; `second` may be missing.
extern "C" __global__ void column_totals(const double* parts, float* first, float* second, int count, int channels) {
    int channel = blockIdx.y * blockDim.x + threadIdx.x;
    Pair total = total_of_parts(parts, count, channel, channels);
    if (threadIdx.y != 0 || channel >= channels) return;
    first[channel] = (float)total.a;
    if (second) second[channel] = (float)total.b;
}
