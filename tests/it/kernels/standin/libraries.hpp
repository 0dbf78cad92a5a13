// The parts of the CUDA driver, NVRTC, cuBLAS and cuDNN that diffscope calls, done at once on the host.
//
// STANDIN_GPUS: how many GPUs answer (1). STANDIN_MEMORY: bytes that each has (1 GiB). STANDIN_CUDNN: `refuses` has no
// algorithm for any shape, `fails` says so only when it is to run.
#pragma once
#include <atomic>
#include <mutex>

typedef unsigned long long Address;
extern const Kernel KERNELS[];
extern const int KERNEL_COUNT;

static std::atomic<long long> in_use{0};
// Of this thread: a replicate has one of its own.
static thread_local long long allocations = 0, waits = 0;

static long long setting(const char* name, long long otherwise) {
    const char* text = getenv(name);
    return text ? atoll(text) : otherwise;
}

static bool is_set(const char* name, const char* value) {
    const char* text = getenv(name);
    return text && strcmp(text, value) == 0;
}

static void broken(const char* what) {
    fprintf(stderr, "stand-in: %s\n", what);
    abort();
}

// ---- memory: [length, fence, bytes, fence] ----

static const size_t FENCE = 64;

static int allocate(Address* address, size_t bytes) {
    if (bytes == 0) return 1;
    if (in_use + (long long)bytes > setting("STANDIN_MEMORY", 1ll << 30)) return 2;
    char* start = (char*)malloc(bytes + 2 * FENCE + FENCE);
    memcpy(start, &bytes, sizeof bytes);
    memset(start + FENCE, 0xa5, FENCE);
    memset(start + 2 * FENCE, 0xff, bytes);
    memset(start + 2 * FENCE + bytes, 0xa5, FENCE);
    in_use += bytes;
    allocations++;
    *address = (Address)(start + 2 * FENCE);
    return 0;
}

static int release(Address address) {
    char* start = (char*)address - 2 * FENCE;
    size_t bytes;
    memcpy(&bytes, start, sizeof bytes);
    for (size_t i = 0; i < FENCE; i++) {
        if ((unsigned char)start[FENCE + i] != 0xa5) broken("something was written before a block");
        if ((unsigned char)start[2 * FENCE + bytes + i] != 0xa5) broken("something was written past a block");
    }
    in_use -= bytes;
    free(start);
    return 0;
}

static thread_local void* current = nullptr;

extern "C" {
// What tests ask: blocks ever allocated on this thread, times it waited for the device.
long long standin_allocations() { return allocations; }
long long standin_waits() { return waits; }

int cuInit(unsigned) { return 0; }
int cuDeviceGetCount(int* count) { *count = (int)setting("STANDIN_GPUS", 1); return 0; }
int cuDeviceGet(int* device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char* name, int len, int) { snprintf(name, len, "Stand In"); return 0; }
int cuDeviceGetAttribute(int* value, int attribute, int) {
    // 75 and 76: compute capability; 115: memory pools.
    *value = attribute == 75 ? 9 : attribute == 115 ? 1 : 0;
    return 0;
}
int cuDevicePrimaryCtxRetain(void** context, int device) { *context = (void*)(uintptr_t)(device + 1); return 0; }
int cuDevicePrimaryCtxRelease_v2(int) { return 0; }
int cuCtxGetCurrent(void** context) { *context = current; return 0; }
int cuCtxSetCurrent(void* context) { current = context; return 0; }
int cuCtxSynchronize() { return 0; }
int cuGetErrorString(int code, const char** text) { *text = code == 2 ? "out of memory" : "an error"; return 0; }
int cuGetErrorName(int code, const char** text) { *text = code == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR"; return 0; }
int cuStreamCreate(void** stream, unsigned) { *stream = malloc(1); return 0; }
int cuStreamDestroy_v2(void* stream) { free(stream); return 0; }
int cuStreamSynchronize(void*) { waits++; return 0; }
int cuStreamWaitEvent(void*, void*, unsigned) { return 0; }
int cuEventCreate(void** event, unsigned) { *event = malloc(1); return 0; }
int cuEventDestroy_v2(void* event) { free(event); return 0; }
int cuEventRecord(void*, void*) { return 0; }
int cuEventSynchronize(void*) { return 0; }
int cuMemAllocAsync(Address* address, size_t bytes, void*) { return allocate(address, bytes); }
int cuMemAlloc_v2(Address* address, size_t bytes) { return allocate(address, bytes); }
int cuMemFreeAsync(Address address, void*) { return release(address); }
int cuMemFree_v2(Address address) { return release(address); }
int cuMemHostAlloc(void** memory, size_t bytes, unsigned) { *memory = malloc(bytes); return 0; }
int cuMemFreeHost(void* memory) { free(memory); return 0; }
int cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void*) { memcpy((void*)to, from, bytes); return 0; }
int cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void*) { memcpy(to, (void*)from, bytes); return 0; }
int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void*) { memcpy((void*)to, (void*)from, bytes); return 0; }
int cuMemsetD8Async(Address to, unsigned char value, size_t bytes, void*) { memset((void*)to, value, bytes); return 0; }
int cuModuleLoadData(void** module, const void*) { *module = (void*)1; return 0; }
int cuModuleUnload(void*) { return 0; }
int cuModuleGetFunction(void** function, void*, const char* name) {
    for (int i = 0; i < KERNEL_COUNT; i++) {
        if (strcmp(KERNELS[i].name, name) == 0) {
            *function = (void*)&KERNELS[i];
            return 0;
        }
    }
    return 500;
}
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned,
                   void*, void** arguments, void**) {
    if (!gx || !gy || gz != 1 || gy > 65535 || !bx || !by || bz != 1 || bx * by > 1024) return 1;
    const Kernel* kernel = (const Kernel*)function;
    gridDim = {gx, gy, 1};
    blockDim = {bx, by, 1};
    kernel->run(arguments, kernel->waits);
    return 0;
}

