// Kernels of our own; kernels.py launches them, and puts in front of this
//
//   T   the type of an array's elements: float, __half or __nv_bfloat16; it is computed in float;
//   V   how many neighbouring channels a thread takes at once: 16 bytes of them, or 1;
//   P   the type of a place in a window of max pooling: its greatest value stands for none.
//
// Arrays have their channels last, without gaps: (rows, channels), where a row may be a pixel of an image.
// NaN passes on. What is added up is added up in an order that shapes and types alone decide.

constexpr int THREADS = 256;

/** Neighbouring elements, as one load or store. */
template <class E>
struct alignas(V * sizeof(E)) Vector {
    E at[V];
};

template <class E>
struct Pair {
    Vector<E> first, second;
};

template <class E>
__device__ Vector<E> loaded(const E *from) {
    return *reinterpret_cast<const Vector<E> *>(from);
}

template <class E>
__device__ void store(const Vector<E> &values, E *to) {
    *reinterpret_cast<Vector<E> *>(to) = values;
}

/** What a thread has to do: V channels, from `channel` on, of every blockDim.y-th row from `row` to `end`. */
struct Share {
    int channel;
    long long row, end;
};

/** Blocks take `each` rows. Threads beyond the last channel have no rows, but wait for the others. */
__device__ Share share(long long rows, long long each, int channels) {
    const int channel = (blockIdx.x * blockDim.x + threadIdx.x) * V;
    const long long begin = blockIdx.y * each;
    return {channel, begin + threadIdx.y, channel < channels ? min(begin + each, rows) : 0};
}

/**
 * Use what is loaded of begin, begin + step, ... below end, in this order; N loads are on their way at once.
 *
 * The last load is made again where there are fewer: with a branch between them, loads would wait for each other.
 */
template <int N, class Index, class Load, class Use>
__device__ void over(Index begin, Index end, int step, Load load, Use use) {
    for (Index i = begin; i < end; i += N * step) {
        decltype(load(i)) values[N];
#pragma unroll
        for (int k = 0; k < N; ++k) values[k] = load(min(i + k * step, end - 1));
#pragma unroll
        for (int k = 0; k < N; ++k)
            if (i + k * step < end) use(values[k], i + k * step);
    }
}

/** Replace the values of a block's threads by their sums over those of equal channels. */
__device__ void add_up(float (&values)[V]) {
    __shared__ float shared[V][THREADS];
    const int thread = threadIdx.y * blockDim.x + threadIdx.x;
    __syncthreads();  // Everybody has read the sums before.
    for (int k = 0; k < V; ++k) shared[k][thread] = values[k];
    for (int rows = blockDim.y / 2; rows > 0; rows /= 2) {
        __syncthreads();
        if (threadIdx.y < rows)
            for (int k = 0; k < V; ++k) shared[k][thread] += shared[k][thread + rows * blockDim.x];
    }
    __syncthreads();
    for (int k = 0; k < V; ++k) values[k] = shared[k][threadIdx.x];
}

/** Write the sums over a block's rows, which all of its threads have; to begins at this block's row. */
__device__ void write(const float (&values)[V], int channel, int channels, float *to) {
    if (threadIdx.y == 0 && channel < channels)
        for (int k = 0; k < V; ++k) to[channel + k] = values[k];
}

extern "C" __global__ void __launch_bounds__(THREADS, 3)
sums(const T *__restrict__ x, long long rows, long long each, int channels, float *__restrict__ found) {
    const Share mine = share(rows, each, channels);
    float sum[V] = {};
    over<4>(
        mine.row, mine.end, blockDim.y, [&](long long row) { return loaded(x + row * channels + mine.channel); },
        [&](const Vector<T> &value, long long) {
            for (int k = 0; k < V; ++k) sum[k] += float(value.at[k]);
        });
    add_up(sum);
    write(sum, mine.channel, channels, found + (long long)blockIdx.y * channels);
}

/**
 * Of each block's rows the means, and the sums of squared deviations from them (Welford, 1962).
 *
 * The means are of differences from the first row of all, which stay small where the mean is far from 0.
 */
