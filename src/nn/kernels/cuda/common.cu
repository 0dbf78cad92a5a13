// What every kernel may use; stands before each of the other sources. No header is included: NVRTC compiles them
// without a toolkit's folder, and a test compiles them as plain C++.
//
// Activations are NHWC: [examples, rows, columns, channels]. Sums run over parts whose sizes depend on shapes alone,
// then over the parts in a fixed order, in f64; nothing is added atomically. So the same input gives the same bits.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

// Threads of a block; sums in shared memory have as many places.
#define THREADS 256

// Added to variances before their root.
#define EPSILON 1e-5

// Every element of n, n below 2^31.
#define EACH(i, n) for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < (u32)(n); i += gridDim.x * blockDim.x)

struct Pair {
    double a, b;
};

// The sum of `own` over threads that share threadIdx.x (over y), in halves upon halves; all of them get it.
__device__ inline Pair column_total(Pair own) {
    __shared__ Pair places[THREADS];
    u32 place = threadIdx.y * blockDim.x + threadIdx.x;
    places[place] = own;
    __syncthreads();
    for (u32 half = blockDim.y / 2; half > 0; half /= 2) {
        if (threadIdx.y < half) {
            Pair other = places[place + half * blockDim.x];
            places[place].a += other.a;
            places[place].b += other.b;
        }
        __syncthreads();
    }
    Pair total = places[threadIdx.x];
    __syncthreads();
    return total;
}

// The sum of `own` over a block of one row of threads, a power of two of them.
__device__ inline Pair block_total(Pair own) {
    __shared__ Pair places[THREADS];
    places[threadIdx.x] = own;
    __syncthreads();
    for (u32 half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            Pair other = places[threadIdx.x + half];
            places[threadIdx.x].a += other.a;
            places[threadIdx.x].b += other.b;
        }
        __syncthreads();
    }
    Pair total = places[0];
    __syncthreads();
    return total;
}

// max(x, 0); NaN stays NaN, so that a broken run shows.
__device__ inline float above_zero(float x) { return x < 0.0f ? 0.0f : x; }

// dy where y > 0, else 0; NaN counts as open.
__device__ inline float opened(float y, float dy) { return y <= 0.0f ? 0.0f : dy; }

__device__ inline u32 bits_of(float value) {
    u32 bits;
    memcpy(&bits, &value, 4);
    return bits;
}

__device__ inline float float_of(u32 bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

// The nearest bfloat16, ties to even; NaN stays NaN.
__device__ inline u16 to_bf16(float value) {
    u32 bits = bits_of(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (u16)((bits >> 16) | 0x40u);
    return (u16)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

__device__ inline float from_bf16(u16 value) { return float_of((u32)value << 16); }
