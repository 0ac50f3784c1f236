/* One sweep over attention rows: the output and every row statistic, without keeping the N x N weights.

   A task is up to ROW_VECTORS * LANES queries of one head. Queries lie along the lanes, keys along the loop, so that
   nothing is ever summed across lanes in the inner loops, keys and values are read as they lie, and weights by
   distance, by key and by turn fall out as the keys go by. Scores of one task stay in a buffer of (keys x queries)
   floats: memory grows linearly with the keys.

   Sums shared by several tasks (by distance, by key, turn to turn) are kept as 64-bit fixed-point numbers, so that the
   order in which threads arrive does not change a bit of the result.

   Plain C11 with vector extensions (GCC 12, Clang 15 or newer); compiled once for each level of vector registers. */

#include <math.h>
#ifndef _OPENMP
#include <pthread.h>
#endif
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define ROW_VECTORS 3 /* 3 x 8 sums, 3 operands and a broadcast fill 32 registers */
#define GROUP 8
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#define ROW_VECTORS 2 /* 2 x 5 sums in 16 registers */
#define GROUP 5
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define ROW_VECTORS 4 /* 4 x 6 sums in 32 registers */
#define GROUP 6
#else
#define VECTOR_BYTES 16
#define ROW_VECTORS 2
#define GROUP 5
#endif
#define LANES (VECTOR_BYTES / 4)
#define ROWS (ROW_VECTORS * LANES)
#define KEY_BLOCK 64

#define HIDDEN -1e30f /* a score no query sees; finite, so that its weight is 0 and not no number */
#define FIXED_POINT 4294967296.0
#define REST_LIMIT 1e-6f /* SINK_LIMIT of definitions.py */
/* Added to a mass before dividing by it, so that 0/0 is 0. */
#define EMPTY 1e-300
#define EMPTY_F 1e-35f

typedef float vf __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t vi __attribute__((vector_size(VECTOR_BYTES)));
typedef double vd __attribute__((vector_size(2 * VECTOR_BYTES)));
typedef float vfu __attribute__((vector_size(VECTOR_BYTES), aligned(4)));
typedef int32_t viu __attribute__((vector_size(VECTOR_BYTES), aligned(4)));

#define INLINE static inline __attribute__((always_inline))
#define EACH(r, R) _Pragma("GCC unroll 8") for (int r = 0; r < (R); r++)

/* The arguments of one call, laid out as in compiled.py, which a test compares. Strides count floats; rows and keys
   count from their sequence's first real token. Row statistics are (batch, heads, tokens), 0 where not written. */
struct sweep {
    const float *query, *key, *value;      /* unit stride along the head's dimension */
    int64_t query_strides[3], key_strides[3], value_strides[3]; /* batch, head, token */
    int32_t batch, heads, key_heads, tokens, width, value_width;
    float scaling, softcap;                /* softcap 0: none */
    const float *sinks;                    /* (heads) logits of learned sinks, or null */
    const int32_t *start, *length;         /* (batch) where the real tokens begin, and how many */
    const int32_t *first, *last;           /* (batch, tokens) keys first <= j < last are seen */
    const int32_t *run_offset;             /* (batch + 1) into runs */
    const int32_t *runs;                   /* (runs, 3) first key, one past the last, column */
    const int32_t *query_turn;             /* (batch, tokens) turn of a content token, else -1 */
    const int32_t *turn_offset;            /* (batch + 1) into the next two */
    const int32_t *turn_number, *turn_speaker;
    float *output;                         /* (batch, tokens, heads, value_width) */
    float *distance, *variance, *entropy, *sink, *rest, *distance_rest, *entropy_rest, *null_mass, *scaffold;
    float *content, *cross_turn, *cross_speaker, *own_history, *turn_steps; /* null: turns are not asked for */
    int64_t *by_distance, *received;       /* (batch, heads, tokens) fixed point, or null */
    int64_t *const *flow;                  /* (batch) each (heads or 1, turns, turns + 1) fixed point, or null */
    int32_t flow_heads, threads;
};

