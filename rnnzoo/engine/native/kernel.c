/* Native kernels of rnnzoo for x86-64 and other CPUs: whole layers of LSTM, GRU and Elman's network, forward and backward.
 *
 * One call runs all time steps of a layer: the product of the inputs, the loop with the recurrent product and the equations,
 * and backward the gradients of inputs, states and weights. Inputs and outputs are batch-major, [batch, time, features].
 *
 * The columns of a layer, its units times their blocks (gates), are divided into panels of `group` units and `width` columns.
 * In a panel the blocks of a cell lie one behind the other, each `group` wide:
 *   LSTM             input, forget, candidate, output       (without forget gate: input, candidate, output)
 *   GRU              candidate of x, update, reset, candidate of h; x takes part in the first three, h in the last three
 *   Elman            the unit itself
 * All sums have a fixed order that depends on the shapes alone, so that results are the same bits for any number of threads.
 *
 * No header of TensorFlow is needed: the prototypes below are its stable C API (tensorflow/c/ops.h, kernels.h, tf_tensor.h).
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__AVX__)
#include <immintrin.h>
#endif

#ifndef RNNZOO_SUFFIX
#define RNNZOO_SUFFIX "Development"
#endif

/* ------------------------------------------------------------------------------------------------ vectors */
#if defined(__AVX512F__)
#define LANES 16
#define MAX_VECTORS 4 /* of a row in registers, beside 6 rows */
#elif defined(__AVX__)
#define LANES 8
#define MAX_VECTORS 2
#else
#define LANES 4
#define MAX_VECTORS 2
#endif
#define ROWS 6      /* of a micro kernel */
#define WIDE 64     /* columns of a panel of transposed weights */
#define K_BLOCK 128 /* rows of a panel that stay in the first-level cache */
#define STEP_ROWS 256 /* rows (time step x batch) of a block of time steps, for each slice of the batch */
#define MAX_SLICES 2  /* of the batch, whose weight gradients are summed apart, so that two threads share no rows */

typedef float vec __attribute__((vector_size(LANES * 4), may_alias));
typedef float vec_u __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t vec_i __attribute__((vector_size(LANES * 4)));
#define INLINE static inline __attribute__((always_inline))

INLINE vec all(float x) { return (vec){0} + x; }
#if LANES == 16 /* a NaN in x stays NaN: the second operand of the instruction is returned */
INLINE vec at_least(vec x, vec low) { return (vec)_mm512_max_ps((__m512)low, (__m512)x); }
INLINE vec at_most(vec x, vec high) { return (vec)_mm512_min_ps((__m512)high, (__m512)x); }
INLINE vec reciprocal(vec d) {
  vec r = (vec)_mm512_rcp14_ps((__m512)d);
  return r * (2.0f - d * r);
}
#elif LANES == 8
INLINE vec at_least(vec x, vec low) { return (vec)_mm256_max_ps((__m256)low, (__m256)x); }
INLINE vec at_most(vec x, vec high) { return (vec)_mm256_min_ps((__m256)high, (__m256)x); }
INLINE vec reciprocal(vec d) { return 1.0f / d; }
#else
INLINE vec blend(vec_i m, vec a, vec b) { return (vec)(((vec_i)a & m) | ((vec_i)b & ~m)); }
INLINE vec at_least(vec x, vec low) { return blend(x < low, low, x); }
INLINE vec at_most(vec x, vec high) { return blend(x > high, high, x); }
INLINE vec reciprocal(vec d) { return 1.0f / d; }
#endif

#if LANES == 16
INLINE vec one_plus_exponential(vec x) { /* 1 + e^-x, to 2e-7; limited to 2^100, so that products stay finite */
  vec t = at_most(x * -1.44269504f, all(100.0f));
  vec n = (vec)_mm512_roundscale_ps((__m512)t, 8); /* the nearest integer */
  vec r = t - n;                                   /* 2^r by a minimax polynomial */
  vec p = r * 0.001326472731307149f + 0.009671512991189957f;
  p = p * r + 0.05550733581185341f;
  p = p * r + 0.24022242426872253f;
  p = p * r + 0.6931470036506653f;
  p = p * r + 1.0f;
  return 1.0f + (vec)_mm512_scalef_ps((__m512)p, (__m512)n);
}
#else
INLINE vec one_plus_exponential(vec x) { /* e^-x of Cephes; the range keeps results finite and away from denormals */
  x = at_most(at_least(-x, all(-87.0f)), all(69.0f));
  vec t = x * 1.44269504f + 12582912.0f; /* rounded to an integer in the low bits */
  vec n = t - 12582912.0f;
  vec r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
  return 1.0f + (vec)((vec_i)p + ((vec_i)t << 23));
}
#endif
INLINE vec sigmoid(vec x) { return reciprocal(one_plus_exponential(x)); }

typedef struct Quotient {
  vec p, q;
} Quotient;
INLINE Quotient tangent_parts(vec x) { /* the hyperbolic tangent p / q, a rational approximation, to 3e-7 */
  x = at_most(at_least(x, all(-7.90531110763549805f)), all(7.90531110763549805f));
  vec y = x * x;
  vec p = y * -2.76076847742355e-16f + 2.00018790482477e-13f;
  p = p * y + -8.60467152213735e-11f;
  p = p * y + 5.12229709037114e-08f;
  p = p * y + 1.48572235717979e-05f;
  p = p * y + 6.37261928875436e-04f;
  p = p * y + 4.89352455891786e-03f;
  vec q = y * 1.19825839466702e-06f + 1.18534705686654e-04f;
  q = q * y + 2.26843463243900e-03f;
  q = q * y + 4.89352518554385e-03f;
  return (Quotient){p * x, q};
}
INLINE vec hyperbolic_tangent(vec x) {
  Quotient t = tangent_parts(x);
  return t.p * reciprocal(t.q);
}
INLINE vec load_part(const float* from, long n) { /* the first n numbers, and zeros */
  if (n >= LANES) return *(const vec_u*)from;
  vec r = {0};
  for (long i = 0; i < n; i++) r[i] = from[i];
  return r;
}
INLINE void store_part(float* to, vec x, long n) {
  if (n >= LANES) {
    *(vec_u*)to = x;
    return;
  }
  for (long i = 0; i < n; i++) to[i] = x[i];
}
#define AT(p) (*(vec*)(p))

/* ------------------------------------------------------------------------------------------------ products */
typedef struct Left { /* the left matrix of a product: element (row, outer, inner) */
  const float* data;
  long row, outer, inner; /* distances */
} Left;

/* C[R][V * LANES] = F + sum over outer and inner of A * B, where the rows of B lie `b_row` numbers apart */
#define MICRO(R, V)                                                                                              \
  static void micro_##R##_##V(long outer, long inner, Left a, const float* b, long b_row, const float* f,         \
                              long f_row, float* c, long c_row) {                                                \
    vec sum[R][V];                                                                                               \
    _Pragma("GCC unroll 8") for (int r = 0; r < R; r++)                                                          \
      _Pragma("GCC unroll 4") for (int n = 0; n < V; n++) sum[r][n] = *(const vec_u*)(f + r * f_row + n * LANES); \
    for (long o = 0; o < outer; o++) {                                                                           \
      const float* p = a.data + o * a.outer;                                                                     \
      for (long k = 0; k < inner; k++, p += a.inner, b += b_row) {                                               \
        vec x[V];                                                                                                \
        _Pragma("GCC unroll 4") for (int n = 0; n < V; n++) x[n] = *(const vec_u*)(b + n * LANES);                \
        _Pragma("GCC unroll 8") for (int r = 0; r < R; r++) {                                                    \
          float s = p[r * a.row];                                                                                \
          _Pragma("GCC unroll 4") for (int n = 0; n < V; n++) sum[r][n] += x[n] * s;                              \
        }                                                                                                        \
      }                                                                                                          \
    }                                                                                                            \
    _Pragma("GCC unroll 8") for (int r = 0; r < R; r++)                                                          \
      _Pragma("GCC unroll 4") for (int n = 0; n < V; n++) *(vec_u*)(c + r * c_row + n * LANES) = sum[r][n];       \
  }