extern "C" __global__ void __launch_bounds__(THREADS, 3)
moments(const T *__restrict__ x, long long rows, long long each, int channels,
        float *__restrict__ firsts, float *__restrict__ means, float *__restrict__ squares) {
    const Share mine = share(rows, each, channels);
    float first[V] = {}, mean[V] = {}, sum[V], square[V] = {};
    if (mine.channel < channels) {
        const Vector<T> value = loaded(x + mine.channel);
        for (int k = 0; k < V; ++k) first[k] = value.at[k];
    }
    if (blockIdx.y == 0) write(first, mine.channel, channels, firsts);
    float count = 0;
    over<4>(
        mine.row, mine.end, blockDim.y, [&](long long row) { return loaded(x + row * channels + mine.channel); },
        [&](const Vector<T> &value, long long) {
            const float part = 1 / ++count;
            for (int k = 0; k < V; ++k) {
                const float moved = float(value.at[k]) - first[k], before = moved - mean[k];
                mean[k] = fmaf(before, part, mean[k]);
                square[k] = fmaf(before, moved - mean[k], square[k]);
            }
        });
    const float part = 1.0f / min(each, rows - blockIdx.y * each);
    for (int k = 0; k < V; ++k) sum[k] = count * mean[k];
    add_up(sum);
    for (int k = 0; k < V; ++k) {
        sum[k] *= part;
        const float apart = mean[k] - sum[k];
        square[k] = fmaf(count * apart, apart, square[k]);
    }
    add_up(square);
    write(sum, mine.channel, channels, means + (long long)blockIdx.y * channels);
    write(square, mine.channel, channels, squares + (long long)blockIdx.y * channels);
}

/**
 * Join what `moments` has found; update the running statistics, of which the variance is the unbiased one.
 *
 * One block in y. `bias` is what was left out of the mean.
 */
extern "C" __global__ void __launch_bounds__(THREADS)
statistics(const float *__restrict__ firsts, const float *__restrict__ means,
           const float *__restrict__ squares, const float *__restrict__ bias,
           long long rows, long long each, int channels, float eps, float decay,
           float *__restrict__ mean, float *__restrict__ inverse,
           float *__restrict__ running_mean, float *__restrict__ running_var) {
    const Share mine = share((rows + each - 1) / each, rows, channels);
    float center[V] = {}, square[V] = {};
    const auto mean_of = [&](long long part) { return loaded(means + part * channels + mine.channel); };
    over<4>(mine.row, mine.end, blockDim.y, mean_of, [&](const Vector<float> &value, long long part) {
        const float count = min(each, rows - part * each);
        for (int k = 0; k < V; ++k) center[k] = fmaf(count, value.at[k], center[k]);
    });
    add_up(center);
    for (int k = 0; k < V; ++k) center[k] = center[k] / rows;
    const auto both_of = [&](long long part) {
        return Pair<float>{mean_of(part), loaded(squares + part * channels + mine.channel)};
    };
    over<4>(mine.row, mine.end, blockDim.y, both_of, [&](const Pair<float> &of, long long part) {
        const float count = min(each, rows - part * each);
        for (int k = 0; k < V; ++k) {
            const float apart = of.first.at[k] - center[k];
            square[k] += fmaf(count * apart, apart, of.second.at[k]);
        }
    });
    add_up(square);
    if (threadIdx.y > 0 || mine.channel >= channels) return;
    for (int k = 0; k < V; ++k) {
        const int c = mine.channel + k;
        mean[c] = firsts[c] + center[k];
        inverse[c] = 1 / sqrtf(square[k] / rows + eps);
        running_mean[c] = decay * running_mean[c] + (1 - decay) * (mean[c] + bias[c]);
        running_var[c] = decay * running_var[c] + (1 - decay) * (square[k] / max(rows - 1, 1ll));
    }
}

/** How a thread's channels are normalised. Forwards and backwards the same, so that ReLU cuts the same. */
struct Scale {
    float mean[V], factor[V], beta[V];