INLINE vf splat(float x) { return x - (vf){0}; } /* x + 0 would be an addition, for the sake of -0 */
INLINE vi splat_i(int32_t x) { return (vi){0} + x; }
INLINE vf load(const float *p) { return *(const vf *)p; }
INLINE void store(float *p, vf x) { *(vf *)p = x; }
INLINE vf select_f(vi mask, vf a, vf b) { return (vf)(((vi)a & mask) | ((vi)b & ~mask)); }
INLINE vf keep(vi mask, vf a) { return (vf)((vi)a & mask); }
INLINE vf greater(vf a, vf b) { return select_f(a > b, a, b); }
INLINE vf absolute(vf a) { return (vf)((vi)a & 0x7fffffff); }

/* exp(x) for x <= 0 within 2 units in the last place, and 0 below -87: 2^n through the exponent's bits, and e^r on
   |r| <= ln(2)/2 by its series to degree 6. */
INLINE vf exponential(vf x) {
    const vf shift = splat(12582912.0f); /* 1.5 * 2^23 rounds to the nearest integer */
    vf z = x * 1.44269504f + shift;
    vi n = (vi)z << 23;
    vf k = z - shift;
    vf r = x - k * 0.693145752f;
    r = r - k * 1.42860677e-6f;
    vf p = splat(1.38888889e-3f);
    p = p * r + 8.33333333e-3f;
    p = p * r + 4.16666667e-2f;
    p = p * r + 1.66666667e-1f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    vf y = (vf)((vi)p + n);
    return keep(x > -87.0f, y);
}

/* ln(x) of a positive normal x within 1 unit in the last place: x = 2^n * (1 + f), and Cephes' polynomial in f. */
INLINE vf logarithm(vf x) {
    const vi n = ((vi)x - 0x3f3504f3) >> 23;
    const vf f = (vf)((vi)x - (n << 23)) - 1, f2 = f * f, k = __builtin_convertvector(n, vf);
    vf p = splat(7.0376836292e-2f);
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    return f + (p * f * f2 - k * 2.12194440e-4f - 0.5f * f2) + k * 0.693359375f;
}

INLINE vf narrow(vd x) { return __builtin_convertvector(x, vf); }

INLINE float lane_sum(vf x) {
    float sum[LANES];
    memcpy(sum, &x, sizeof sum);
    for (int width = LANES / 2; width; width /= 2)
        for (int lane = 0; lane < width; lane++) sum[lane] += sum[lane + width];
    return sum[0];
}

INLINE int64_t fixed(float x) { return (int64_t)llrint((double)x * FIXED_POINT); }

/* What one thread owns: its queries, its scores, its sums. */
struct scratch {
    float *scores;    /* (keys, ROWS) */
    float *query;     /* (width, ROWS) */
    float *output;    /* (value_width, ROWS) */
    float *diagonals; /* (tokens + ROWS) by signed offset */
};

/* One task: queries [low, low + count) of one head. */
struct task {
    int item, head, low, count, first, last; /* keys [first, last) are all that any of them sees */
    int clear_first, clear_last;             /* keys [clear_first, clear_last) are seen by all of them */
    vi row_first[ROW_VECTORS], row_last[ROW_VECTORS];
    vf place[ROW_VECTORS], highest[ROW_VECTORS];
};

/* scores[j] = scaling * q.k_j for `N` keys, those hidden set to HIDDEN; the running maximum of each query. */
INLINE void score_group(const struct sweep *s, struct task *t, const struct scratch *w, int R, int N, const float *key,
                        int j) {
    vf sum[ROW_VECTORS][GROUP];
    EACH(r, R) EACH(n, N) sum[r][n] = splat(0);
    const float *q = w->query;
    const int64_t step = s->key_strides[2];
    for (int d = 0; d < s->width; d++, q += ROWS) {
        vf query[ROW_VECTORS];
        EACH(r, R) query[r] = load(q + r * LANES);
        EACH(n, N) {
            vf k = splat(key[n * step + d]);
            EACH(r, R) sum[r][n] += query[r] * k;
        }
    }
    if (s->softcap != 0) {
        EACH(n, N) EACH(r, R) {
            vf x = sum[r][n] * (1 / s->softcap), a = absolute(x), e = exponential(a * -2.0f);
            vf high = (1 - e) / (1 + e), x2 = x * x;
            vf low = a * (1 + x2 * (-0.333333333f + x2 * (0.133333333f + x2 * (-0.0539682540f + x2 * 0.0218694885f))));
            vf h = select_f(a < 0.1f, low, high);
            sum[r][n] = select_f(x < 0, -h, h) * s->softcap;
        }
    }
    float *scores = w->scores + (int64_t)(j - t->first) * ROWS;
    if (j < t->clear_first || j + N > t->clear_last)
        EACH(n, N) EACH(r, R) {
            vi seen = (t->row_first[r] <= j + n) & (t->row_last[r] > j + n);
            sum[r][n] = select_f(seen, sum[r][n], splat(HIDDEN));
        }
    EACH(n, N) EACH(r, R) {
        store(scores + n * ROWS + r * LANES, sum[r][n]);
        t->highest[r] = greater(t->highest[r], sum[r][n]);
    }
}