typedef void (*Micro)(long, long, Left, const float*, long, const float*, long, float*, long);
#define MICRO_ROWS(V) MICRO(1, V) MICRO(2, V) MICRO(3, V) MICRO(4, V) MICRO(5, V) MICRO(6, V)
#define MICRO_NAMES(V) {micro_1_##V, micro_2_##V, micro_3_##V, micro_4_##V, micro_5_##V, micro_6_##V}
MICRO_ROWS(1)
MICRO_ROWS(2)
#if MAX_VECTORS == 4
MICRO_ROWS(3)
MICRO_ROWS(4)
static const Micro MICROS[MAX_VECTORS][ROWS] = {MICRO_NAMES(1), MICRO_NAMES(2), MICRO_NAMES(3), MICRO_NAMES(4)};
#else
static const Micro MICROS[MAX_VECTORS][ROWS] = {MICRO_NAMES(1), MICRO_NAMES(2)};
#endif

/* C[rows][columns] = F + A B, where F is one row if f_row is 0; columns is a multiple of LANES */
static void multiply_add(long rows, long outer, long inner, Left a, const float* b, long b_row, long columns,
                         const float* f, long f_row, float* c, long c_row) {
  if (!rows) return;
  const long vectors = columns / LANES, blocks = (rows + ROWS - 1) / ROWS, height = rows / blocks, higher = rows % blocks;
  for (long n = 0; n < vectors; n += MAX_VECTORS) {
    const Micro* micros = MICROS[(vectors - n < MAX_VECTORS ? vectors - n : MAX_VECTORS) - 1] - 1;
    for (long i = 0, r = 0; i < blocks; i++) { /* blocks of nearly equal height */
      const long end = r + height + (i < higher), at = n * LANES;
      Left block = a;
      block.data += r * a.row;
      micros[end - r](outer, inner, block, b + at, b_row, f + r * f_row + at, f_row, c + r * c_row + at, c_row);
      r = end;
    }
  }
}
/* C[rows][columns] += A B */
static void multiply(long rows, long outer, long inner, Left a, const float* b, long b_row, long columns, float* c,
                     long c_row) {
  multiply_add(rows, outer, inner, a, b, b_row, columns, c, c_row, c, c_row);
}

/* ------------------------------------------------------------------------------------------------ threads */
typedef struct Team { /* the threads of one call */
  int size;
  atomic_int arrived, phase;
} Team;

#define SPINS 4000 /* pauses, some 100 microseconds, before a waiting thread gives way to others */
INLINE void pause_thread(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void barrier(Team* team) {
  if (team->size == 1) return;
  int phase = atomic_load_explicit(&team->phase, memory_order_relaxed);
  if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) == team->size - 1) {
    atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&team->phase, phase + 1, memory_order_release);
    return;
  }
  for (long i = 0; atomic_load_explicit(&team->phase, memory_order_acquire) == phase; i++) {
    if (i > SPINS) sched_yield();
    else pause_thread();
  }
}

static void flush_denormals(void) { /* as in TensorFlow's own threads: with them saturated gates are 30 times as slow */
#if defined(__SSE__)
  __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
#endif
}

#define MAX_THREADS 64
static struct {
  pthread_mutex_t busy, lock;
  pthread_cond_t wake, done;
  int limit, started, wanted;
  atomic_int running;
  long round;
  void (*job)(void*, int);
  void* argument;
} pool = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER};

int rnnzoo_vector_bits(void) { return LANES * 32; }
void rnnzoo_set_threads(int limit) { pool.limit = limit; } /* 0: one for each core */

static void* work(void* p) {
  int id = (int)(intptr_t)p;
  flush_denormals();
  pthread_mutex_lock(&pool.lock);
  for (long seen = 0;;) {
    while (pool.round == seen || id >= pool.wanted) {
      seen = pool.round;
      pthread_cond_wait(&pool.wake, &pool.lock);
    }
    seen = pool.round;
    pthread_mutex_unlock(&pool.lock);
    pool.job(pool.argument, id);
    bool last = atomic_fetch_sub_explicit(&pool.running, 1, memory_order_acq_rel) == 1;
    pthread_mutex_lock(&pool.lock);
    if (last) pthread_cond_signal(&pool.done);
  }
  return NULL;
}

static void start_anew(void) { /* in the child of a fork, which has none of the threads */
  pool.started = 0;
  pthread_mutex_init(&pool.busy, NULL);
  pthread_mutex_init(&pool.lock, NULL);
  pthread_cond_init(&pool.wake, NULL);
  pthread_cond_init(&pool.done, NULL);
}

static int num_cores(void) {
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
  if (pool.limit > 0 && pool.limit < n) n = pool.limit;
  return n < MAX_THREADS ? n : MAX_THREADS;
}

/* runs job(argument, 0 .. team->size - 1), after the calls of other threads */
static void run_team(int wanted, Team* team, void (*job)(void*, int), void* argument) {
  team->size = 1;
  atomic_init(&team->arrived, 0);
  atomic_init(&team->phase, 0);
  if (wanted <= 1) {
    job(argument, 0);
    return;
  }
  pthread_mutex_lock(&pool.busy); /* calls take turns: side by side they would compete for the same cores */
  pthread_mutex_lock(&pool.lock);
  static bool hooked;
  if (!hooked) hooked = true, pthread_atfork(NULL, NULL, start_anew);
  for (; pool.started < wanted - 1; pool.started++) {
    pthread_t id;
    if (pthread_create(&id, NULL, work, (void*)(intptr_t)(pool.started + 1))) break;
    pthread_detach(id);
  }
  team->size = pool.started + 1 < wanted ? pool.started + 1 : wanted;
  pool.job = job, pool.argument = argument, pool.wanted = team->size, pool.round++;
  atomic_store_explicit(&pool.running, team->size - 1, memory_order_relaxed);
  pthread_cond_broadcast(&pool.wake);
  pthread_mutex_unlock(&pool.lock);
  job(argument, 0);
  for (long i = 0; i < SPINS && atomic_load_explicit(&pool.running, memory_order_acquire); i++) pause_thread();
  pthread_mutex_lock(&pool.lock);
  while (atomic_load_explicit(&pool.running, memory_order_acquire)) pthread_cond_wait(&pool.done, &pool.lock);
  pthread_mutex_unlock(&pool.lock);
  pthread_mutex_unlock(&pool.busy);
}

/* the part of 0 .. n - 1, in multiples of `unit`, of one of several threads */
static void share(long n, int parts, int id, long unit, long* first, long* end) {
  long units = (n + unit - 1) / unit;
  *first = units * id / parts * unit;
  *end = units * (id + 1) / parts * unit;
  if (*end > n) *end = n;
  if (*first > n) *first = n;
}

/* ------------------------------------------------------------------------------------------------ cells */
enum { TANH, SIGMOID, RELU };
enum { LSTM, LSTM_1997, GRU_AFTER, GRU_BEFORE, ELMAN, NUM_CELLS };

typedef struct Shape { /* of the panels of a cell */
  int group, width, blocks;   /* units, columns, blocks of the weights */
  int x_first, x_columns;     /* columns in which the inputs take part */
  int h_first, h_columns;     /* columns in which the state takes part, as a summand */
  int x_block[4], h_block[4]; /* for each block of these columns its block in the weights */
  int states;
} Shape;

static const Shape SHAPES[NUM_CELLS] = {
    [LSTM] = {16, 64, 4, 0, 64, 0, 64, {0, 1, 2, 3}, {0, 1, 2, 3}, 2},
    [LSTM_1997] = {16, 48, 3, 0, 48, 0, 48, {0, 1, 2}, {0, 1, 2}, 2},
    [GRU_AFTER] = {16, 64, 3, 0, 48, 16, 48, {2, 0, 1}, {0, 1, 2}, 1},
    [GRU_BEFORE] = {16, 48, 3, 0, 48, 16, 32, {2, 0, 1}, {0, 1}, 1},
    [ELMAN] = {64, 64, 1, 0, 64, 0, 64, {0}, {0}, 1},
};