// ---- NVRTC: the kernels are here already ----

int nvrtcCreateProgram(void** program, const char*, const char*, int, const char* const*, const char* const*) { *program = malloc(1); return 0; }
int nvrtcDestroyProgram(void** program) { free(*program); return 0; }
int nvrtcCompileProgram(void*, int, const char* const*) { return 0; }
int nvrtcGetProgramLogSize(void*, size_t* size) { *size = 1; return 0; }
int nvrtcGetProgramLog(void*, char* log) { *log = 0; return 0; }
int nvrtcGetPTXSize(void*, size_t* size) { *size = 1; return 0; }
int nvrtcGetPTX(void*, char* ptx) { *ptx = 0; return 0; }

// ---- cuBLAS ----

int cublasCreate_v2(void** handle) { *handle = malloc(1); return 0; }
int cublasDestroy_v2(void* handle) { free(handle); return 0; }
int cublasSetStream_v2(void*, void*) { return 0; }
int cublasSetWorkspace_v2(void*, void*, size_t) { return 0; }
}

// A number of a matrix or tensor in f32 (0) or bfloat16 (14 of cuBLAS, 9 of cuDNN).
static float number(const void* values, size_t place, bool narrow) {
    return narrow ? from_bf16(((const u16*)values)[place]) : ((const float*)values)[place];
}

static void set_number(void* values, size_t place, bool narrow, float value) {
    if (narrow) ((u16*)values)[place] = to_bf16(value);
    else ((float*)values)[place] = value;
}

extern "C" int cublasGemmStridedBatchedEx(void*, int turn_a, int turn_b, int m, int n, int k, const float* alpha,
                                          const void* a, int a_kind, int lda, long long a_step, const void* b, int b_kind,
                                          int ldb, long long b_step, const float* beta, void* c, int c_kind, int ldc,
                                          long long c_step, int count, int, int) {
    if (lda < (turn_a ? k : m) || ldb < (turn_b ? n : k) || ldc < m || c_kind != 0 || m < 1 || n < 1 || k < 1) return 7;
    bool a16 = a_kind == 14, b16 = b_kind == 14;
    for (int each = 0; each < count; each++) {
        for (int column = 0; column < n; column++) {
            for (int row = 0; row < m; row++) {
                double sum = 0.0;
                for (int i = 0; i < k; i++) {
                    size_t at_a = each * a_step + (turn_a ? (size_t)row * lda + i : (size_t)i * lda + row);
                    size_t at_b = each * b_step + (turn_b ? (size_t)i * ldb + column : (size_t)column * ldb + i);
                    sum += (double)number(a, at_a, a16) * number(b, at_b, b16);
                }
                float* place = (float*)c + each * c_step + (size_t)column * ldc + row;
                *place = (float)(*alpha * sum) + (*beta != 0.0f ? *beta * *place : 0.0f);
            }
        }
    }
    return 0;
}

// ---- cuDNN: NHWC convolutions ----

struct Description {
    int kind = 0, size[4] = {0, 0, 0, 0}, padding = 0, stride = 0;
};

static int refused() { return is_set("STANDIN_CUDNN", "refuses") ? 3000 : 0; }