INLINE void score(const struct sweep *s, struct task *t, const struct scratch *w, int R, const float *keys) {
    EACH(r, R) t->highest[r] = splat(HIDDEN);
    int j = t->first;
    for (; j + GROUP <= t->last; j += GROUP) score_group(s, t, w, R, GROUP, keys + j * s->key_strides[2], j);
    for (; j < t->last; j++) score_group(s, t, w, R, 1, keys + j * s->key_strides[2], j);
}

/* output[d] += sum_j e_j v_j[d] for `N` dimensions, over keys [from, to). */
INLINE void mix_group(const struct sweep *s, const struct scratch *w, int R, int N, const float *e, const float *value,
                      int d, int keys) {
    vf sum[ROW_VECTORS][GROUP];
    float *output = w->output + d * ROWS;
    EACH(n, N) EACH(r, R) sum[r][n] = load(output + n * ROWS + r * LANES);
    const int64_t step = s->value_strides[2];
    for (int j = 0; j < keys; j++, e += ROWS, value += step) {
        vf weight[ROW_VECTORS];
        EACH(r, R) weight[r] = load(e + r * LANES);
        EACH(n, N) {
            vf v = splat(value[d + n]);
            EACH(r, R) sum[r][n] += weight[r] * v;
        }
    }
    EACH(n, N) EACH(r, R) store(output + n * ROWS + r * LANES, sum[r][n]);
}

INLINE void mix(const struct sweep *s, const struct scratch *w, int R, const float *e, const float *value, int keys) {
    int d = 0;
    for (; d + GROUP <= s->value_width; d += GROUP) mix_group(s, w, R, GROUP, e, value, d, keys);
    for (; d < s->value_width; d++) mix_group(s, w, R, 1, e, value, d, keys);
}

/* Sums of e over keys: alone, times |i-j|, times s - m; and the mean and squared deviations of the keys' places. */
struct sums {
    vd mass, distance, score, mean, square;
};

/* Squared deviations are about each block's own mean, and merged about the common mean (Chan, Golub & LeVeque): a row
   that looks at one place gets a variance near 0. float inside a block, double between blocks. */
INLINE void weigh_block(const struct task *t, int r, float *scores, int from, int to, struct sums *sums) {
    vf mass = splat(0), distance = splat(0), score = splat(0), offset = splat(0), square = splat(0);
    const vf m = t->highest[r], place = t->place[r];
    const float middle = 0.5f * (float)(from + to - 1);
    float *const block = scores + (int64_t)(from - t->first) * ROWS + r * LANES;
    float *row = block;
    for (int j = from; j < to; j++, row += ROWS) {
        const vf x = load(row) - m, e = exponential(x);
        store(row, e);
        mass += e;
        score += e * x;
        distance += e * absolute(place - (float)j);
        offset += e * ((float)j - middle);
    }
    const vf mean = offset / (mass + EMPTY_F);
    row = block;
    for (int j = from; j < to; j++, row += ROWS) {
        const vf apart = ((float)j - middle) - mean;
        square += load(row) * (apart * apart);
    }
    const vd block_mass = __builtin_convertvector(mass, vd);
    const vd total = sums->mass + block_mass, part = block_mass / (total + EMPTY);
    const vd apart = __builtin_convertvector(mean, vd) + middle - sums->mean;
    sums->square += __builtin_convertvector(square, vd) + apart * apart * (sums->mass * part);
    sums->mean += apart * part;
    sums->mass = total;
    sums->distance += __builtin_convertvector(distance, vd);
    sums->score += __builtin_convertvector(score, vd);
}

