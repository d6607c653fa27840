// What CUDA's C++ has beside C++: a block's threads run one after another, each as far as the next barrier.

#include <math.h>
#include <string.h>
#include <ucontext.h>

#define __global__
#define __device__
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("shared")))
#define threadIdx (current->index)

template <class Number> Number max(Number a, Number b) { return a < b ? b : a; }
template <class Number> Number min(Number a, Number b) { return b < a ? b : a; }

struct Dim {
    unsigned x, y;
};

struct Thread {
    Dim index;
    bool ended;
    ucontext_t context;
    char stack[1 << 15];
};

static Thread threads[1024], *current;
static ucontext_t outside;
static Dim gridDim, blockDim, blockIdx;
static const char *failure;
extern char __start_shared[], __stop_shared[];

static void __syncthreads() { swapcontext(&current->context, &outside); }

// What the compiler's sanitizer calls.
extern "C" void __ubsan_handle_type_mismatch_v1(void *, void *) { failure = "an address that is not aligned"; }
extern "C" void __ubsan_handle_out_of_bounds(void *, void *) { failure = "an index beyond the end of an array"; }

static const void *work;

template <class Kernel>
static void whole() {
    (*static_cast<const Kernel *>(work))();
    current->ended = true;
}

/** Run a kernel with its arguments; return what has gone wrong, or null. */
template <class Kernel>
static const char *launch(Dim grid, Dim block, const Kernel &kernel) {
    const unsigned count = block.x * block.y;
    gridDim = grid, blockDim = block, work = &kernel, failure = nullptr;
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y)
        for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
            // Not a number, as all memory that nobody has written.
            memset(__start_shared, 0xFF, __stop_shared - __start_shared);
            for (unsigned t = 0; t < count; ++t) {
                Thread &thread = threads[t];
                thread.index = {t % block.x, t / block.x};
                thread.ended = false;
                getcontext(&thread.context);
                thread.context.uc_stack.ss_sp = thread.stack;
                thread.context.uc_stack.ss_size = sizeof thread.stack;
                thread.context.uc_link = &outside;
                makecontext(&thread.context, whole<Kernel>, 0);
            }
            for (unsigned ended = 0; ended == 0;) {
                for (unsigned t = 0; t < count; ++t) {
                    current = &threads[t];
                    swapcontext(&outside, &current->context);
                    ended += current->ended;
                }
                if (ended > 0 && ended < count) return "a barrier at which not all threads arrive";
            }
        }
    return failure;
}