typedef struct Layer { /* one call */
  Team team;
  Shape shape;
  int cell, activation;
  bool by_units, reverse, save; /* threads share the units, not the rows of the batch */
  long B, T, D, H;              /* batch, time, features, units */
  long P, Hp, steps;            /* panels, padded units, time steps of a block */
  long slice[MAX_SLICES + 1];   /* the first row of each slice of the batch, and the end */
  int slices;
  const float *x, *w, *u, *b, *h0, *c0, *drop;
  const bool* mask;
  float *y, *hT, *cT;
  float *z, *cells;              /* pre-activations, then gates, [block][P][rows][width]; [time + 1][batch][Hp] */
  float *pw, *pu, *pr;           /* panels of W, of U, and of U for the reset state */
  float *hs, *hd, *rh;           /* states, states with dropout, reset states: [batch][Hp], the first two twice */
  int* first;                    /* the first valid time step of each row, in the order of reading */
  const float *dy, *dhT, *dcT;
  float *dx, *dw, *du, *db, *dh0, *dc0;
  float *ptu, *ptw, *ptr;        /* panels of the transposes, [columns / WIDE][P * h_columns][WIDE] */
  float *dz, *a, *sums;          /* gradients of z in a block; left matrix and sums of the weight gradients */
  float *carry, *product, *dc, *d_reset, *dxs;
} Layer;

INLINE long source_step(const Layer* s, long t) { return s->reverse ? s->T - 1 - t : t; }
INLINE bool is_masked(const Layer* s, long b, long t) { return s->mask && !s->mask[b * s->T + source_step(s, t)]; }
INLINE long x_width(const Layer* s) { return (s->D + WIDE - 1) / WIDE * WIDE; }

/* panels [P][rows][columns] of a matrix [rows][blocks * H] */
static void pack(const Layer* s, const float* w, long rows, int columns, const int* block, long p0, long p1, float* to) {
  const int G = s->shape.group;
  const long H = s->H, row = s->shape.blocks * H;
  for (long p = p0; p < p1; p++)
    for (long k = 0; k < rows; k++)
      for (int j = 0; j < columns; j += G) {
        const float* from = w + k * row + block[j / G] * H + p * G;
        float* out = to + (p * rows + k) * columns + j;
        long n = H - p * G < G ? H - p * G : G;
        memcpy(out, from, n * sizeof(float));
        memset(out + n, 0, (G - n) * sizeof(float));
      }
}

/* panels [rows / WIDE][P * columns][WIDE] of the transpose of a matrix [rows][blocks * H] */
static void pack_transpose(const Layer* s, const float* w, long rows, int columns, const int* block, long q0, long q1,
                           float* to) {
  const int G = s->shape.group;
  const long H = s->H, row = s->shape.blocks * H;
  for (long q = q0; q < q1; q++)
    for (long p = 0; p < s->P; p++)
      for (int j = 0; j < columns; j += G)
        for (int i = 0; i < G; i++) {
          float* out = to + ((q * s->P + p) * columns + j + i) * WIDE;
          const float* from = w + q * WIDE * row + block[j / G] * H + p * G + i;
          bool real = p * G + i < H;
          for (int c = 0; c < WIDE; c++) out[c] = real && q * WIDE + c < rows ? from[c * row] : 0;
        }
}

/* the equations of one time step, for a panel and rows b0 .. b1; z holds pre-activations before and gates after */
typedef struct Cursor {
  long p, t, now, b0, b1; /* panel, time step in the block and in the sequence, rows */
  float* z;               /* of the panel and the time step, [batch][width] */
} Cursor;

INLINE vec activate(int kind, vec x) {
  return kind == TANH ? hyperbolic_tangent(x) : kind == SIGMOID ? sigmoid(x) : at_least(x, all(0));
}
INLINE vec slope(int kind, vec y) { /* of an activation, from its value */
  if (kind == TANH) return 1.0f - y * y;
  if (kind == SIGMOID) return y * (1.0f - y);
  vec r;
  for (int i = 0; i < LANES; i++) r[i] = y[i] > 0 ? 1.0f : 0.0f;
  return r;
}

static void reset_state(const Layer* s, const Cursor* at) { /* GRU_BEFORE: update and reset gate, and the reset state */
  const float* h = (s->drop ? s->hd : s->hs) + at->now % 2 * s->B * s->Hp;
  for (long b = at->b0; b < at->b1; b++)
    for (int j = 0; j < 16; j += LANES) {
      float* z = at->z + b * 48 + j;
      AT(z + 16) = sigmoid(AT(z + 16));
      AT(z + 32) = sigmoid(AT(z + 32));
      AT(s->rh + b * s->Hp + at->p * 16 + j) = AT(z + 32) * AT(h + b * s->Hp + at->p * 16 + j);
    }
}

INLINE void step_of(const Layer* s, const Cursor* at, const int cell) { /* compiled for each cell */
  const int G = cell == ELMAN ? 64 : 16, W = s->shape.width, middle = W - 2 * G, last = W - G;
  const long now = at->now, B = s->B, H = s->H, Hp = s->Hp, T = s->T, p = at->p * G;
  const bool save = s->save;
  const int activation = s->activation, *first = s->first;
  const float *h_old = s->hs + now % 2 * B * Hp, *c_old = s->cells + (save ? now : 0) * B * Hp, *drop = s->drop;
  float *h_new = s->hs + (now + 1) % 2 * B * Hp, *c_new = s->cells + (save ? now + 1 : 0) * B * Hp;
  float *hd = s->hd + (now + 1) % 2 * B * Hp, *y = s->y ? s->y + now * H : NULL;
  for (long b = at->b0; b < at->b1; b++) {
    const bool skip = is_masked(s, b, now), started = now >= first[b];
    for (int j = 0; j < G; j += LANES) {
      float* z = at->z + b * W + j;
      const long unit = p + j, i = b * Hp + unit;
      vec h;
      if (cell == LSTM || cell == LSTM_1997) {
        Quotient g = tangent_parts(AT(z + middle));
        vec d_in = one_plus_exponential(AT(z)), d_out = one_plus_exponential(AT(z + last)), c = AT(c_old + i);
        vec r = reciprocal(d_in * g.q), kept = g.p * r; /* i * g, with one division */
        if (cell == LSTM) {
          vec forget = sigmoid(AT(z + G));
          kept += forget * c;
          if (save) AT(z + G) = forget;
        } else {
          kept += c;
        }
        Quotient t = tangent_parts(kept);
        vec r_out = reciprocal(d_out * t.q);
        h = t.p * r_out; /* o * tanh(c) */
        if (save) AT(z) = g.q * r, AT(z + middle) = g.p * (d_in * r), AT(z + last) = t.q * r_out;
        AT(c_new + i) = skip ? c : kept;
      } else if (cell == ELMAN) {
        h = activate(activation, AT(z));
        if (save) AT(z) = h;
      } else {
        vec update, candidate;
        if (cell == GRU_AFTER) {
          vec reset = sigmoid(AT(z + 2 * G)), d_update = one_plus_exponential(AT(z + G));
          Quotient g = tangent_parts(AT(z) + reset * AT(z + 3 * G));
          vec r = reciprocal(d_update * g.q);
          update = g.q * r, candidate = g.p * (d_update * r);
          if (save) AT(z + G) = update, AT(z + 2 * G) = reset;
        } else {
          update = AT(z + G);
          candidate = hyperbolic_tangent(AT(z));
        }
        if (save) AT(z) = candidate;
        h = candidate + update * (AT(h_old + i) - candidate);
      }
      if (skip) h = AT(h_old + i);
      AT(h_new + i) = h;
      if (drop) AT(hd + i) = h * load_part(drop + b * H + unit, H - unit > 0 ? H - unit : 0);
      if (y && unit < H) store_part(y + b * T * H + unit, started ? h : (vec){0}, H - unit);
    }
  }
}

static void step(const Layer* s, const Cursor* at) {
  switch (s->cell) {
    case LSTM: step_of(s, at, LSTM); break;
    case LSTM_1997: step_of(s, at, LSTM_1997); break;
    case GRU_AFTER: step_of(s, at, GRU_AFTER); break;
    case GRU_BEFORE: step_of(s, at, GRU_BEFORE); break;
    default: step_of(s, at, ELMAN);
  }
}