INLINE void put(float *rows, const struct task *t, int r, vf x) {
    int count = t->count - r * LANES;
    if (count >= LANES)
        *(vfu *)(rows + r * LANES) = (vfu)x;
    else if (count > 0)
        memcpy(rows + r * LANES, &x, sizeof(float) * count);
}

/* Statistics every row has. Key 0 is added to the sums over the other keys, never taken away from them. Leaves in
   `weight` what makes weights of e, and in `scale` what makes outputs of their sums (less where a sink takes some). */
INLINE void row_statistics(const struct sweep *s, const struct task *t, int r, const struct sums *rest,
                           const struct sums *first, int64_t at, vf *weight, vf *scale) {
    const vi sees = t->row_last[r] > t->row_first[r];
    const vf rest_mass = keep(sees, narrow(rest->mass)), first_mass = keep(sees, narrow(first->mass));
    const vf L = narrow(rest->mass + first->mass), safe = select_f(sees, L, splat(1));
    const vf inverse = 1 / safe, log_L = logarithm(safe), share = rest_mass * inverse;
    const vi measurable = share >= REST_LIMIT;
    const vf safe_rest = select_f(measurable, rest_mass, splat(1)), rest_inverse = 1 / safe_rest;

    const vd apart = rest->mean - first->mean, both = rest->mass + first->mass + EMPTY;
    const vf square = narrow((rest->square + apart * apart * (rest->mass * first->mass / both)) / both);
    const vf score = narrow(rest->score), rest_distance = narrow(rest->distance);
    const vf distance = narrow(rest->distance + first->distance), all_score = narrow(rest->score + first->score);

    put(s->distance + at, t, r, keep(sees, distance * inverse));
    put(s->variance + at, t, r, keep(sees & (square > 0), square));
    put(s->entropy + at, t, r, keep(sees, log_L - all_score * inverse));
    put(s->sink + at, t, r, first_mass * inverse);
    put(s->rest + at, t, r, share);
    put(s->distance_rest + at, t, r, keep(measurable, rest_distance * rest_inverse));
    put(s->entropy_rest + at, t, r, keep(measurable, logarithm(safe_rest) - score * rest_inverse));
    *weight = *scale = keep(sees, inverse);
    if (s->sinks) {
        const vf ahead = t->highest[r] + log_L - s->sinks[t->head], small = exponential(-absolute(ahead));
        const vf taken = select_f(ahead > 0, small, splat(1)) / (1 + small);
        put(s->null_mass + at, t, r, keep(sees, taken));
        *scale *= 1 - taken;
    }
}