    __device__ Scale(int channel, int channels, const float *means, const float *inverse, const float *gamma,
                     const float *betas) {
        for (int k = 0; k < V; ++k) {
            const bool there = channel < channels;
            mean[k] = there ? means[channel + k] : 0;
            factor[k] = there ? inverse[channel + k] * gamma[channel + k] : 0;
            beta[k] = there ? betas[channel + k] : 0;
        }
    }
    __device__ float moved(T value, int k) const { return float(value) - mean[k]; }
    __device__ float scaled(float moved, int k) const { return fmaf(moved, factor[k], beta[k]); }
};

extern "C" __global__ void __launch_bounds__(THREADS)
normalised(const T *__restrict__ x, const float *__restrict__ mean, const float *__restrict__ inverse,
           const float *__restrict__ gamma, const float *__restrict__ beta,
           long long rows, long long each, int channels, int relu, T *__restrict__ y) {
    const Share mine = share(rows, each, channels);
    const Scale scale(mine.channel, channels, mean, inverse, gamma, beta);
    over<4>(
        mine.row, mine.end, blockDim.y, [&](long long row) { return loaded(x + row * channels + mine.channel); },
        [&](const Vector<T> &value, long long row) {
            Vector<T> made;
            for (int k = 0; k < V; ++k) {
                const float scaled = scale.scaled(scale.moved(value.at[k], k), k);
                made.at[k] = T(relu && scaled < 0 ? 0.0f : scaled);
            }
            store(made, y + row * channels + mine.channel);
        });
}

/** Each block's part of the gradients of gamma and beta, (blocks, 2, channels). */
extern "C" __global__ void __launch_bounds__(THREADS, 3)
gradient_sums(const T *__restrict__ x, const T *__restrict__ gy,
              const float *__restrict__ mean, const float *__restrict__ inverse,
              const float *__restrict__ gamma, const float *__restrict__ beta,
              long long rows, long long each, int channels, int relu, float *__restrict__ found) {
    const Share mine = share(rows, each, channels);
    const Scale scale(mine.channel, channels, mean, inverse, gamma, beta);
    float of_gamma[V] = {}, of_beta[V] = {};
    const auto both_of = [&](long long row) {
        const long long place = row * channels + mine.channel;
        return Pair<T>{loaded(x + place), loaded(gy + place)};
    };
    over<2>(mine.row, mine.end, blockDim.y, both_of, [&](const Pair<T> &of, long long) {
        for (int k = 0; k < V; ++k) {
            const float moved = scale.moved(of.first.at[k], k);
            const float g = relu && scale.scaled(moved, k) <= 0 ? 0.0f : float(of.second.at[k]);
            of_gamma[k] = fmaf(g, moved, of_gamma[k]);
            of_beta[k] += g;
        }
    });
    add_up(of_gamma);
    add_up(of_beta);
    if (mine.channel < channels)
        for (int k = 0; k < V; ++k) of_gamma[k] *= inverse[mine.channel + k];
    write(of_gamma, mine.channel, channels, found + 2ll * blockIdx.y * channels);
    write(of_beta, mine.channel, channels, found + (2ll * blockIdx.y + 1) * channels);
}

extern "C" __global__ void __launch_bounds__(THREADS, 3)
normalised_gradient(const T *__restrict__ x, const T *__restrict__ gy,
                    const float *__restrict__ mean, const float *__restrict__ inverse,
                    const float *__restrict__ gamma, const float *__restrict__ beta,
                    const float *__restrict__ ggamma, const float *__restrict__ gbeta,
                    long long rows, long long each, int channels, int relu, T *__restrict__ gx) {
    const Share mine = share(rows, each, channels);
    const Scale scale(mine.channel, channels, mean, inverse, gamma, beta);
    const float part = 1.0f / rows;
    float slope[V] = {}, mean_gradient[V] = {};
    if (mine.channel < channels)
        for (int k = 0; k < V; ++k) {
            const int c = mine.channel + k;
            slope[k] = inverse[c] * ggamma[c] * part;
            mean_gradient[k] = gbeta[c] * part;
        }
    const auto both_of = [&](long long row) {
        const long long place = row * channels + mine.channel;
        return Pair<T>{loaded(x + place), loaded(gy + place)};
    };
    over<2>(mine.row, mine.end, blockDim.y, both_of, [&](const Pair<T> &of, long long row) {
        Vector<T> made;
        for (int k = 0; k < V; ++k) {
            const float moved = scale.moved(of.first.at[k], k);
            const float g = relu && scale.scaled(moved, k) <= 0 ? 0.0f : float(of.second.at[k]);
            made.at[k] = T(scale.factor[k] * (g - fmaf(slope[k], moved, mean_gradient[k])));
        }
        store(made, gx + row * channels + mine.channel);
    });
}

