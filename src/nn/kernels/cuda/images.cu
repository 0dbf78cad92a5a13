// Batches from the resident data set: gathered, normalised by tables, seen through views.

// `pixels` [examples, channels, height, width]; `tables` [channels, 256]; `batch` holds positions, then views:
// top and left as signed bytes, the flip above them.
extern "C" __global__ void images(const u8* pixels, const float* tables, const u32* batch, float* y, int count,
                                  int examples, int channels, int height, int width) {
    int n = count * channels * height * width;
    EACH(i, n) {
        int channel = i % channels, column = i / channels % width, row = i / channels / width % height;
        u32 index = i / channels / width / height, position = batch[index], view = batch[count + index];
        int top = (signed char)(view & 0xffu), left = (signed char)((view >> 8) & 0xffu);
        int from_row = row + top, from_column = (view >> 16 ? width - 1 - column : column) + left;
        bool inside = from_row >= 0 && from_row < height && from_column >= 0 && from_column < width;
        float value = 0.0f;
        if (inside && position < (u32)examples) {
            size_t place = (((size_t)position * channels + channel) * height + from_row) * width + from_column;
            value = tables[channel * 256 + pixels[place]];
        }
        y[i] = value;
    }
}