/* Rows' masses by group of keys, and the sums over rows by distance, by key and by turn. `weight` makes weights of e. */
INLINE void fold(const struct sweep *s, const struct task *t, const struct scratch *w, int R, const vf *weight,
                 int64_t at, int64_t head_at) {
    const int item = t->item, wants_turns = s->content != NULL && s->turn_offset[item + 1] > s->turn_offset[item];
    const int32_t *turn_number = s->turn_number + s->turn_offset[item];
    const int32_t *turn_speaker = s->turn_speaker + s->turn_offset[item];
    const int turns = s->turn_offset[item + 1] - s->turn_offset[item];
    vi row_turn[ROW_VECTORS], row_number[ROW_VECTORS], row_speaker[ROW_VECTORS];
    vf scaffold[ROW_VECTORS], content[ROW_VECTORS], cross[ROW_VECTORS], other[ROW_VECTORS], own[ROW_VECTORS],
        steps[ROW_VECTORS];
    int spans[ROWS][3], span_count = 0; /* runs of this task's queries that are content of one turn */
    EACH(r, R) {
        scaffold[r] = content[r] = cross[r] = other[r] = own[r] = steps[r] = splat(0);
        for (int lane = 0; lane < LANES; lane++) {
            int row = r * LANES + lane;
            int turn = row < t->count ? s->query_turn[(int64_t)item * s->tokens + t->low + row] : -1;
            row_turn[r][lane] = turn;
            row_number[r][lane] = turn < 0 ? 0 : turn_number[turn];
            row_speaker[r][lane] = turn < 0 ? -1 : turn_speaker[turn];
            if (turn < 0) continue;
            if (span_count && spans[span_count - 1][0] == turn && spans[span_count - 1][2] == row)
                spans[span_count - 1][2] = row + 1;
            else {
                spans[span_count][0] = turn;
                spans[span_count][1] = row;
                spans[span_count++][2] = row + 1;
            }
        }
    }
    int64_t *flow = s->flow ? s->flow[item] : NULL;
    if (flow && s->flow_heads) flow += (int64_t)t->head * turns * (turns + 1);

    for (int run = s->run_offset[item]; run < s->run_offset[item + 1]; run++) {
        int from = s->runs[3 * run], to = s->runs[3 * run + 1];
        const int column = s->runs[3 * run + 2];
        if (from < t->first) from = t->first;
        if (to > t->last) to = t->last;
        if (from >= to || (column > 0 && !wants_turns)) continue;
        vf mass[ROW_VECTORS];
        EACH(r, R) mass[r] = splat(0);
        const float *e = w->scores + (int64_t)(from - t->first) * ROWS;
        for (int j = from; j < to; j++, e += ROWS) EACH(r, R) mass[r] += load(e + r * LANES);
        EACH(r, R) mass[r] *= weight[r];
        if (column == 0)
            EACH(r, R) scaffold[r] += mass[r];
        else {
            const int turn = column - 1;
            EACH(r, R) {
                vi elsewhere = row_turn[r] != turn, same = row_speaker[r] == turn_speaker[turn];
                vi apart = row_number[r] - turn_number[turn];
                apart = (apart ^ (apart >> 31)) - (apart >> 31);
                content[r] += mass[r];
                cross[r] += keep(elsewhere, mass[r]);
                other[r] += keep(~same, mass[r]);
                own[r] += keep(elsewhere & same, mass[r]);
                steps[r] += mass[r] * __builtin_convertvector(apart, vf);
            }
        }
        if (!flow) continue;
        for (int span = 0; span < span_count; span++) {
            vf sum = splat(0);
            EACH(r, R) sum += keep(row_turn[r] == spans[span][0], mass[r]);
            __atomic_fetch_add(flow + (int64_t)spans[span][0] * (turns + 1) + column, fixed(lane_sum(sum)),
                               __ATOMIC_RELAXED);
            while (span + 1 < span_count && spans[span + 1][0] == spans[span][0]) span++;
        }
    }
    EACH(r, R) {
        put(s->scaffold + at, t, r, scaffold[r]);
        if (!wants_turns) continue;
        vi in_turn = row_turn[r] >= 0;
        put(s->content + at, t, r, keep(in_turn, content[r]));
        put(s->cross_turn + at, t, r, keep(in_turn, cross[r]));
        put(s->cross_speaker + at, t, r, keep(in_turn, other[r]));
        put(s->own_history + at, t, r, keep(in_turn, own[r]));
        put(s->turn_steps + at, t, r, keep(in_turn, steps[r]));
    }
    if (s->received)
        for (int j = t->first; j < t->last; j++) {
            vf sum = splat(0);
            const float *e = w->scores + (int64_t)(j - t->first) * ROWS;
            EACH(r, R) sum += load(e + r * LANES) * weight[r];
            __atomic_fetch_add(s->received + head_at + j, fixed(lane_sum(sum)), __ATOMIC_RELAXED);
        }
}