/** From (images, channels, area) to (images, area, V): fewer channels than V are filled up with zeros. */
extern "C" __global__ void __launch_bounds__(THREADS)
widened(const float *__restrict__ x, int channels, long long area, long long pixels, T *__restrict__ y) {
    for (long long i = blockIdx.x * (long long)THREADS + threadIdx.x; i < pixels;
         i += (long long)gridDim.x * THREADS) {
        const long long image = i / area;
        Vector<T> pixel;
        for (int k = 0; k < V; ++k)
            pixel.at[k] = T(k < channels ? x[(image * (channels - 1) + k) * area + i] : 0.0f);
        store(pixel, y + i * V);
    }
}

// Of x: channels, height, width; of y: rows, columns; then the windows.
#define WINDOWS                                                                           \
    int channels, int height, int width, int rows, int columns, int size_y, int size_x, \
        int stride_y, int stride_x, int pad_y, int pad_x

/** Where a pixel is. */
struct Pixel {
    long long image;
    int row, column;

    __device__ Pixel(long long number, int rows, int columns) {
        // Divisions of 64 bits would take longer than all the rest.
        if (number >> 32 == 0) {
            const unsigned line = unsigned(number) / columns;
            image = line / rows, row = line % rows, column = unsigned(number) % columns;
        } else {
            const long long line = number / columns;
            image = line / rows, row = line % rows, column = number % columns;
        }
    }
};

/** The part of a window of y that is inside of x. */
struct Window {
    int top, left, y_begin, y_end, x_begin, x_end;

    __device__ Window(Pixel of, int height, int width, int size_y, int size_x, int stride_y, int stride_x,
                      int pad_y, int pad_x)
        : top(of.row * stride_y - pad_y), left(of.column * stride_x - pad_x),
          y_begin(max(top, 0)), y_end(min(top + size_y, height)),
          x_begin(max(left, 0)), x_end(min(left + size_x, width)) {}
};

/** Which windows of y a pixel of x is in, the last ones included. */
struct Windows {
    int first_row, last_row, first_column, last_column;

    __device__ Windows(Pixel of, int rows, int columns, int size_y, int size_x, int stride_y, int stride_x,
                       int pad_y, int pad_x)
        : first_row(max(0, (of.row + pad_y - size_y + stride_y) / stride_y)),
          last_row(min(rows - 1, (of.row + pad_y) / stride_y)),
          first_column(max(0, (of.column + pad_x - size_x + stride_x) / stride_x)),
          last_column(min(columns - 1, (of.column + pad_x) / stride_x)) {}
};

/** Maxima, or their ReLU, and the place of the first one, or of the first NaN, in its window: none where ReLU
 *  leaves 0. `pixels` are those of y. */
extern "C" __global__ void __launch_bounds__(THREADS)
max_pooling(const T *__restrict__ x, WINDOWS, long long pixels, long long each, int relu,
            T *__restrict__ y, P *__restrict__ places) {
    const Share mine = share(pixels, each, channels);
    for (long long number = mine.row; number < mine.end; number += blockDim.y) {
        const Pixel pixel(number, rows, columns);
        const Window window(pixel, height, width, size_y, size_x, stride_y, stride_x, pad_y, pad_x);
        float best[V];
        int place[V];
        for (int k = 0; k < V; ++k) best[k] = -1.0f / 0.0f, place[k] = -1;
        for (int h = window.y_begin; h < window.y_end; ++h) {
            const T *const line = x + (pixel.image * height + h) * width * channels + mine.channel;
            over<2>(
                window.x_begin, window.x_end, 1, [&](int w) { return loaded(line + (long long)w * channels); },
                [&](const Vector<T> &values, int w) {
                    for (int k = 0; k < V; ++k) {
                        const float value = values.at[k];
                        if (place[k] < 0 || (best[k] == best[k] && !(value <= best[k]))) {
                            best[k] = value;
                            place[k] = (h - window.top) * size_x + w - window.left;
                        }
                    }
                });
        }
        Vector<T> maxima;
        Vector<P> kept;
        for (int k = 0; k < V; ++k) {
            maxima.at[k] = T(relu && best[k] < 0 ? 0.0f : best[k]);
            kept.at[k] = P(relu && !(best[k] > 0) ? -1 : place[k]);
        }
        store(maxima, y + number * channels + mine.channel);
        store(kept, places + number * channels + mine.channel);
    }
}