static void forward(void* argument, int id) {
  Layer* s = argument;
  const int n = s->team.size, G = s->shape.group, W = s->shape.width;
  const long B = s->B, T = s->T, D = s->D, H = s->H, Hp = s->Hp, block_rows = s->steps * B;
  long b0 = 0, b1 = B, p0 = 0, p1 = s->P, q0, q1;
  share(s->P, n, id, 1, &q0, &q1);
  pack(s, s->w, D, s->shape.x_columns, s->shape.x_block, q0, q1, s->pw);
  pack(s, s->u, H, s->shape.h_columns, s->shape.h_block, q0, q1, s->pu);
  if (s->cell == GRU_BEFORE) pack(s, s->u, H, G, (int[]){2}, q0, q1, s->pr);
  if (s->by_units) share(s->P, n, id, 1, &p0, &p1);
  else share(B, n, id, 1, &b0, &b1);
  for (long b = b0; b < b1; b++) {
    long first = 0;
    while (first < T && is_masked(s, b, first)) first++;
    if (p0 == 0) s->first[b] = (int)first;
    for (long j = p0 * G; j < p1 * G; j++) {
      float h = j < H ? s->h0[b * H + j] : 0;
      s->hs[b * Hp + j] = h;
      if (s->drop) s->hd[b * Hp + j] = j < H ? h * s->drop[b * H + j] : 0;
      if (s->c0) s->cells[b * Hp + j] = j < H ? s->c0[b * H + j] : 0;
    }
  }
  barrier(&s->team);
  for (long t0 = 0; t0 < T; t0 += s->steps) {
    const long steps = T - t0 < s->steps ? T - t0 : s->steps;
    float* z_block = s->z + (s->save ? t0 / s->steps * s->P * block_rows * W : 0);
    for (long p = p0; p < p1; p++) { /* bias and inputs */
      float bias[WIDE] = {0}, *z = z_block + p * block_rows * W;
      for (int j = 0; j < W && s->b; j++) {
        long unit = p * G + j % G;
        int x = (j - s->shape.x_first) / G, h = (j - s->shape.h_first) / G;
        if (unit >= H) continue;
        if (x < s->shape.x_columns / G) bias[j] = s->b[s->shape.x_block[x] * H + unit];
        if (s->cell == GRU_AFTER && j >= s->shape.h_first) bias[j] += s->b[(3 + s->shape.h_block[h]) * H + unit];
      }
      const int columns = s->shape.x_columns; /* the first ones; the others get the bias alone */
      for (long t = 0; t < steps && columns < W; t++)
        for (long b = b0; b < b1; b++) memcpy(z + (t * B + b) * W + columns, bias + columns, (W - columns) * sizeof(float));
      for (long k = 0; k < D; k += K_BLOCK)
        for (long t = 0; t < steps; t++) {
          Left a = {s->x + (b0 * T + source_step(s, t0 + t)) * D + k, T * D, 0, 1};
          float* c = z + (t * B + b0) * W;
          multiply_add(b1 - b0, 1, D - k < K_BLOCK ? D - k : K_BLOCK, a, s->pw + (p * D + k) * columns, columns, columns,
                       k ? c : bias, k ? W : 0, c, W);
        }
    }
    for (long t = 0; t < steps; t++) {
      const long now = t0 + t;
      const float* h = (s->drop ? s->hd : s->hs) + now % 2 * B * Hp;
      for (int phase = 0; phase < (s->cell == GRU_BEFORE ? 2 : 1); phase++) {
        for (long i = p0; i < p1; i++) {
          const long p = now % 2 ? p0 + p1 - 1 - i : i; /* to and fro: the last panels are still in the cache */
          Cursor at = {p, t, now, b0, b1, z_block + (p * block_rows + t * B) * W};
          const float* from = phase ? s->rh : h;
          const float* panel = phase ? s->pr + p * H * G : s->pu + p * H * s->shape.h_columns;
          const int columns = phase ? G : s->shape.h_columns, first = phase ? 0 : s->shape.h_first;
          for (long k = 0; k < H; k += K_BLOCK) {
            Left a = {from + b0 * Hp + k, Hp, 0, 1};
            multiply(b1 - b0, 1, H - k < K_BLOCK ? H - k : K_BLOCK, a, panel + k * columns, columns, columns,
                     at.z + b0 * W + first, W);
          }
          if (s->cell == GRU_BEFORE && !phase) reset_state(s, &at);
          else step(s, &at);
        }
        if (s->by_units) barrier(&s->team);
      }
    }
  }
  const float *h = s->hs + T % 2 * B * Hp, *c = s->cells + (s->save ? T : 0) * B * Hp;
  for (long b = b0; b < b1; b++)
    for (long j = p0 * G; j < p1 * G && j < H; j++) {
      s->hT[b * H + j] = h[b * Hp + j];
      if (s->cT) s->cT[b * H + j] = c[b * Hp + j];
    }
}

/* ------------------------------------------------------------------------------------------------ backward */
/* the state before a time step, from the outputs; padded units are zeros */
INLINE vec previous_state(const Layer* s, long b, long now, long unit) {
  const float* from = now <= s->first[b] ? s->h0 + b * s->H : s->y + (b * s->T + now - 1) * s->H;
  return load_part(from + unit, s->H - unit > 0 ? s->H - unit : 0);
}
INLINE vec dropped(const Layer* s, vec h, long b, long unit) {
  if (s->drop) h *= load_part(s->drop + b * s->H + unit, s->H - unit > 0 ? s->H - unit : 0);
  return h;
}

INLINE void step_gradient_of(const Layer* s, const Cursor* at, float* dz_panel, const int cell) {
  const int G = cell == ELMAN ? 64 : 16, W = s->shape.width, middle = W - 2 * G, last = W - G, activation = s->activation;
  const long now = at->now, B = s->B, H = s->H, Hp = s->Hp, T = s->T, p = at->p * G;
  const float *dy = s->dy ? s->dy + now * H : NULL, *drop = s->drop;
  const float *c_old = s->cells + now * B * Hp, *c_new = s->cells + (now + 1) * B * Hp;
  float *carry = s->carry, *product = s->product, *d_cell = s->dc;
  for (long b = at->b0; b < at->b1; b++) {
    const bool skip = is_masked(s, b, now), started = now >= s->first[b];
    for (int j = 0; j < G; j += LANES) {
      const long unit = p + j, i = b * Hp + unit, left = H - unit > 0 ? H - unit : 0;
      const float* z = at->z + b * W + j;
      float* dz = dz_panel + b * W + j;
      if (dy) __builtin_prefetch(dy + b * T * H + unit - H, 0, 2); /* of the next step; far apart in memory */
      vec dh = AT(product + i), next = {0};
      if (drop) dh *= load_part(drop + b * H + unit, left);
      dh += AT(carry + i);
      if (dy && left && started) dh += load_part(dy + b * T * H + unit, left);
      AT(product + i) = (vec){0};
      if (skip) {
        for (int k = 0; k < W; k += G) AT(dz + k) = (vec){0};
        AT(carry + i) = dh;
        continue;
      }
      if (cell == LSTM || cell == LSTM_1997) {
        vec in = AT(z), candidate = AT(z + middle), out = AT(z + last), c = hyperbolic_tangent(AT(c_new + i));
        vec dc = AT(d_cell + i) + dh * out * (1.0f - c * c);
        AT(dz) = dc * candidate * in * (1.0f - in);
        AT(dz + middle) = dc * in * (1.0f - candidate * candidate);
        AT(dz + last) = dh * c * out * (1.0f - out);
        if (cell == LSTM) {
          vec forget = AT(z + G);
          AT(dz + G) = dc * AT(c_old + i) * forget * (1.0f - forget);
          dc *= forget;
        }
        AT(d_cell + i) = dc;
      } else if (cell == ELMAN) {
        AT(dz) = dh * slope(activation, AT(z));
      } else {
        vec candidate = AT(z), update = AT(z + G), reset = AT(z + 2 * G), h = previous_state(s, b, now, unit);
        vec d = dh * (1.0f - update) * (1.0f - candidate * candidate);
        AT(dz) = d;
        AT(dz + G) = dh * (h - candidate) * update * (1.0f - update);
        if (cell == GRU_AFTER) {
          AT(dz + 2 * G) = d * AT(z + 3 * G) * reset * (1.0f - reset);
          AT(dz + 3 * G) = d * reset;
        }
        next = dh * update;
      }
      AT(carry + i) = next;
    }
  }
}

static void step_gradient(const Layer* s, const Cursor* at, float* dz_panel) {
  switch (s->cell) {
    case LSTM: step_gradient_of(s, at, dz_panel, LSTM); break;
    case LSTM_1997: step_gradient_of(s, at, dz_panel, LSTM_1997); break;
    case GRU_AFTER: step_gradient_of(s, at, dz_panel, GRU_AFTER); break;
    case GRU_BEFORE: step_gradient_of(s, at, dz_panel, GRU_BEFORE); break;
    default: step_gradient_of(s, at, dz_panel, ELMAN);
  }
}