/* (low, high) moved down by one lane. */
#if LANES == 16
#define SHIFTED(low, high) \
    __builtin_shufflevector(low, high, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
#elif LANES == 8
#define SHIFTED(low, high) __builtin_shufflevector(low, high, 1, 2, 3, 4, 5, 6, 7, 8)
#else
#define SHIFTED(low, high) __builtin_shufflevector(low, high, 1, 2, 3, 4)
#endif

/* Sum weights along diagonals. Keys go down from the last to the first: the offsets i - j of one key are consecutive
   along the lanes and one higher for the next key, so that the window of sums moves down by one lane a key and the
   offset that leaves it is complete. */
INLINE void fold_diagonals(const struct sweep *s, const struct task *t, const struct scratch *w, int R, const vf *weight,
                           int64_t head_at) {
    const int keys = t->last - t->first, lowest = t->low - t->last + 1;
    float *sums = w->diagonals; /* entry x is of offset lowest + x */
    const float *e = w->scores + (int64_t)(keys - 1) * ROWS;
    vf window[ROW_VECTORS];
    EACH(r, R) window[r] = splat(0);
    for (int x = 0; x < keys; x++, e -= ROWS) {
        EACH(r, R) window[r] += load(e + r * LANES) * weight[r];
        sums[x] = window[0][0];
        for (int r = 0; r + 1 < R; r++) window[r] = SHIFTED(window[r], window[r + 1]);
        window[R - 1] = SHIFTED(window[R - 1], splat(0));
    }
    EACH(r, R) *(vfu *)(sums + keys + r * LANES) = (vfu)window[r];
    for (int x = 0; x < keys + R * LANES; x++) {
        int distance = lowest + x < 0 ? -(lowest + x) : lowest + x;
        if (distance < s->tokens && sums[x] != 0)
            __atomic_fetch_add(s->by_distance + head_at + distance, fixed(sums[x]), __ATOMIC_RELAXED);
    }
}

INLINE void run_task(const struct sweep *s, struct task *t, const struct scratch *w, const int R) {
    const int item = t->item, key_head = t->head / (s->heads / s->key_heads);
    const int64_t start = s->start[item], head_at = ((int64_t)item * s->heads + t->head) * s->tokens;
    const int64_t at = head_at + t->low;
    const float *query = s->query + item * s->query_strides[0] + t->head * s->query_strides[1] +
                         (start + t->low) * s->query_strides[2];
    const float *keys = s->key + item * s->key_strides[0] + key_head * s->key_strides[1] + start * s->key_strides[2];
    const float *values =
        s->value + item * s->value_strides[0] + key_head * s->value_strides[1] + start * s->value_strides[2];

    for (int row = 0; row < t->count; row++)
        for (int d = 0; d < s->width; d++) w->query[d * ROWS + row] = query[row * s->query_strides[2] + d] * s->scaling;
    for (int row = t->count; row < R * LANES; row++)
        for (int d = 0; d < s->width; d++) w->query[d * ROWS + row] = 0;
    memset(w->output, 0, sizeof(float) * s->value_width * ROWS);

    score(s, t, w, R, keys);
    struct sums rest[ROW_VECTORS], first[ROW_VECTORS];
    memset(rest, 0, sizeof rest);
    memset(first, 0, sizeof first);
    for (int from = t->first; from < t->last;) {
        int to = from == 0 ? 1 : from / KEY_BLOCK * KEY_BLOCK + KEY_BLOCK;
        if (to > t->last) to = t->last;
        EACH(r, R) weigh_block(t, r, w->scores, from, to, from == 0 ? &first[r] : &rest[r]);
        mix(s, w, R, w->scores + (int64_t)(from - t->first) * ROWS, values + from * s->value_strides[2], to - from);
        from = to;
    }
    vf weight[ROW_VECTORS], scale[ROW_VECTORS];
    EACH(r, R) row_statistics(s, t, r, &rest[r], &first[r], at, &weight[r], &scale[r]);
    fold(s, t, w, R, weight, at, head_at);
    if (s->by_distance && s->turn_offset[item + 1] > s->turn_offset[item])
        fold_diagonals(s, t, w, R, weight, head_at);

    float *output = s->output + ((item * (int64_t)s->tokens + start + t->low) * s->heads + t->head) * s->value_width;
    const int64_t row_step = (int64_t)s->heads * s->value_width;
    for (int d = 0; d < s->value_width; d++) EACH(r, R) {
        float *o = w->output + d * ROWS + r * LANES;
        store(o, load(o) * scale[r]);
    }
    for (int row = 0; row < t->count; row++)
        for (int d = 0; d < s->value_width; d++) output[row * row_step + d] = w->output[d * ROWS + row];
}

static void begin_task(const struct sweep *s, struct task *t, int item, int head, int low) {
    memset(t, 0, sizeof *t);
    t->item = item;
    t->head = head;
    t->low = low;
    t->count = s->length[item] - low < ROWS ? s->length[item] - low : ROWS;
    t->first = t->clear_last = s->length[item];
    for (int row = 0; row < ROWS; row++) {
        int64_t at = (int64_t)item * s->tokens + low + row;
        int first = row < t->count ? s->first[at] : 0, last = row < t->count ? s->last[at] : 0;
        t->row_first[row / LANES][row % LANES] = first;
        t->row_last[row / LANES][row % LANES] = last;
        t->place[row / LANES][row % LANES] = (float)(low + row);
        if (row < t->count && last > first) {
            if (first < t->first) t->first = first;
            if (last > t->last) t->last = last;
        }
        if (row < t->count) {
            if (first > t->clear_first) t->clear_first = first;
            if (last < t->clear_last) t->clear_last = last;
        }
    }
}

/* One shared list of tasks; threads take the next until none is left. */
struct queue {
    const struct sweep *sweep;
    int32_t *tasks; /* (count, 3) item, head, low; longest first */
    int64_t count;
    atomic_llong next;
    atomic_int failed;
};

static void *take(void *argument) {
    struct queue *queue = argument;
    const struct sweep *s = queue->sweep;
    const size_t row = sizeof(float) * ROWS;
    size_t sizes[4] = {row * (s->tokens + 1), row * s->width, row * s->value_width,
                       sizeof(float) * ((size_t)s->tokens + ROWS)};
    size_t total = 0, begins[4];
    for (int part = 0; part < 4; part++) {
        begins[part] = total;
        total += (sizes[part] + 63) / 64 * 64;
    }
    char *memory = aligned_alloc(64, total);
    if (!memory) {
        atomic_store(&queue->failed, 1);
        return NULL;
    }
    struct scratch w = {.scores = (float *)(memory + begins[0]),
                        .query = (float *)(memory + begins[1]),
                        .output = (float *)(memory + begins[2]),
                        .diagonals = (float *)(memory + begins[3])};
    for (int64_t index; (index = atomic_fetch_add(&queue->next, 1)) < queue->count;) {
        struct task t;
        begin_task(s, &t, queue->tasks[3 * index], queue->tasks[3 * index + 1], queue->tasks[3 * index + 2]);
        if (t.first >= t.last) continue; /* none of these queries sees a key: all stays 0 */
        switch ((t.count + LANES - 1) / LANES) {
        case 1: run_task(s, &t, &w, 1); break;
        case 2: run_task(s, &t, &w, 2); break;
#if ROW_VECTORS > 2
        case 3: run_task(s, &t, &w, 3); break;
#endif
#if ROW_VECTORS > 3
        case 4: run_task(s, &t, &w, 4); break;
#endif
        }
    }
    free(memory);
    return NULL;
}

#ifdef _OPENMP
/* PyTorch's own pool, since the process has one OpenMP library: threads of another pool would fight its waiting ones. */
static void run_threads(struct queue *queue, int threads) {
#pragma omp parallel num_threads(threads)
    take(queue);
}
#else
static void run_threads(struct queue *queue, int threads) {
    pthread_t others[256];
    int started = 0;
    for (; started + 1 < threads && started < 256; started++)
        if (pthread_create(&others[started], NULL, take, queue)) break; /* fewer threads, the same result */
    take(queue);
    for (int index = 0; index < started; index++) pthread_join(others[index], NULL);
}
#endif

/* Returns 0, or 1 where memory ran out (then the results are incomplete and must be thrown away). */
__attribute__((visibility("default"))) int hearken_sweep(const struct sweep *s) {
    struct queue queue = {.sweep = s};
    int64_t most = 0;
    for (int item = 0; item < s->batch; item++) most += (s->length[item] + ROWS - 1) / ROWS;
    queue.tasks = malloc(sizeof(int32_t) * 3 * (size_t)(most * s->heads + 1));
    if (!queue.tasks) return 1;
    for (int item = 0; item < s->batch; item++)
        for (int low = (s->length[item] - 1) / ROWS * ROWS; low >= 0 && s->length[item] > 0; low -= ROWS)
            for (int head = 0; head < s->heads; head++) {
                int32_t *task = queue.tasks + 3 * queue.count++;
                task[0] = item;
                task[1] = head;
                task[2] = low;
            }
    const int64_t threads = s->threads < queue.count ? s->threads : queue.count;
    run_threads(&queue, (int)threads);
    free(queue.tasks);
    return atomic_load(&queue.failed);
}
