"""Kernels of our own: normalisation, rectified sums, pooling, dropout.

They go over memory element by element: images are given as the arrays (N, H, W, C) that they are in memory.
All compute in float32, and pass NaN on.
"""

import cupy

_WINDOWS = """
int32 channels, int32 height, int32 width, int32 rows, int32 columns,
int32 size_y, int32 size_x, int32 stride_y, int32 stride_x, int32 pad_y, int32 pad_x
"""
"""Of x: channels, height, width; of y: rows, columns; then the windows."""

_OUTPUT = """
    const int c = i % channels, column = i / channels % columns, row = i / channels / columns % rows;
    const long long image = i / channels / columns / rows * height * width * channels + c;
    const int top = row * stride_y - pad_y, left = column * stride_x - pad_x;
    const int y_begin = max(top, 0), y_end = min(top + size_y, height);
    const int x_begin = max(left, 0), x_end = min(left + size_x, width);
"""
"""Where in x the window of an element of y lies."""

_INPUT = """
    const int c = i % channels, column = i / channels % width, row = i / channels / width % height;
    const long long n = i / channels / width / height;
    const long long image = n * height * width * channels + c;
    const int first_row = max(0, (row + pad_y - size_y + stride_y) / stride_y);
    const int last_row = min(rows - 1, (row + pad_y) / stride_y);
    const int first_column = max(0, (column + pad_x - size_x + stride_x) / stride_x);
    const int last_column = min(columns - 1, (column + pad_x) / stride_x);
    float sum = 0;
    for (int r = first_row; r <= last_row; ++r) for (int s = first_column; s <= last_column; ++s) {
        const float gradient = gy[((n * rows + r) * columns + s) * channels + c];
"""
"""Which windows an element of x is in."""

max_pooling = cupy.ElementwiseKernel(
    'raw T x,' + _WINDOWS,
    'T y',
    _OUTPUT
    + """
    float best = -1.0f / 0.0f;
    for (int h = y_begin; h < y_end; ++h) for (int w = x_begin; w < x_end; ++w) {
        const float value = x[image + (long long)(h * width + w) * channels];
        if (value > best || value != value) best = value;
    }
    y = T(best);
    """,
    'vgg_cifar_max_pooling',
)

max_pooling_gradient = cupy.ElementwiseKernel(
    'raw T x, raw T gy,' + _WINDOWS,
    'T gx',
    _INPUT
    + """
        const int top = r * stride_y - pad_y, left = s * stride_x - pad_x;
        float best = -1.0f / 0.0f;
        int where = -1;
        for (int h = max(top, 0); h < min(top + size_y, height); ++h)
            for (int w = max(left, 0); w < min(left + size_x, width); ++w) {
                const float value = x[image + (long long)(h * width + w) * channels];
                if (where < 0 || value > best) { best = value; where = h * width + w; }
            }
        if (where == row * width + column) sum += gradient;
    }
    gx = T(sum);
    """,
    'vgg_cifar_max_pooling_gradient',
)

average_pooling = cupy.ElementwiseKernel(
    'raw T x,' + _WINDOWS,
    'T y',
    _OUTPUT
    + """
    float sum = 0;
    for (int h = y_begin; h < y_end; ++h) for (int w = x_begin; w < x_end; ++w)
        sum += float(x[image + (long long)(h * width + w) * channels]);
    y = T(sum / (size_y * size_x));
    """,
    'vgg_cifar_average_pooling',
)

average_pooling_gradient = cupy.ElementwiseKernel(
    'raw T gy,' + _WINDOWS,
    'T gx',
    _INPUT
    + """
        sum += gradient;
    }
    gx = T(sum / (size_y * size_x));
    """,
    'vgg_cifar_average_pooling_gradient',
)

rectified = cupy.ElementwiseKernel(
    'T x, float32 slope',
    'T y',
    'const float v = x; y = T(v < 0 ? slope * v : v);',
    'vgg_cifar_rectified',
)

rectified_sum = cupy.ElementwiseKernel(
    'T x, S shortcut, float32 slope',
    'T y',
    'const float v = float(x) + float(shortcut); y = T(v < 0 ? slope * v : v);',
    'vgg_cifar_rectified_sum',
)

rectified_gradient = cupy.ElementwiseKernel(
    'T y, T gy, float32 slope',
    'T gx',
    'gx = float(y) > 0 ? gy : T(slope * float(gy));',
    'vgg_cifar_rectified_gradient',
)

dropout = cupy.ElementwiseKernel(
    'T x, raw uint64 key, uint64 layer, uint32 threshold, float32 scale',
    'T y',
    """
    const unsigned long long drawn = mixed(mixed(mixed(key[0]) + key[1]) + layer) + i;
    y = T((unsigned int)(mixed(drawn) >> 32) >= threshold ? scale * float(x) : 0.0f);
    """,
    'vgg_cifar_dropout',
    # SplitMix64's finaliser (Steele, Lea and Flood, 2014).
    preamble="""
    __device__ unsigned long long mixed(unsigned long long z) {
        z += 0x9E3779B97F4A7C15ull;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        return z ^ (z >> 31);
    }
    """,
)

_ROWS = """
    const int c = i % channels;
    const long long begin = i / channels * step, end = min(begin + step, (long long)count);
"""
"""Which of `count` rows an element of a result, one of (count / step, channels), sums up."""

