// NVIDIA's type of this name, as far as our kernels use it; the compiler is told of AVX's conversions.

typedef float floats __attribute__((vector_size(16)));
typedef short shorts __attribute__((vector_size(16)));

struct __half {
    unsigned short bits;
    __half() = default;
    explicit __half(float value) : bits(__builtin_ia32_vcvtps2ph(floats{value}, 0)[0]) {}
    operator float() const { return __builtin_ia32_vcvtph2ps(shorts{short(bits)})[0]; }
};