static void reset_gradient(const Layer* s, const Cursor* at, float* dz_panel) { /* GRU_BEFORE: from that of the reset state */
  for (long b = at->b0; b < at->b1; b++)
    for (int j = 0; j < 16; j += LANES) {
      const long unit = at->p * 16 + j, i = b * s->Hp + unit;
      float* dz = dz_panel + b * 48 + j;
      if (is_masked(s, b, at->now)) {
        AT(dz + 32) = (vec){0}; /* and the product adds nothing */
        continue;
      }
      vec d = AT(s->d_reset + i), reset = AT(at->z + b * 48 + j + 32);
      vec h = dropped(s, previous_state(s, b, at->now, unit), b, unit);
      AT(dz + 32) = d * h * reset * (1.0f - reset);
      AT(s->product + i) = d * reset;
    }
}

/* the product of gradients [P][rows][width] with the transpose of weights, for rows and columns q0 .. q1 */
static void multiply_transpose(const Layer* s, const float* dz, long p_distance, long rows, int first, int columns,
                               const float* panels, long q0, long q1, long end, float* to, long to_row, bool back) {
  for (long i = q0; i < q1; i++) {
    const long q = back ? q0 + q1 - 1 - i : i; /* to and fro: the last panels are still in the cache */
    long width = end - q * WIDE < WIDE ? (end - q * WIDE + 15) / 16 * 16 : WIDE;
    for (long p = 0; p < s->P; p += 2) { /* two panels of weights stay in the cache */
      Left a = {dz + p * p_distance + first, s->shape.width, p_distance, 1};
      multiply(rows, s->P - p < 2 ? 1 : 2, columns, a, panels + (q * s->P + p) * columns * WIDE, WIDE, width,
               to + q * WIDE, to_row);
    }
  }
}

typedef struct Part { /* of the left matrix of the weight gradients, in chunks of ROWS numbers */
  long numbers, chunk;
  int first, columns; /* of the gradients that it multiplies */
} Part;
enum { X_PART, H_PART, RESET_PART, ONE_PART, NUM_PARTS };

INLINE long chunks(long n) { return (n + ROWS - 1) / ROWS; }
static void parts_of(const Layer* s, Part part[NUM_PARTS]) {
  const Shape* c = &s->shape;
  long resets = s->cell == GRU_BEFORE ? s->H : 0;
  part[X_PART] = (Part){s->D, 0, c->x_first, c->x_columns};
  part[H_PART] = (Part){s->H, chunks(s->D), c->h_first, c->h_columns};
  part[RESET_PART] = (Part){resets, part[H_PART].chunk + chunks(s->H), 0, c->group};
  part[ONE_PART] = (Part){1, part[RESET_PART].chunk + chunks(resets), 0, c->width};
}
static long num_chunks(const Layer* s) { return chunks(s->D) + chunks(s->H) * (s->cell == GRU_BEFORE ? 2 : 1) + 1; }

/* the row of dz and of the left matrix, in the block: those of a slice lie together */
INLINE long block_row(const Layer* s, int slice, long t, long b) {
  const long first = s->slice[slice], size = s->slice[slice + 1] - first;
  return s->steps * first + t * size + b - first;
}

/* numbers in chunks of ROWS, filled up with zeros */
INLINE void write_chunks(float* to, long distance, const float* from, const float* factor, long n) {
  long whole = factor ? 0 : n / ROWS * ROWS;
  for (long i = 0; i < whole; i += ROWS) memcpy(to + i / ROWS * distance, from + i, ROWS * sizeof(float));
  for (long i = whole; i < chunks(n) * ROWS; i++)
    to[i / ROWS * distance + i % ROWS] = i < n ? from[i] * (factor ? factor[i] : 1) : 0;
}

/* the left matrix for a row of the batch at a time step */
static void spread(const Layer* s, const Part* part, int slice, const float* z, long t, long b, long now) {
  const long H = s->H, distance = s->steps * s->B * ROWS;
  float* to = s->a + block_row(s, slice, t, b) * ROWS;
  const float* h = now <= s->first[b] ? s->h0 + b * H : s->y + (b * s->T + now - 1) * H;
  write_chunks(to, distance, s->x + (b * s->T + source_step(s, now)) * s->D, NULL, s->D);
  float* to_h = to + part[H_PART].chunk * distance;
  write_chunks(to_h, distance, h, s->drop ? s->drop + b * H : NULL, H);
  if (s->cell == GRU_BEFORE) {
    float* to_r = to + part[RESET_PART].chunk * distance;
    for (long i = 0; i < chunks(H) * ROWS; i++) {
      float reset = i < H ? z[(i / 16 * s->steps * s->B + t * s->B + b) * 48 + 32 + i % 16] : 0;
      to_r[i / ROWS * distance + i % ROWS] = reset * to_h[i / ROWS * distance + i % ROWS];
    }
  }
  write_chunks(to + part[ONE_PART].chunk * distance, distance, (float[]){1}, NULL, 1);
}

static void write_gradients(const Layer* s, const Part* part, long p, long chunk, const float* sums) {
  const Shape* c = &s->shape;
  const long H = s->H, row = c->blocks * H, w = H - p * c->group < c->group ? H - p * c->group : c->group;
  for (int k = 0; k < NUM_PARTS; k++)
    for (int r = 0; r < ROWS; r++) {
      long i = (chunk - part[k].chunk) * ROWS + r;
      if (i < 0 || i >= part[k].numbers) continue;
      const float* from = sums + r * c->width;
      const int first = part[k].first, size = c->group;
      float* to = k == X_PART ? s->dw + i * row : k == ONE_PART ? s->db : s->du + i * row;
      if (k == RESET_PART) {
        memcpy(to + 2 * H + p * size, from, w * sizeof(float));
      } else if (k == ONE_PART) {
        for (int j = 0; j < c->x_columns / size && to; j++)
          memcpy(to + c->x_block[j] * H + p * size, from + c->x_first + j * size, w * sizeof(float));
        for (int j = 0; j < c->h_columns / size && to && s->cell == GRU_AFTER; j++)
          memcpy(to + (3 + c->h_block[j]) * H + p * size, from + c->h_first + j * size, w * sizeof(float));
      } else {
        const int* block = k == X_PART ? c->x_block : c->h_block;
        for (int j = 0; j < part[k].columns / size; j++)
          memcpy(to + block[j] * H + p * size, from + first + j * size, w * sizeof(float));
      }
    }
}

typedef struct Work { /* of one thread */
  int id, threads;
  long b0, b1, p0, p1; /* rows of the batch and panels */
  long m0, m1;         /* chunks of the weight gradients, over all slices and panels */
} Work;

INLINE long larger(long a, long b) { return a > b ? a : b; }
INLINE long smaller(long a, long b) { return a < b ? a : b; }

/* one time step back: dz, the gradient with respect to the state before, and the left matrix */
static void step_back(Layer* s, const Work* w, const Part* part, const float* z_block, long t, long now) {
  const int G = s->shape.group, W = s->shape.width;
  const long B = s->B, Hp = s->Hp, block_rows = s->steps * B, per_q = WIDE / G;
  const long end = smaller(w->p1 * G, Hp), first_q = w->p0 / per_q, end_q = (w->p1 + per_q - 1) / per_q;
  for (int phase = 0; phase < (s->cell == GRU_BEFORE ? 2 : 1); phase++) {
    for (int i = 0; i < s->slices; i++) {
      const long b0 = larger(w->b0, s->slice[i]), b1 = smaller(w->b1, s->slice[i + 1]);
      for (long p = w->p0; p < w->p1 && b0 < b1; p++) {
        Cursor at = {p, t, now, b0, b1, (float*)z_block + (p * block_rows + t * B) * W};
        float* dz = s->dz + (p * block_rows + block_row(s, i, t, b0) - b0) * W;
        if (phase) reset_gradient(s, &at, dz);
        else step_gradient(s, &at, dz);
      }
    }
    if (s->by_units) barrier(&s->team);
    for (int i = 0; i < s->slices; i++) {
      const long b0 = larger(w->b0, s->slice[i]), b1 = smaller(w->b1, s->slice[i + 1]);
      if (b0 >= b1) continue;
      const float* dz = s->dz + block_row(s, i, t, b0) * W;
      if (s->cell == GRU_BEFORE && !phase) {
        for (long b = b0; b < b1; b++) memset(s->d_reset + b * Hp + w->p0 * G, 0, (w->p1 - w->p0) * G * sizeof(float));
        multiply_transpose(s, dz, block_rows * W, b1 - b0, 0, G, s->ptr, first_q, end_q, end, s->d_reset + b0 * Hp, Hp,
                           now % 2);
      } else {
        multiply_transpose(s, dz, block_rows * W, b1 - b0, s->shape.h_first, s->shape.h_columns, s->ptu, first_q, end_q,
                           end, s->product + b0 * Hp, Hp, now % 2);
      }
    }
  }
  for (int i = 0; i < s->slices; i++)
    for (long b = larger(w->b0, s->slice[i]); b < smaller(w->b1, s->slice[i + 1]); b++)
      if (!s->by_units || b % w->threads == w->id) spread(s, part, i, z_block, t, b, now);
}

