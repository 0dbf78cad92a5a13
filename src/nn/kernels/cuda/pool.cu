// Max pooling over windows side by side, cut at the lower and right edge, and the mean of all pixels.

// The first largest value's place in the window of output (row, column); NaN wins, as in PyTorch.
__device__ inline u32 winner(const float* x, size_t image, int row, int column, int channel, int channels, int height,
                             int width, int side) {
    int bottom = min((row + 1) * side, height), right = min((column + 1) * side, width);
    u32 best = row * side * width + column * side;
    float leader = x[image + (size_t)best * channels + channel];
    for (int y = row * side; y < bottom; y++) {
        for (int z = column * side; z < right; z++) {
            float value = x[image + (size_t)(y * width + z) * channels + channel];
            if (value > leader || (value != value && leader == leader)) {
                best = y * width + z;
                leader = value;
            }
        }
    }
    return best;
}

extern "C" __global__ void max_pool(const float* x, float* y, int n, int channels, int height, int width, int side) {
    int high = (height + side - 1) / side, wide = (width + side - 1) / side;
    EACH(i, n) {
        int channel = i % channels, column = i / channels % wide, row = i / channels / wide % high;
        size_t image = (size_t)(i / channels / wide / high) * height * width * channels;
        u32 best = winner(x, image, row, column, channel, channels, height, width, side);
        y[i] = x[image + (size_t)best * channels + channel];
    }
}

// dx, element by element: dy of the one window that a pixel is in, where the pixel won it.
extern "C" __global__ void max_pool_backward(const float* x, const float* dy, float* dx, int n, int channels,
                                             int height, int width, int side) {
    int high = (height + side - 1) / side, wide = (width + side - 1) / side;
    EACH(i, n) {
        u32 channel = i % channels, pixel = i / channels % (height * width), example = i / channels / (height * width);
        int row = pixel / width / side, column = pixel % width / side;
        size_t image = (size_t)example * height * width * channels;
        u32 best = winner(x, image, row, column, channel, channels, height, width, side);
        size_t window = (((size_t)example * high + row) * wide + column) * channels + channel;
        dx[i] = best == pixel ? dy[window] : 0.0f;
    }
}

// Blocks: (examples, channels / width of the block).
extern "C" __global__ void mean_pool(const float* x, float* y, int pixels, int channels) {
    int channel = blockIdx.y * blockDim.x + threadIdx.x;
    const float* image = x + (size_t)blockIdx.x * pixels * channels;
    float sum = 0.0f;
    if (channel < channels) {
        for (int pixel = threadIdx.y; pixel < pixels; pixel += blockDim.y) sum += image[(size_t)pixel * channels + channel];
    }
    Pair total = column_total({sum, 0.0});
    if (threadIdx.y == 0 && channel < channels) y[(size_t)blockIdx.x * channels + channel] = (float)(total.a / pixels);
}

extern "C" __global__ void mean_pool_backward(const float* dy, float* dx, int n, int pixels, int channels) {
    float share = (float)(1.0 / pixels);
    EACH(i, n) {
        u32 channel = i % channels, example = i / channels / pixels;
        dx[i] = dy[(size_t)example * channels + channel] * share;
    }
}
