// NVIDIA's type of this name, as far as our kernels use it.

struct __nv_bfloat16 {
    unsigned short bits;
    __nv_bfloat16() = default;
    explicit __nv_bfloat16(float value) {
        unsigned u;
        memcpy(&u, &value, 4);
        bits = value != value ? 0x7FFF : (u + 0x7FFF + (u >> 16 & 1)) >> 16;
    }
    operator float() const {
        const unsigned u = unsigned(bits) << 16;
        float value;
        memcpy(&value, &u, 4);
        return value;
    }
};