/** `pixels` are those of x. */
extern "C" __global__ void __launch_bounds__(THREADS)
max_pooling_gradient(const T *__restrict__ gy, const P *__restrict__ places, WINDOWS,
                     long long pixels, long long each, T *__restrict__ gx) {
    const Share mine = share(pixels, each, channels);
    for (long long number = mine.row; number < mine.end; number += blockDim.y) {
        const Pixel pixel(number, height, width);
        const Windows in(pixel, rows, columns, size_y, size_x, stride_y, stride_x, pad_y, pad_x);
        float sum[V] = {};
        for (int r = in.first_row; r <= in.last_row; ++r)
            for (int s = in.first_column; s <= in.last_column; ++s) {
                const long long where = ((pixel.image * rows + r) * columns + s) * channels + mine.channel;
                const Vector<T> gradient = loaded(gy + where);
                const Vector<P> maxima = loaded(places + where);
                const P here = (pixel.row - r * stride_y + pad_y) * size_x + pixel.column - s * stride_x + pad_x;
                for (int k = 0; k < V; ++k)
                    if (maxima.at[k] == here) sum[k] += float(gradient.at[k]);
            }
        Vector<T> found;
        for (int k = 0; k < V; ++k) found.at[k] = T(sum[k]);
        store(found, gx + number * channels + mine.channel);
    }
}

// Windows of 2 x 2 pixels that cover x, and each pixel once: `columns` are y's, and `pixels`.

/** The first pixel of x in the window of one of y: as far from the beginning as that, and its line twice. */
__device__ long long first_of(long long number, int columns) {
    const long long line = number >> 32 == 0 ? unsigned(number) / columns : number / columns;
    return 2 * (number + line * columns);
}

/** As max_pooling. */
extern "C" __global__ void __launch_bounds__(THREADS)
max_halving(const T *__restrict__ x, int channels, int columns, long long pixels, long long each, int relu,
            T *__restrict__ y, P *__restrict__ places) {
    const Share mine = share(pixels, each, channels);
    const long long line = 2ll * columns * channels;
    for (long long number = mine.row; number < mine.end; number += blockDim.y) {
        const T *const at = x + first_of(number, columns) * channels + mine.channel;
        const Vector<T> values[4] = {loaded(at), loaded(at + channels), loaded(at + line),
                                     loaded(at + line + channels)};
        Vector<T> maxima;
        Vector<P> kept;
        for (int k = 0; k < V; ++k) {
            float best = values[0].at[k];
            int place = 0;
#pragma unroll
            for (int i = 1; i < 4; ++i) {
                const float value = values[i].at[k];
                if (best == best && !(value <= best)) best = value, place = i;
            }
            maxima.at[k] = T(relu && best < 0 ? 0.0f : best);
            kept.at[k] = P(relu && !(best > 0) ? -1 : place);
        }
        store(maxima, y + number * channels + mine.channel);
        store(kept, places + number * channels + mine.channel);
    }
}

struct Maxima {
    Vector<T> gradients;
    Vector<P> places;
};

