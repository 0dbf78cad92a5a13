// The losses' gradients and what is observed of rows of logits, in f64, as kernels/softmax.rs has it. A block of 32
// threads a row.

// Gradients below this are 0, as on the CPU.
#define NEGLIGIBLE 1e-30

// Each thread gets the largest value; NaN loses against every number.
__device__ inline double row_largest(double own) {
    __shared__ double places[32];
    places[threadIdx.x] = own;
    __syncthreads();
    double largest = places[0];
    for (int i = 1; i < 32; i++) largest = fmax(largest, places[i]);
    __syncthreads();
    return largest;
}

// `seen` [rows, 4]: cross-entropy, margin and entropy as f32, the predicted class. `gradient` = scale times p -
// onehot(label); of the 0-hinge: 1 at every class above the label, minus their number at the label.
extern "C" __global__ void loss(const float* logits, const u32* labels, float* gradient, u32* seen, int classes,
                                double scale, int hinge) {
    const float* z = logits + (size_t)blockIdx.x * classes;
    int label = labels[blockIdx.x];
    double lowest = -(double)float_of(0x7f800000u), missing = (double)float_of(0x7fc00000u);
    double own = lowest, other = lowest, broken = 0.0;
    for (int i = threadIdx.x; i < classes; i += blockDim.x) {
        own = fmax(own, (double)z[i]);
        if (i != label) other = fmax(other, (double)z[i]);
        if ((bits_of(z[i]) & 0x7f800000u) == 0x7f800000u) broken = 1.0;
    }
    double largest = row_largest(own), rival = row_largest(other);
    bool finite = row_largest(broken) == 0.0;
    double sum = 0.0, weighted = 0.0, first = classes, over = 0.0;
    for (int i = threadIdx.x; i < classes; i += blockDim.x) {
        double shifted = z[i] - largest, power = exp(shifted);
        sum += power;
        weighted += power * shifted;
        if (z[i] >= largest && i < first) first = i;
        if (z[i] > z[label]) over += 1.0;
    }
    Pair total = block_total({sum, weighted});
    int predicted = -(int)row_largest(-first);
    double above = block_total({over, 0.0}).a;
    if (!finite) total.a = missing;
    for (int i = threadIdx.x; i < classes; i += blockDim.x) {
        double slope = exp(z[i] - largest) / total.a - (i == label ? 1.0 : 0.0);
        if (hinge) slope = !finite ? missing : i == label ? -above : z[i] > z[label] ? 1.0 : 0.0;
        double exact = scale * slope;
        gradient[(size_t)blockIdx.x * classes + i] = fabs(exact) < NEGLIGIBLE ? 0.0f : (float)exact;
    }
    if (threadIdx.x == 0) {
        u32* record = seen + 4 * (size_t)blockIdx.x;
        double at_label = z[label];
        record[0] = bits_of((float)(log(total.a) - (at_label - largest)));
        record[1] = bits_of(finite ? (float)(at_label - rival) : (float)missing);
        record[2] = bits_of((float)(log(total.a) - total.b / total.a));
        // All NaN: no class is at least the largest, and the first stands for it.
        record[3] = predicted < classes ? predicted : 0;
    }
}