moments = cupy.ElementwiseKernel(
    'raw T x, int64 count, int32 step, int32 channels',
    'float32 mean, float32 squares',
    _ROWS
    + """
    mean = 0; squares = 0;
    for (long long row = begin; row < end; ++row) {
        const float value = x[row * channels + c], before = value - mean;
        mean += before / (row - begin + 1);
        squares += before * (value - mean);
    }
    """,
    'vgg_cifar_moments',
)
"""Means, and sums of squared deviations from them (Welford, 1962)."""

joined_moments = cupy.ElementwiseKernel(
    'raw float32 means, raw float32 sums, int64 count, int32 step, int32 channels, int64 rows, int64 each',
    'float32 mean, float32 squares',
    _ROWS
    + """
    float n = 0;
    mean = 0; squares = 0;
    for (long long part = begin; part < end; ++part) {
        const float m = min(rows - part * each, (long long)each), apart = means[part * channels + c] - mean;
        n += m;
        mean += apart * m / n;
        squares += sums[part * channels + c] + apart * apart * m * (n - m) / n;
    }
    """,
    'vgg_cifar_joined_moments',
)
"""The same of parts of `each` rows, of which there are `rows` in all (Chan, Golub and LeVeque, 1979)."""

normalised = cupy.ElementwiseKernel(
    """
    T x, raw float32 mean, raw float32 inverse, raw float32 gamma, raw float32 beta,
    int32 channels, int32 relu
    """,
    'T y',
    """
    const int c = i % channels;
    const float v = (float(x) - mean[c]) * inverse[c] * gamma[c] + beta[c];
    y = T(relu && v < 0 ? 0.0f : v);
    """,
    'vgg_cifar_normalised',
)

statistics = cupy.ElementwiseKernel(
    'float32 mean, float32 squares, float32 shift, int64 count, float32 eps, float32 decay',
    'float32 inverse, float32 running_mean, float32 running_var',
    """
    inverse = 1 / sqrt(squares / count + eps);
    running_mean = decay * running_mean + (1 - decay) * (mean + shift);
    running_var = decay * running_var + (1 - decay) * squares / max(count - 1, (long long)1);
    """,
    'vgg_cifar_statistics',
)
"""`shift` is what was left out of the mean; the running variance is the unbiased one."""

gradient_sums = cupy.ElementwiseKernel(
    """
    raw T x, raw T gy, raw float32 mean, raw float32 inverse, raw float32 gamma, raw float32 beta,
    int64 count, int32 step, int32 channels, int32 relu
    """,
    'float32 ggamma, float32 gbeta',
    _ROWS
    + """
    ggamma = 0; gbeta = 0;
    for (long long row = begin; row < end; ++row) {
        const float normal = (float(x[row * channels + c]) - mean[c]) * inverse[c];
        if (relu && normal * gamma[c] + beta[c] <= 0) continue;
        const float gradient = gy[row * channels + c];
        ggamma += gradient * normal;
        gbeta += gradient;
    }
    """,
    'vgg_cifar_gradient_sums',
)

sums = cupy.ElementwiseKernel(
    'raw T x, int64 count, int32 step, int32 channels',
    'float32 sum',
    _ROWS + 'sum = 0; for (long long row = begin; row < end; ++row) sum += float(x[row * channels + c]);',
    'vgg_cifar_sums',
)

normalised_gradient = cupy.ElementwiseKernel(
    """
    T x, T gy, raw float32 mean, raw float32 inverse, raw float32 gamma, raw float32 beta,
    raw float32 ggamma, raw float32 gbeta, int64 count, int32 channels, int32 relu
    """,
    'T gx',
    """
    const int c = i % channels;
    const float normal = (float(x) - mean[c]) * inverse[c];
    const float gradient = relu && normal * gamma[c] + beta[c] <= 0 ? 0.0f : float(gy);
    gx = T((gradient - (gbeta[c] + normal * ggamma[c]) / count) * gamma[c] * inverse[c]);
    """,
    'vgg_cifar_normalised_gradient',
)

_SOFTMAX = """
    float most = scores[row * classes];
    for (int k = 1; k < classes; ++k) most = max(most, scores[row * classes + k]);
    float sum = 0;
    for (int k = 0; k < classes; ++k) sum += exp(scores[row * classes + k] - most);
"""

cross_entropy = cupy.ElementwiseKernel(
    'raw float32 scores, raw L labels, int32 classes',
    'float32 loss, float32 right',
    'const long long row = i;'
    + _SOFTMAX
    + """
    int first = 0;
    for (int k = 1; k < classes; ++k)
        if (scores[row * classes + k] > scores[row * classes + first]) first = k;
    loss = log(sum) + most - scores[row * classes + labels[row]];
    right = first == labels[row];
    """,
    'vgg_cifar_cross_entropy',
)

cross_entropy_gradient = cupy.ElementwiseKernel(
    'raw float32 scores, raw L labels, raw float32 gradient, int32 count, int32 classes',
    'float32 gx',
    'const long long row = i / classes;'
    + _SOFTMAX
    + 'gx = (exp(scores[i] - most) / sum - (i % classes == labels[row])) * gradient[0] / count;',
    'vgg_cifar_cross_entropy_gradient',
)
