// A GPU that is simulated on the host: what the kernels' sources need of CUDA's language, thread by thread.
//
// A block's threads are fibers: each runs until it waits at __syncthreads or ends, then the next one does. Memory is
// poisoned when it is handed out and fenced, so that reading too early shows as NaN and writing too far stops the test.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <algorithm>
#include <utility>
#include <vector>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

using std::max;
using std::min;
using std::size_t;

struct Three {
    unsigned x = 0, y = 0, z = 0;
};

static thread_local Three threadIdx, blockIdx, blockDim, gridDim;

#define __device__
#define __global__
#define __shared__ static thread_local

void wait_for_the_block();
#define __syncthreads() wait_for_the_block()

// ---- fibers ----

static const size_t STACK = 32 << 10;

#if defined(__x86_64__)
extern "C" void standin_switch(void** from, void* to) __attribute__((visibility("hidden")));
asm(".text\n.globl standin_switch\n.hidden standin_switch\nstandin_switch:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n");
#endif

struct Fiber {
    std::vector<char> stack = std::vector<char>(STACK);
    bool ended = false;
#if defined(__x86_64__)
    void* at = nullptr;
#else
    ucontext_t at;
#endif
};

struct Block {
    std::vector<Fiber> fibers;
    Fiber* current = nullptr;
    void (*body)(void*) = nullptr;
    void* argument = nullptr;
#if defined(__x86_64__)
    void* home = nullptr;
#else
    ucontext_t home;
#endif
};

static thread_local Block block;

static void leave() {
#if defined(__x86_64__)
    standin_switch(&block.current->at, block.home);
#else
    swapcontext(&block.current->at, &block.home);
#endif
}

void wait_for_the_block() { leave(); }

static void fiber_main() {
    block.body(block.argument);
    block.current->ended = true;
    leave();
}

static void prepare(Fiber& fiber) {
    fiber.ended = false;
#if defined(__x86_64__)
    uintptr_t top = (uintptr_t)(fiber.stack.data() + STACK) & ~(uintptr_t)15;
    void** stack = (void**)(top - 8);
    *--stack = (void*)fiber_main;
    for (int i = 0; i < 6; i++) *--stack = nullptr;
    fiber.at = stack;
#else
    getcontext(&fiber.at);
    fiber.at.uc_stack.ss_sp = fiber.stack.data();
    fiber.at.uc_stack.ss_size = STACK;
    fiber.at.uc_link = nullptr;
    makecontext(&fiber.at, fiber_main, 0);
#endif
}

static void place(size_t thread) {
    threadIdx.x = thread % blockDim.x;
    threadIdx.y = thread / blockDim.x;
}

// One block: as fibers where its threads wait for each other, else one call after the other.
static void run_block(void (*body)(void*), void* argument, bool waits) {
    size_t threads = (size_t)blockDim.x * blockDim.y;
    if (!waits) {
        for (size_t i = 0; i < threads; i++) {
            place(i);
            body(argument);
        }
        return;
    }
    block.body = body;
    block.argument = argument;
    if (block.fibers.size() < threads) block.fibers.resize(threads);
    for (size_t i = 0; i < threads; i++) prepare(block.fibers[i]);
    for (bool alive = true; alive;) {
        alive = false;
        for (size_t i = 0; i < threads; i++) {
            Fiber& fiber = block.fibers[i];
            if (fiber.ended) continue;
            place(i);
            block.current = &fiber;
#if defined(__x86_64__)
            standin_switch(&block.home, fiber.at);
#else
            swapcontext(&block.home, &fiber.at);
#endif
            alive |= !fiber.ended;
        }
    }
}

// ---- kernels by name ----

struct Kernel {
    const char* name;
    bool waits;
    void (*run)(void** arguments, bool waits);
};

template <class... A>
struct Call {
    void (*kernel)(A...);
    void** arguments;

    template <size_t... I>
    void now(std::index_sequence<I...>) {
        kernel(*(A*)arguments[I]...);
    }

    static void thread(void* self) { ((Call*)self)->now(std::index_sequence_for<A...>{}); }
};

template <class... A>
void run_grid(void (*kernel)(A...), void** arguments, bool waits) {
    Call<A...> call{kernel, arguments};
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++) {
        for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) run_block(Call<A...>::thread, &call, waits);
    }
}

#define KERNEL(name, waits) {#name, waits, [](void** arguments, bool fibers) { run_grid(name, arguments, fibers); }}