/* adds a block of time steps to the sums of the weight gradients */
static void add_weight_gradients(Layer* s, const Work* w, const Part* part, long steps) {
  const int W = s->shape.width;
  const long P = s->P, M = num_chunks(s), block_rows = s->steps * s->B;
  for (long m = w->m0; m < w->m1;) {
    const long p = m / M % P, slice = m / (P * M), next = smaller(w->m1, (m / M + 1) * M), chunk = m % M - m;
    const long first = s->steps * s->slice[slice], rows = steps * (s->slice[slice + 1] - s->slice[slice]);
    for (long o = 0; o < rows; o += K_BLOCK)
      for (long i = m; i < next; i++) {
        int k = ONE_PART;
        while (i + chunk < part[k].chunk || !part[k].numbers) k--;
        Left a = {s->a + ((i + chunk) * block_rows + first + o) * ROWS, 1, 0, ROWS};
        multiply(ROWS, 1, smaller(K_BLOCK, rows - o), a, s->dz + (p * block_rows + first + o) * W + part[k].first, W,
                 part[k].columns, s->sums + i * ROWS * W + part[k].first, W);
      }
    m = next;
  }
}

/* the gradient of the inputs of a block of time steps */
static void input_gradients(Layer* s, const Work* w, long t0, long steps) {
  const int W = s->shape.width;
  const long D = s->D, row = x_width(s), block_rows = s->steps * s->B;
  long r0, r1;
  share(steps * s->B, w->threads, w->id, 1, &r0, &r1); /* rows in the order slice, time, batch */
  memset(s->dxs + r0 * row, 0, (r1 - r0) * row * sizeof(float));
  for (int i = 0; i < s->slices; i++) {
    const long size = s->slice[i + 1] - s->slice[i], base = steps * s->slice[i];
    const long first = larger(r0, base), end = smaller(r1, base + steps * size);
    if (first >= end) continue;
    multiply_transpose(s, s->dz + (s->steps * s->slice[i] + first - base) * W, block_rows * W, end - first,
                       s->shape.x_first, s->shape.x_columns, s->ptw, 0, (D + WIDE - 1) / WIDE, D, s->dxs + first * row, row,
                       false);
    for (long r = first; r < end; r++) {
      const long t = source_step(s, t0 + (r - base) / size), b = s->slice[i] + (r - base) % size;
      memcpy(s->dx + (b * s->T + t) * D, s->dxs + r * row, D * sizeof(float));
    }
  }
}

static void start_back(Layer* s, const Work* w) { /* packed weights, and the gradients of the final states */
  const int n = w->threads, G = s->shape.group;
  const long H = s->H, Hp = s->Hp, T = s->T;
  long q0, q1;
  share((Hp + WIDE - 1) / WIDE, n, w->id, 1, &q0, &q1);
  pack_transpose(s, s->u, H, s->shape.h_columns, s->shape.h_block, q0, q1, s->ptu);
  if (s->cell == GRU_BEFORE) pack_transpose(s, s->u, H, G, (int[]){2}, q0, q1, s->ptr);
  share((s->D + WIDE - 1) / WIDE, n, n - 1 - w->id, 1, &q0, &q1); /* from the other end: U may be one panel */
  pack_transpose(s, s->w, s->D, s->shape.x_columns, s->shape.x_block, q0, q1, s->ptw);
  for (long b = w->b0; b < w->b1; b++) {
    long first = 0;
    while (first < T && is_masked(s, b, first)) first++;
    if (w->p0 == 0) s->first[b] = (int)first;
    for (long j = w->p0 * G; j < w->p1 * G; j++) {
      s->carry[b * Hp + j] = j < H && s->dhT ? s->dhT[b * H + j] : 0;
      s->product[b * Hp + j] = 0;
      if (s->dc) s->dc[b * Hp + j] = j < H && s->dcT ? s->dcT[b * H + j] : 0;
    }
  }
  memset(s->sums + w->m0 * ROWS * s->shape.width, 0, (w->m1 - w->m0) * ROWS * s->shape.width * sizeof(float));
}

static void backward(void* argument, int id) {
  Layer* s = argument;
  const int G = s->shape.group, W = s->shape.width;
  const long B = s->B, T = s->T, H = s->H, Hp = s->Hp, P = s->P, M = num_chunks(s);
  Part part[NUM_PARTS];
  parts_of(s, part);
  Work w = {id, s->team.size, 0, B, 0, P, 0, 0};
  if (s->by_units) share(P, w.threads, id, WIDE / G, &w.p0, &w.p1);
  else share(B, w.threads, id, 1, &w.b0, &w.b1);
  share(s->slices * P * M, w.threads, id, 1, &w.m0, &w.m1);
  start_back(s, &w);
  barrier(&s->team);
  for (long t0 = T ? (T - 1) / s->steps * s->steps : -1; t0 >= 0; t0 -= s->steps) {
    const long steps = smaller(s->steps, T - t0);
    const float* z_block = s->z + t0 / s->steps * P * s->steps * B * W;
    for (long t = steps - 1; t >= 0; t--) step_back(s, &w, part, z_block, t, t0 + t);
    barrier(&s->team);
    add_weight_gradients(s, &w, part, steps);
    input_gradients(s, &w, t0, steps);
    barrier(&s->team);
  }
  for (long b = w.b0; b < w.b1; b++)
    for (long j = w.p0 * G; j < w.p1 * G && j < H; j++) {
      float keep = s->drop ? s->drop[b * H + j] : 1;
      s->dh0[b * H + j] = s->carry[b * Hp + j] + keep * s->product[b * Hp + j];
      if (s->dc0) s->dc0[b * H + j] = s->dc[b * Hp + j];
    }
  share(P * M, w.threads, id, 1, &w.m0, &w.m1);
  for (long m = w.m0; m < w.m1; m++) {
    float* sum = s->sums + m * ROWS * W;
    for (int i = 1; i < s->slices; i++)
      for (long k = 0; k < ROWS * W; k++) sum[k] += s->sums[(i * P * M + m) * ROWS * W + k];
    write_gradients(s, part, m / M, m % M, sum);
  }
}

/* ------------------------------------------------------------------------------------------------ TensorFlow's C API */
typedef struct TF_Status TF_Status;
typedef struct TF_Tensor TF_Tensor;
typedef struct TF_OpDefinitionBuilder TF_OpDefinitionBuilder;
typedef struct TF_ShapeInferenceContext TF_ShapeInferenceContext;
typedef struct TF_KernelBuilder TF_KernelBuilder;
typedef struct TF_OpKernelContext TF_OpKernelContext;
typedef struct TF_OpKernelConstruction TF_OpKernelConstruction;
enum { TF_FLOAT = 1, TF_OK = 0, TF_INVALID_ARGUMENT = 3, TF_RESOURCE_EXHAUSTED = 8 };
TF_Status* TF_NewStatus(void);
void TF_DeleteStatus(TF_Status*);
void TF_SetStatus(TF_Status*, int code, const char* message);
int TF_GetCode(const TF_Status*);
const char* TF_Message(const TF_Status*);
int TF_NumDims(const TF_Tensor*);
int64_t TF_Dim(const TF_Tensor*, int);
int64_t TF_TensorElementCount(const TF_Tensor*);
void* TF_TensorData(const TF_Tensor*);
void TF_DeleteTensor(TF_Tensor*);
TF_OpDefinitionBuilder* TF_NewOpDefinitionBuilder(const char*);
void TF_OpDefinitionBuilderAddAttr(TF_OpDefinitionBuilder*, const char*);
void TF_OpDefinitionBuilderAddInput(TF_OpDefinitionBuilder*, const char*);
void TF_OpDefinitionBuilderAddOutput(TF_OpDefinitionBuilder*, const char*);
void TF_OpDefinitionBuilderSetShapeInferenceFunction(TF_OpDefinitionBuilder*,
                                                     void (*)(TF_ShapeInferenceContext*, TF_Status*));