/** As max_pooling_gradient. */
extern "C" __global__ void __launch_bounds__(THREADS)
max_halving_gradient(const T *__restrict__ gy, const P *__restrict__ places, int channels, int columns,
                     long long pixels, long long each, T *__restrict__ gx) {
    const Share mine = share(pixels, each, channels);
    const long long line = 2ll * columns * channels;
    const auto both_of = [&](long long number) {
        const long long place = number * channels + mine.channel;
        return Maxima{loaded(gy + place), loaded(places + place)};
    };
    over<2>(mine.row, mine.end, blockDim.y, both_of, [&](const Maxima &of, long long number) {
        T *const at = gx + first_of(number, columns) * channels + mine.channel;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            Vector<T> found;
            for (int k = 0; k < V; ++k)
                found.at[k] = of.places.at[k] == P(i) ? of.gradients.at[k] : T(0.0f);
            store(found, at + i / 2 * line + i % 2 * channels);
        }
    });
}

extern "C" __global__ void __launch_bounds__(THREADS)
average_pooling(const T *__restrict__ x, WINDOWS, long long pixels, long long each, T *__restrict__ y) {
    const Share mine = share(pixels, each, channels);
    const float part = 1.0f / (size_y * size_x);
    for (long long number = mine.row; number < mine.end; number += blockDim.y) {
        const Pixel pixel(number, rows, columns);
        const Window window(pixel, height, width, size_y, size_x, stride_y, stride_x, pad_y, pad_x);
        float sum[V] = {};
        for (int h = window.y_begin; h < window.y_end; ++h) {
            const T *const line = x + (pixel.image * height + h) * width * channels + mine.channel;
            over<2>(
                window.x_begin, window.x_end, 1, [&](int w) { return loaded(line + (long long)w * channels); },
                [&](const Vector<T> &values, int) {
                    for (int k = 0; k < V; ++k) sum[k] += float(values.at[k]);
                });
        }
        Vector<T> means;
        for (int k = 0; k < V; ++k) means.at[k] = T(sum[k] * part);
        store(means, y + number * channels + mine.channel);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
average_pooling_gradient(const T *__restrict__ gy, WINDOWS, long long pixels, long long each,
                         T *__restrict__ gx) {
    const Share mine = share(pixels, each, channels);
    const float part = 1.0f / (size_y * size_x);
    for (long long number = mine.row; number < mine.end; number += blockDim.y) {
        const Pixel pixel(number, height, width);
        const Windows in(pixel, rows, columns, size_y, size_x, stride_y, stride_x, pad_y, pad_x);
        float sum[V] = {};
        for (int r = in.first_row; r <= in.last_row; ++r)
            for (int s = in.first_column; s <= in.last_column; ++s) {
                const long long where = (pixel.image * rows + r) * columns + s;
                const Vector<T> gradient = loaded(gy + where * channels + mine.channel);
                for (int k = 0; k < V; ++k) sum[k] += float(gradient.at[k]);
            }
        Vector<T> found;
        for (int k = 0; k < V; ++k) found.at[k] = T(sum[k] * part);
        store(found, gx + number * channels + mine.channel);
    }
}

// Every V-th element of `size`, dealt out among all threads; V divides the size.
#define EVERY_VECTOR(i)                                                              \
    for (long long i = (blockIdx.x * (long long)THREADS + threadIdx.x) * V; i < size; \
         i += (long long)gridDim.x * THREADS * V)

/** What slope makes of x below 0; where that is nothing, infinity becomes 0 too. */
__device__ float below(float slope, float x) { return slope == 0 ? 0.0f : slope * x; }

extern "C" __global__ void __launch_bounds__(THREADS)
rectified(const T *__restrict__ x, float slope, long long size, T *__restrict__ y) {
    EVERY_VECTOR(i) {
        Vector<T> value = loaded(x + i);
        for (int k = 0; k < V; ++k) {
            const float v = value.at[k];
            value.at[k] = T(v < 0 ? below(slope, v) : v);
        }
        store(value, y + i);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
rectified_sum(const T *__restrict__ x, const T *__restrict__ added, float slope, long long size,
              T *__restrict__ y) {
    EVERY_VECTOR(i) {
        Vector<T> value = loaded(x + i);
        const Vector<T> other = loaded(added + i);
        for (int k = 0; k < V; ++k) {
            const float v = float(value.at[k]) + float(other.at[k]);
            value.at[k] = T(v < 0 ? below(slope, v) : v);
        }
        store(value, y + i);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
rectified_gradient(const T *__restrict__ y, const T *__restrict__ gy, float slope, long long size,
                   T *__restrict__ gx) {
    EVERY_VECTOR(i) {
        const Vector<T> value = loaded(y + i);
        Vector<T> gradient = loaded(gy + i);
        for (int k = 0; k < V; ++k)
            if (!(float(value.at[k]) > 0)) gradient.at[k] = T(below(slope, gradient.at[k]));
        store(gradient, gx + i);
    }
}

/** A batch: of images of bytes those of some rows, as numbers from 0 to 1, and their labels. */
extern "C" __global__ void __launch_bounds__(THREADS)
gathered(const unsigned char *__restrict__ images, const int *__restrict__ labels,
         const long long *__restrict__ rows, long long pixels, long long size,
         float *__restrict__ x, int *__restrict__ y) {
    EVERY_VECTOR(i) {
        const long long row = i / pixels, pixel = i - row * pixels;
        const Vector<unsigned char> bytes = loaded(images + rows[row] * pixels + pixel);
        Vector<float> values;
        for (int k = 0; k < V; ++k) values.at[k] = bytes.at[k] / 255.0f;
        store(values, x + i);
        if (pixel == 0) y[row] = labels[rows[row]];
    }
}

/** SplitMix64's finaliser (Steele, Lea and Flood, 2014). */
__device__ unsigned long long mixed(unsigned long long z) {
    z += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

/** The numbers are a function of the key (seed, step), the layer and the element. */
extern "C" __global__ void __launch_bounds__(THREADS)
dropout(const T *__restrict__ x, const unsigned long long *__restrict__ key, unsigned long long layer,
        unsigned threshold, float scale, long long size, T *__restrict__ y) {
    const unsigned long long drawn = mixed(mixed(mixed(key[0]) + key[1]) + layer);
    EVERY_VECTOR(i) {
        Vector<T> value = loaded(x + i);
        for (int k = 0; k < V; ++k) {
            const bool stays = unsigned(mixed(drawn + i + k) >> 32) >= threshold;
            value.at[k] = T(stays ? scale * float(value.at[k]) : 0.0f);
        }
        store(value, y + i);
    }
}

/** Of a row of scores the first that is highest, and the sum of all softmax's terms. */
struct Softmax {
    int first;
    float most, sum;

    __device__ Softmax(const float *scores, int classes) : first(0), sum(0) {
        for (int k = 1; k < classes; ++k)
            if (scores[k] > scores[first]) first = k;
        most = scores[first];
        for (int k = 0; k < classes; ++k) sum += expf(scores[k] - most);
    }
};

/** The mean loss, and the part of the rows whose label has the highest score: one block, one thread wide. */
extern "C" __global__ void __launch_bounds__(THREADS)
cross_entropy(const float *__restrict__ scores, const int *__restrict__ labels, long long rows, int classes,
              float *__restrict__ loss, float *__restrict__ accuracy) {
    float losses[V] = {}, right[V] = {};
    for (long long row = threadIdx.y; row < rows; row += blockDim.y) {
        const float *const here = scores + row * classes;
        const Softmax softmax(here, classes);
        losses[0] += logf(softmax.sum) + softmax.most - here[labels[row]];
        right[0] += softmax.first == labels[row];
    }
    add_up(losses);
    add_up(right);
    if (threadIdx.y > 0) return;
    *loss = losses[0] / rows;
    *accuracy = right[0] / rows;
}

extern "C" __global__ void __launch_bounds__(THREADS)
cross_entropy_gradient(const float *__restrict__ scores, const int *__restrict__ labels,
                       const float *__restrict__ gradient, long long rows, int classes,
                       float *__restrict__ gx) {
    const long long row = blockIdx.x * (long long)THREADS + threadIdx.x;
    if (row >= rows) return;
    const float *const here = scores + row * classes;
    const Softmax softmax(here, classes);
    for (int k = 0; k < classes; ++k)
        gx[row * classes + k] = (expf(here[k] - softmax.most) / softmax.sum - (k == labels[row])) * *gradient / rows;
}