extern "C" {
size_t cudnnGetVersion() { return 91900; }
int cudnnCreate(void** handle) { *handle = malloc(1); return 0; }
int cudnnDestroy(void* handle) { free(handle); return 0; }
int cudnnSetStream(void*, void*) { return 0; }
int cudnnCreateTensorDescriptor(Description** made) { *made = new Description; return 0; }
int cudnnDestroyTensorDescriptor(Description* made) { delete made; return 0; }
int cudnnCreateFilterDescriptor(Description** made) { *made = new Description; return 0; }
int cudnnDestroyFilterDescriptor(Description* made) { delete made; return 0; }
int cudnnCreateConvolutionDescriptor(Description** made) { *made = new Description; return 0; }
int cudnnDestroyConvolutionDescriptor(Description* made) { delete made; return 0; }
int cudnnSetTensor4dDescriptor(Description* to, int format, int kind, int n, int c, int h, int w) {
    if (format != 1) return 2000;
    *to = {kind, {n, c, h, w}, 0, 0};
    return 0;
}
int cudnnSetFilter4dDescriptor(Description* to, int kind, int format, int k, int c, int h, int w) {
    if (format != 1) return 2000;
    *to = {kind, {k, c, h, w}, 0, 0};
    return 0;
}
int cudnnSetConvolution2dDescriptor(Description* to, int pad_h, int pad_w, int u, int v, int, int, int mode, int) {
    if (pad_h != pad_w || u != v || mode != 1) return 2000;
    to->padding = pad_h;
    to->stride = u;
    return 0;
}
int cudnnSetConvolutionMathType(Description*, int) { return 0; }
int cudnnGetConvolutionForwardWorkspaceSize(void*, void*, void*, void*, void*, int, size_t* bytes) { *bytes = 64; return refused(); }
int cudnnGetConvolutionBackwardDataWorkspaceSize(void*, void*, void*, void*, void*, int, size_t* bytes) { *bytes = 100; return refused(); }
int cudnnGetConvolutionBackwardFilterWorkspaceSize(void*, void*, void*, void*, void*, int, size_t* bytes) { *bytes = 0; return refused(); }
}

// Calls visit(place in x, place in y, place in w) for every product of a convolution.
template <class Visit>
static void each_product(const Description* x, const Description* y, const Description* w, const Description* conv, Visit visit) {
    int channels = x->size[1], height = x->size[2], width = x->size[3], filters = y->size[1], kernel = w->size[2];
    for (int n = 0; n < y->size[0]; n++)
        for (int oy = 0; oy < y->size[2]; oy++)
            for (int ox = 0; ox < y->size[3]; ox++)
                for (int ky = 0; ky < kernel; ky++)
                    for (int kx = 0; kx < kernel; kx++) {
                        int iy = oy * conv->stride + ky - conv->padding, ix = ox * conv->stride + kx - conv->padding;
                        if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
                        size_t pixel = ((size_t)n * height + iy) * width + ix;
                        size_t output = ((size_t)n * y->size[2] + oy) * y->size[3] + ox;
                        for (int k = 0; k < filters; k++)
                            for (int c = 0; c < channels; c++)
                                visit(pixel * channels + c, output * filters + k,
                                      (((size_t)k * kernel + ky) * kernel + kx) * channels + c);
                    }
}

static size_t values(const Description* of) { return (size_t)of->size[0] * of->size[1] * of->size[2] * of->size[3]; }

// result = the sums (+ result where beta is 1).
static int finish(const std::vector<double>& sums, const Description* of, void* result, float beta) {
    for (size_t i = 0; i < sums.size(); i++) {
        float before = beta != 0.0f ? beta * number(result, i, of->kind == 9) : 0.0f;
        set_number(result, i, of->kind == 9, (float)sums[i] + before);
    }
    return 0;
}

extern "C" {
int cudnnConvolutionForward(void*, const float*, Description* x, const void* x_at, Description* w, const void* w_at,
                            Description* conv, int, void*, size_t, const float* beta, Description* y, void* y_at) {
    if (is_set("STANDIN_CUDNN", "fails")) return 3004;
    std::vector<double> sums(values(y));
    bool narrow = x->kind == 9;
    each_product(x, y, w, conv, [&](size_t i, size_t o, size_t k) {
        sums[o] += (double)number(x_at, i, narrow) * number(w_at, k, narrow);
    });
    return finish(sums, y, y_at, *beta);
}
int cudnnConvolutionBackwardData(void*, const float*, Description* w, const void* w_at, Description* y, const void* dy_at,
                                 Description* conv, int algorithm, void*, size_t, const float* beta, Description* x, void* dx_at) {
    if (is_set("STANDIN_CUDNN", "fails")) return 3004;
    if (algorithm != 1) broken("an algorithm that is not deterministic was chosen");
    std::vector<double> sums(values(x));
    bool narrow = y->kind == 9;
    each_product(x, y, w, conv, [&](size_t i, size_t o, size_t k) {
        sums[i] += (double)number(dy_at, o, narrow) * number(w_at, k, narrow);
    });
    return finish(sums, x, dx_at, *beta);
}
int cudnnConvolutionBackwardFilter(void*, const float*, Description* x, const void* x_at, Description* y, const void* dy_at,
                                   Description* conv, int algorithm, void*, size_t, const float* beta, Description* w, void* dw_at) {
    if (is_set("STANDIN_CUDNN", "fails")) return 3004;
    if (algorithm != 1) broken("an algorithm that is not deterministic was chosen");
    std::vector<double> sums(values(w));
    bool narrow = x->kind == 9;
    each_product(x, y, w, conv, [&](size_t i, size_t o, size_t k) {
        sums[k] += (double)number(x_at, i, narrow) * number(dy_at, o, narrow);
    });
    return finish(sums, w, dw_at, *beta);
}
}