void TF_RegisterOpDefinition(TF_OpDefinitionBuilder*, TF_Status*);
void TF_ShapeInferenceContextSetUnknownShape(TF_ShapeInferenceContext*, TF_Status*);
TF_KernelBuilder* TF_NewKernelBuilder(const char* op, const char* device, void* (*create)(TF_OpKernelConstruction*),
                                      void (*compute)(void*, TF_OpKernelContext*), void (*destroy)(void*));
void TF_RegisterKernelBuilder(const char* name, TF_KernelBuilder*, TF_Status*);
void TF_GetInput(TF_OpKernelContext*, int, TF_Tensor**, TF_Status*);
TF_Tensor* TF_AllocateOutput(TF_OpKernelContext*, int, int type, const int64_t* sizes, int n, size_t bytes, TF_Status*);
void TF_OpKernelContext_Failure(TF_OpKernelContext*, TF_Status*);
void TF_OpKernelConstruction_Failure(TF_OpKernelConstruction*, TF_Status*);
void TF_OpKernelConstruction_GetAttrBool(TF_OpKernelConstruction*, const char*, unsigned char*, TF_Status*);
void TF_OpKernelConstruction_GetAttrInt32(TF_OpKernelConstruction*, const char*, int32_t*, TF_Status*);

typedef struct Call { /* the tensors and the scratch memory of one call, freed together */
  TF_OpKernelContext* context;
  TF_Status* status;
  TF_Tensor* tensors[32];
  void* memory[24];
  int num_tensors, num_memory;
} Call;

static bool ok(const Call* c) { return TF_GetCode(c->status) == TF_OK; }
static TF_Tensor* input(Call* c, int i) {
  TF_Tensor* t = NULL;
  if (ok(c)) TF_GetInput(c->context, i, &t, c->status);
  if (t) c->tensors[c->num_tensors++] = t;
  return ok(c) ? t : NULL;
}
static void fail(Call* c, const char* message) {
  if (ok(c)) TF_SetStatus(c->status, TF_INVALID_ARGUMENT, message);
}
/* the data of an input of given sizes, of which the last may be 0; NULL for an optional input without elements */
static const void* checked(Call* c, int i, const char* name, bool optional, int64_t a, int64_t b, int64_t d) {
  TF_Tensor* t = input(c, i);
  if (!t) return NULL;
  int64_t sizes[3] = {a, b, d};
  int n = d >= 0 ? 3 : b >= 0 ? 2 : 1;
  bool same = TF_NumDims(t) == n;
  for (int k = 0; same && k < n; k++) same = TF_Dim(t, k) == sizes[k];
  if (!same && optional && TF_TensorElementCount(t) == 0) return NULL;
  if (!same) {
    char message[160];
    snprintf(message, sizeof message, "rnnzoo: %s must have the sizes [%ld, %ld, %ld] (-1: no axis)", name, (long)a, (long)b, (long)d);
    fail(c, message);
  }
  return TF_TensorData(t);
}
static float* output(Call* c, int i, int n, int64_t a, int64_t b, int64_t d) {
  int64_t sizes[3] = {a, b, d}, bytes = sizeof(float);
  if (!ok(c)) return NULL;
  for (int k = 0; k < n; k++) bytes *= sizes[k];
  TF_Tensor* t = TF_AllocateOutput(c->context, i, TF_FLOAT, sizes, n, (size_t)bytes, c->status);
  if (t) c->tensors[c->num_tensors++] = t;
  return ok(c) && t ? TF_TensorData(t) : NULL;
}
static void* scratch(Call* c, size_t numbers) {
  void* p = NULL;
  if (!ok(c)) return NULL;
  if (posix_memalign(&p, 64, (numbers * sizeof(float) + 127) / 64 * 64)) {
    TF_SetStatus(c->status, TF_RESOURCE_EXHAUSTED, "rnnzoo: not enough memory");
    return NULL;
  }
  return c->memory[c->num_memory++] = p;
}
static void end_call(Call* c) {
  if (!ok(c)) TF_OpKernelContext_Failure(c->context, c->status);
  for (int i = 0; i < c->num_tensors; i++) TF_DeleteTensor(c->tensors[i]);
  for (int i = 0; i < c->num_memory; i++) free(c->memory[i]);
  TF_DeleteStatus(c->status);
}

typedef struct Attributes {
  int32_t cell, activation;
  unsigned char save, sequence, reverse;
} Attributes;

/* the sizes of a call, and the inputs that forward and backward share: x, w, u, h0, c0, drop, mask */
static void read_inputs(Call* c, Layer* s, const Attributes* attributes) {
  TF_Tensor *x = input(c, 0), *u = input(c, 2);
  if (!ok(c)) return;
  if (TF_NumDims(x) != 3 || TF_NumDims(u) != 2 || !TF_Dim(x, 2)) {
    fail(c, "rnnzoo: x must be [batch, time, features > 0] and u [units, blocks * units]");
    return;
  }
  s->cell = attributes->cell, s->activation = attributes->activation, s->reverse = attributes->reverse;
  s->shape = SHAPES[s->cell];
  s->B = TF_Dim(x, 0), s->T = TF_Dim(x, 1), s->D = TF_Dim(x, 2), s->H = TF_Dim(u, 0);
  s->P = (s->H + s->shape.group - 1) / s->shape.group, s->Hp = s->P * s->shape.group;
  const bool large_state = s->shape.blocks * s->H * s->H * 4 > 2 << 20; /* that of one thread leaves its cache */
  s->slices = s->B >= (large_state ? 32 : 8) ? 2 : 1; /* as two threads share the rows, see choose_threads */
  for (int i = 0; i <= s->slices; i++) s->slice[i] = s->B * i / s->slices;
  s->steps = s->B ? (STEP_ROWS + s->B - 1) / s->B : 1;
  if (s->steps > s->T) s->steps = s->T ? s->T : 1;
  const long columns = s->shape.blocks * s->H;
  s->x = TF_TensorData(x), s->u = TF_TensorData(u);
  s->w = checked(c, 1, "w", false, s->D, columns, -1);
  if (TF_Dim(u, 1) != columns) fail(c, "rnnzoo: u must be [units, blocks * units]");
  s->h0 = checked(c, 3, "h0", false, s->B, s->H, -1);
  s->c0 = checked(c, 4, "c0", s->shape.states == 1, s->B, s->H, -1);
  s->drop = checked(c, 5, "drop", true, s->B, s->H, -1);
  s->mask = checked(c, 6, "mask", true, s->B, s->T, -1);
  if (s->shape.states == 1) s->c0 = NULL;
  if (!s->B || !s->T) s->mask = NULL;
}

static int choose_threads(Layer* s) {
  int n = num_cores();
  const long per_panel = WIDE / s->shape.group, panels = (s->P + per_panel - 1) / per_panel;
  double operations = 2.0 * s->B * s->T * (s->D + s->H) * s->shape.blocks * s->H;
  if (operations < 4e6) n = 1; /* below some 50 microseconds of work */
  s->by_units = s->B < 4 * n || (s->B < 16 * n && s->shape.blocks * s->H * s->H * 4 > 2 << 20);
  long most = s->by_units ? panels : s->B;
  return most < n ? (most > 0 ? (int)most : 1) : n;
}

