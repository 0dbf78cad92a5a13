// Element by element: ReLU, sums, steps of descent, changes of layout and of number format.

extern "C" __global__ void relu(float* x, int n) {
    EACH(i, n) x[i] = above_zero(x[i]);
}

extern "C" __global__ void relu_backward(const float* y, float* dy, int n) {
    EACH(i, n) dy[i] = opened(y[i], dy[i]);
}

extern "C" __global__ void root(float* x, int n) {
    EACH(i, n) x[i] = sqrtf(x[i]);
}

extern "C" __global__ void add(float* x, const float* other, int n) {
    EACH(i, n) x[i] += other[i];
}

// x[row][channel] += bias[channel]
extern "C" __global__ void add_bias(float* x, const float* bias, int n, int channels) {
    EACH(i, n) x[i] += bias[i % channels];
}

extern "C" __global__ void sgd(float* weights, float* momentum, const float* gradients, float rate, float keep,
                               float decay, int n) {
    EACH(i, n) {
        float velocity = keep * momentum[i] + (gradients[i] + decay * weights[i]);
        momentum[i] = velocity;
        weights[i] -= rate * velocity;
    }
}

// [examples, pixels, channels] to [examples, channels, pixels]
extern "C" __global__ void to_planes(const float* x, float* y, int n, int pixels, int channels) {
    EACH(i, n) {
        u32 pixel = i % pixels, channel = i / pixels % channels, example = i / pixels / channels;
        y[i] = x[((size_t)example * pixels + pixel) * channels + channel];
    }
}

// [examples, channels, pixels] to [examples, pixels, channels]
extern "C" __global__ void to_pixels(const float* x, float* y, int n, int pixels, int channels) {
    EACH(i, n) {
        u32 channel = i % channels, pixel = i / channels % pixels, example = i / channels / pixels;
        y[i] = x[((size_t)example * channels + channel) * pixels + pixel];
    }
}

extern "C" __global__ void narrow(const float* x, u16* y, int n) {
    EACH(i, n) y[i] = to_bf16(x[i]);
}

// y = x, or y += x
extern "C" __global__ void widen(const u16* x, float* y, int n, int onto) {
    EACH(i, n) {
        float value = from_bf16(x[i]);
        y[i] = onto ? y[i] + value : value;
    }
}