static void compute_forward(void* kernel, TF_OpKernelContext* context) {
  const Attributes* attributes = kernel;
  Call c = {.context = context, .status = TF_NewStatus()};
  Layer s = {.save = attributes->save};
  read_inputs(&c, &s, attributes);
  if (ok(&c)) {
    const long bias = s.shape.blocks * s.H * (s.cell == GRU_AFTER ? 2 : 1);
    const long blocks = (s.T + s.steps - 1) / s.steps, size = s.P * s.steps * s.B * s.shape.width;
    const bool lstm = s.shape.states == 2, sequence = s.save || attributes->sequence;
    s.b = checked(&c, 7, "b", true, bias, -1, -1);
    s.y = output(&c, 0, 3, s.B, sequence ? s.T : 0, s.H);
    if (!sequence) s.y = NULL;
    s.hT = output(&c, 1, 2, s.B, s.H, 0);
    s.cT = output(&c, 2, 2, s.B, lstm ? s.H : 0, 0);
    s.z = output(&c, 3, 1, s.save ? blocks * size : 0, 0, 0);
    s.cells = output(&c, 4, 1, s.save && lstm ? (s.T + 1) * s.B * s.Hp : 0, 0, 0);
    if (!lstm) s.cT = NULL;
    if (!s.save) s.z = scratch(&c, size), s.cells = scratch(&c, s.B * s.Hp);
    s.pw = scratch(&c, s.P * s.D * s.shape.x_columns), s.pu = scratch(&c, s.P * s.H * s.shape.h_columns);
    if (s.cell == GRU_BEFORE) s.pr = scratch(&c, s.P * s.H * s.shape.group), s.rh = scratch(&c, s.B * s.Hp);
    s.hs = scratch(&c, 2 * s.B * s.Hp), s.first = scratch(&c, s.B);
    if (s.drop) s.hd = scratch(&c, 2 * s.B * s.Hp);
    if (ok(&c)) run_team(choose_threads(&s), &s.team, forward, &s);
  }
  end_call(&c);
}

static void compute_backward(void* kernel, TF_OpKernelContext* context) {
  const Attributes* attributes = kernel;
  Call c = {.context = context, .status = TF_NewStatus()};
  Layer s = {.save = true};
  read_inputs(&c, &s, attributes);
  if (ok(&c)) {
    const long blocks = (s.T + s.steps - 1) / s.steps, size = s.P * s.steps * s.B * s.shape.width, M = num_chunks(&s);
    const bool lstm = s.shape.states == 2;
    const long columns = s.shape.blocks * s.H, bias = columns * (s.cell == GRU_AFTER ? 2 : 1);
    const long QH = (s.Hp + WIDE - 1) / WIDE, QD = (s.D + WIDE - 1) / WIDE;
    s.y = (float*)checked(&c, 7, "y", false, s.B, s.T, s.H);
    s.z = (float*)checked(&c, 8, "z", false, blocks * size, -1, -1);
    s.cells = (float*)checked(&c, 9, "cells", !lstm, lstm ? (s.T + 1) * s.B * s.Hp : 0, -1, -1);
    s.dy = checked(&c, 10, "dy", true, s.B, s.T, s.H);
    s.dhT = checked(&c, 11, "dh", false, s.B, s.H, -1);
    s.dcT = checked(&c, 12, "dc", !lstm, s.B, lstm ? s.H : 0, -1);
    s.dx = output(&c, 0, 3, s.B, s.T, s.D);
    s.dw = output(&c, 1, 2, s.D, columns, 0);
    s.du = output(&c, 2, 2, s.H, columns, 0);
    s.db = output(&c, 3, 1, bias, 0, 0);
    s.dh0 = output(&c, 4, 2, s.B, s.H, 0);
    s.dc0 = output(&c, 5, 2, s.B, lstm ? s.H : 0, 0);
    if (!lstm) s.dc0 = NULL, s.dcT = NULL, s.cells = NULL;
    else s.dc = scratch(&c, s.B * s.Hp);
    s.ptu = scratch(&c, QH * s.P * s.shape.h_columns * WIDE), s.ptw = scratch(&c, QD * s.P * s.shape.x_columns * WIDE);
    if (s.cell == GRU_BEFORE) s.ptr = scratch(&c, QH * s.P * s.shape.group * WIDE), s.d_reset = scratch(&c, s.B * s.Hp);
    s.dz = scratch(&c, size), s.a = scratch(&c, s.steps * s.B * M * ROWS), s.sums = scratch(&c, s.slices * s.P * M * ROWS * s.shape.width);
    s.carry = scratch(&c, s.B * s.Hp), s.product = scratch(&c, s.B * s.Hp), s.dxs = scratch(&c, s.steps * s.B * x_width(&s));
    s.first = scratch(&c, s.B);
    if (ok(&c)) run_team(choose_threads(&s), &s.team, backward, &s);
  }
  end_call(&c);
}

static void* create(TF_OpKernelConstruction* context, bool is_forward) {
  TF_Status* status = TF_NewStatus();
  Attributes* a = calloc(1, sizeof *a);
  if (!a) TF_SetStatus(status, TF_RESOURCE_EXHAUSTED, "rnnzoo: not enough memory");
  if (a) TF_OpKernelConstruction_GetAttrInt32(context, "cell", &a->cell, status);
  if (a && TF_GetCode(status) == TF_OK) TF_OpKernelConstruction_GetAttrInt32(context, "activation", &a->activation, status);
  if (a && TF_GetCode(status) == TF_OK) TF_OpKernelConstruction_GetAttrBool(context, "reverse", &a->reverse, status);
  if (a && is_forward && TF_GetCode(status) == TF_OK) TF_OpKernelConstruction_GetAttrBool(context, "save", &a->save, status);
  if (a && is_forward && TF_GetCode(status) == TF_OK) TF_OpKernelConstruction_GetAttrBool(context, "sequence", &a->sequence, status);
  if (TF_GetCode(status) == TF_OK && (a->cell < 0 || a->cell >= NUM_CELLS || a->activation < TANH || a->activation > RELU))
    TF_SetStatus(status, TF_INVALID_ARGUMENT, "rnnzoo: unknown cell or activation");
  if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(context, status);
  TF_DeleteStatus(status);
  return a;
}
static void* create_forward(TF_OpKernelConstruction* context) { return create(context, true); }
static void* create_backward(TF_OpKernelConstruction* context) { return create(context, false); }
static void infer_nothing(TF_ShapeInferenceContext* context, TF_Status* status) { /* Python sets the shapes */
  TF_ShapeInferenceContextSetUnknownShape(context, status);
}

static char register_error[256];
const char* rnnzoo_error(void) { return register_error; }

static void register_op(const char* name, const char* const* attributes, const char* const* inputs, const char* const* outputs,
                        void* (*make)(TF_OpKernelConstruction*), void (*compute)(void*, TF_OpKernelContext*)) {
  TF_Status* status = TF_NewStatus();
  TF_OpDefinitionBuilder* builder = TF_NewOpDefinitionBuilder(name);
  for (; *attributes; attributes++) TF_OpDefinitionBuilderAddAttr(builder, *attributes);
  for (; *inputs; inputs++) TF_OpDefinitionBuilderAddInput(builder, *inputs);
  for (; *outputs; outputs++) TF_OpDefinitionBuilderAddOutput(builder, *outputs);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(builder, infer_nothing);
  TF_RegisterOpDefinition(builder, status);
  if (TF_GetCode(status) == TF_OK) TF_RegisterKernelBuilder(name, TF_NewKernelBuilder(name, "CPU", make, compute, free), status);
  if (TF_GetCode(status) != TF_OK) snprintf(register_error, sizeof register_error, "%s: %s", name, TF_Message(status));
  TF_DeleteStatus(status);
}

__attribute__((constructor)) static void register_ops(void) {
  register_op("RnnzooForward" RNNZOO_SUFFIX,
              (const char*[]){"cell: int", "activation: int", "reverse: bool", "save: bool", "sequence: bool", NULL},
              (const char*[]){"x: float", "w: float", "u: float", "h0: float", "c0: float", "drop: float", "mask: bool",
                              "b: float", NULL},
              (const char*[]){"y: float", "h: float", "c: float", "z: float", "cells: float", NULL}, create_forward,
              compute_forward);
  register_op("RnnzooBackward" RNNZOO_SUFFIX, (const char*[]){"cell: int", "activation: int", "reverse: bool", NULL},
              (const char*[]){"x: float", "w: float", "u: float", "h0: float", "c0: float", "drop: float", "mask: bool",
                              "y: float", "z: float", "cells: float", "dy: float", "dh: float", "dc: float", NULL},
              (const char*[]){"dx: float", "dw: float", "du: float", "db: float", "dh0: float", "dc0: float", NULL},
              create_backward, compute_backward);
}
