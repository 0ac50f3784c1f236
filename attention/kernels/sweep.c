/* One sweep over attention rows: the output and every row statistic, without keeping the N x N weights.

   A task is up to ROW_VECTORS * LANES queries of one head. Queries lie along the lanes, keys along the loop, so that
   nothing is ever summed across lanes in the inner loops, and weights by distance, by key and by turn fall out as the
   keys go by. Tasks that read the same keys take them together, block by block, with a running maximum: what was summed
   before is scaled when it rises. Scores are kept to the end only where weights by distance or by key are asked for, in
   a buffer of (keys x queries) floats: memory grows linearly with the keys.

   Sums shared by several tasks (by distance, by key, turn to turn) are kept as 64-bit fixed-point numbers, so that the
   order in which threads arrive does not change a bit of the result.

   Plain C11 with vector extensions (GCC 12, Clang 15 or newer); compiled once for each level of vector registers. */

#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "threads.h"

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define ROW_VECTORS 3 /* 3 x 8 sums, 3 operands and a broadcast fill 32 registers */
#define GROUP 8
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#define ROW_VECTORS 3 /* 3 x 4 sums, 3 operands and a broadcast fill 16 registers */
#define GROUP 4
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define ROW_VECTORS 3
#define GROUP 8
#else
#define VECTOR_BYTES 16
#define ROW_VECTORS 2
#define GROUP 4
#endif
#define LANES (VECTOR_BYTES / 4)
#define ROWS (ROW_VECTORS * LANES)
#define KEY_BLOCK 64
#define BAND 12 /* tasks that read keys together */
#define KEPT_BYTES (8 << 20) /* of the scores that a thread keeps, where one task's are fewer */

#define HIDDEN -1e30f /* a score no query sees; finite, so that its weight is 0 and not no number */
#define FIXED_POINT 1099511627776.0 /* one over FIXED_POINT of rows.py */
#define REST_LIMIT 1e-6f /* SINK_LIMIT of definitions.py */
/* Added to a mass before dividing by it, so that 0/0 is 0. */
#define EMPTY 1e-300
#define EMPTY_F 1e-35f

typedef float vf __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t vi __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t vl __attribute__((vector_size(2 * VECTOR_BYTES)));
typedef double vd __attribute__((vector_size(2 * VECTOR_BYTES)));
typedef float vfu __attribute__((vector_size(VECTOR_BYTES), aligned(4)));
typedef float v4 __attribute__((vector_size(16), aligned(4)));
typedef int64_t vlu __attribute__((vector_size(2 * VECTOR_BYTES), aligned(8)));
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
    int64_t *flow;                         /* fixed point, or null: (heads or 1, turns, turns + 1) of each sequence */
    const int32_t *flow_offset;            /* (batch + 1) into flow, for one head */
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

/* exp(x) for x <= 0 of `count` vectors within 2 units in the last place, and 0 below -87: 2^n through the exponent's
   bits, and e^r on |r| <= ln(2)/2 by its series to degree 6. All vectors take each step together, as one alone would
   wait for its own last step most of the time. */
INLINE void exponentials(int count, const vf *x, vf *y) {
    const vf shift = splat(12582912.0f); /* 1.5 * 2^23 rounds to the nearest integer */
    vf z[ROW_VECTORS], r[ROW_VECTORS], p[ROW_VECTORS];
    EACH(v, count) z[v] = x[v] * 1.44269504f + shift;
    EACH(v, count) r[v] = x[v] - (z[v] - shift) * 0.693145752f;
    EACH(v, count) r[v] = r[v] - (z[v] - shift) * 1.42860677e-6f;
    EACH(v, count) p[v] = r[v] * 1.38888889e-3f + 8.33333333e-3f;
    EACH(v, count) p[v] = p[v] * r[v] + 4.16666667e-2f;
    EACH(v, count) p[v] = p[v] * r[v] + 1.66666667e-1f;
    EACH(v, count) p[v] = p[v] * r[v] + 0.5f;
    EACH(v, count) p[v] = p[v] * r[v] + 1.0f;
    EACH(v, count) p[v] = p[v] * r[v] + 1.0f;
    EACH(v, count) p[v] = (vf)((vi)p[v] + ((vi)z[v] << 23));
    EACH(v, count) y[v] = keep(x[v] > -87.0f, p[v]);
}

INLINE vf exponential(vf x) {
    vf y;
    exponentials(1, &x, &y);
    return y;
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

/* `fixed` of every lane, for |x| < 2^18: 1.5 * 2^52 puts the whole number into the low bits. */
INLINE vl fixed_lanes(vf x) {
    const vd shift = 6755399441055744.0 - (vd){0};
    return (vl)(__builtin_convertvector(x, vd) * FIXED_POINT + shift) - (vl)shift;
}

/* Sums of e over keys: alone, times |i-j|, times s - m; and the mean and squared deviations of the keys' places. */
struct sums {
    vd mass, distance, score, mean, square;
};

/* One task: queries [low, low + count) of one head. */
struct task {
    int item, head, low, count, first, last; /* keys [first, last) are all that any of them sees */
    int clear_first, clear_last;             /* keys [clear_first, clear_last) are seen by all of them */
    int base;                                /* the first key of the block that `first` is in */
    vi row_first[ROW_VECTORS], row_last[ROW_VECTORS];
    vf place[ROW_VECTORS], highest[ROW_VECTORS]; /* `highest` is the greatest score yet, m */
    struct sums first_key[ROW_VECTORS], rest[ROW_VECTORS];
    float *query;  /* (width, ROWS) */
    float *output; /* (value_width, ROWS) */
    float *scores; /* (keys, ROWS) from `base` on: s, then e = exp(s - m) with the m that its block had; one block of
                      them where `keeps` is false, as nothing asks for the weights later */
    vf *weights;   /* (blocks, ROW_VECTORS) from `base` on: m of each block, then what makes weights of its e */
    vf *masses;    /* (pieces, ROW_VECTORS) sums of e over the keys of one run in one block, in the order of keys */
    int keeps, run, pieces; /* `run` is the first that does not end before the next block */
};

/* What one thread owns: a band of tasks, one block of keys and values, and sums. */
struct scratch {
    struct task *tasks; /* (BAND) */
    float *keys;        /* (KEY_BLOCK / GROUP, width, GROUP) */
    float *values;      /* (value_width / GROUP, KEY_BLOCK, GROUP) */
    float *diagonals;   /* (tokens + ROWS) by signed offset, of one task */
    int64_t *offsets;   /* (2 * tokens + 2 * ROWS) by signed offset, of one head */
};

INLINE int padded(int dimensions) { return (dimensions + GROUP - 1) / GROUP * GROUP; }

/* Four rows of four numbers, transposed. */
INLINE void transpose(const v4 a[4], v4 b[4]) {
    const v4 x = __builtin_shufflevector(a[0], a[1], 0, 4, 1, 5), y = __builtin_shufflevector(a[2], a[3], 0, 4, 1, 5);
    const v4 z = __builtin_shufflevector(a[0], a[1], 2, 6, 3, 7), w = __builtin_shufflevector(a[2], a[3], 2, 6, 3, 7);
    b[0] = __builtin_shufflevector(x, y, 0, 1, 4, 5);
    b[1] = __builtin_shufflevector(x, y, 2, 3, 6, 7);
    b[2] = __builtin_shufflevector(z, w, 0, 1, 4, 5);
    b[3] = __builtin_shufflevector(z, w, 2, 3, 6, 7);
}

/* to[d * to_step + row] = scale * from[row * step + d] for `rows` rows of `width` numbers, 0 up to `padded` rows. */
INLINE void turn_rows(const float *from, int64_t step, int rows, int width, float scale, int padded, float *to,
                      int64_t to_step) {
    for (int row = 0; row < padded; row += 4) {
        int d = 0;
        if (row + 4 <= rows)
            for (; d + 4 <= width; d += 4) {
                v4 a[4], b[4];
                EACH(n, 4) a[n] = *(const v4 *)(from + (row + n) * step + d);
                transpose(a, b);
                EACH(n, 4) *(v4 *)(to + (d + n) * to_step + row) = b[n] * scale;
            }
        for (; d < width; d++)
            for (int n = row; n < row + 4 && n < padded; n++)
                to[d * to_step + n] = n < rows ? from[n * step + d] * scale : 0;
    }
}

/* Keys [0, count) in groups, so that what one step of `score_group` reads lies together. */
static void pack_keys(const float *keys, int64_t step, int count, int width, float *panel) {
    for (int j = 0; j < count; j += GROUP, panel += GROUP * width)
        turn_rows(keys + j * step, step, count - j, width, 1, GROUP, panel, GROUP);
}

/* Values in groups of dimensions, so that what `mix_group` reads follows one another. */
static void pack_values(const float *values, int64_t step, int count, int width, float *panel) {
    for (int j = 0; j < count; j++, values += step, panel += GROUP) {
        int d = 0;
        for (; d + GROUP <= width; d += GROUP) memcpy(panel + d * KEY_BLOCK, values + d, GROUP * sizeof(float));
        for (int n = 0; d < width && n < GROUP; n++) panel[d * KEY_BLOCK + n] = d + n < width ? values[d + n] : 0;
    }
}

/* scores[j] = scaling * q.k_j for one group of keys, those hidden set to HIDDEN; the running maximum of each query. */
INLINE void score_group(const struct sweep *s, const struct task *t, int R, const float *key, float *scores, int j,
                        vf *highest) {
    vf sum[ROW_VECTORS][GROUP];
    EACH(r, R) EACH(n, GROUP) sum[r][n] = splat(0);
    const float *q = t->query;
    for (int d = 0; d < s->width; d++, q += ROWS, key += GROUP) {
        vf query[ROW_VECTORS];
        EACH(r, R) query[r] = load(q + r * LANES);
        EACH(n, GROUP) {
            vf k = splat(key[n]);
            EACH(r, R) sum[r][n] += query[r] * k;
        }
    }
    if (s->softcap != 0) {
        EACH(n, GROUP) EACH(r, R) {
            vf x = sum[r][n] * (1 / s->softcap), a = absolute(x), e = exponential(a * -2.0f);
            vf high = (1 - e) / (1 + e), x2 = x * x;
            vf low = a * (1 + x2 * (-0.333333333f + x2 * (0.133333333f + x2 * (-0.0539682540f + x2 * 0.0218694885f))));
            vf h = select_f(a < 0.1f, low, high);
            sum[r][n] = select_f(x < 0, -h, h) * s->softcap;
        }
    }
    if (j < t->clear_first || j + GROUP > t->clear_last)
        EACH(n, GROUP) EACH(r, R) {
            vi seen = (t->row_first[r] <= j + n) & (t->row_last[r] > j + n);
            sum[r][n] = select_f(seen, sum[r][n], splat(HIDDEN));
        }
    EACH(n, GROUP) EACH(r, R) {
        store(scores + n * ROWS + r * LANES, sum[r][n]);
        highest[r] = greater(highest[r], sum[r][n]);
    }
}

/* output[d] += sum_j e_j v_j[d] for one group of dimensions. */
INLINE void mix_group(int R, const float *e, const float *value, float *output, int keys) {
    vf sum[ROW_VECTORS][GROUP];
    EACH(n, GROUP) EACH(r, R) sum[r][n] = load(output + n * ROWS + r * LANES);
    for (int j = 0; j < keys; j++, e += ROWS, value += GROUP) {
        vf weight[ROW_VECTORS];
        EACH(r, R) weight[r] = load(e + r * LANES);
        EACH(n, GROUP) {
            vf v = splat(value[n]);
            EACH(r, R) sum[r][n] += weight[r] * v;
        }
    }
    EACH(n, GROUP) EACH(r, R) store(output + n * ROWS + r * LANES, sum[r][n]);
}

/* Squared deviations are about each block's own mean, and merged about the common mean (Chan, Golub & LeVeque): a row
   that looks at one place gets a variance near 0. float inside a block, double between blocks. */
INLINE void weigh(const struct task *t, int R, float *block, int from, int to, struct sums *sums) {
    vf mass[ROW_VECTORS], distance[ROW_VECTORS], score[ROW_VECTORS], offset[ROW_VECTORS], square[ROW_VECTORS];
    EACH(r, R) mass[r] = distance[r] = score[r] = offset[r] = square[r] = splat(0);
    const float middle = 0.5f * (float)(from + to - 1), lowest = (float)from - middle;
    float *row = block;
    for (int j = from; j < to; j++, row += ROWS) {
        vf x[ROW_VECTORS], e[ROW_VECTORS];
        EACH(r, R) x[r] = load(row + r * LANES) - t->highest[r];
        exponentials(R, x, e);
        EACH(r, R) store(row + r * LANES, e[r]);
        EACH(r, R) mass[r] += e[r];
        EACH(r, R) score[r] += e[r] * x[r];
    }
    vf place[ROW_VECTORS], key = splat(lowest);
    EACH(r, R) place[r] = t->place[r] - middle;
    row = block;
    for (int j = from; j < to; j++, row += ROWS, key += 1)
        EACH(r, R) {
            const vf e = load(row + r * LANES);
            distance[r] += e * absolute(place[r] - key);
            offset[r] += e * key;
        }
    vf mean[ROW_VECTORS];
    EACH(r, R) mean[r] = offset[r] / (mass[r] + EMPTY_F);
    row = block;
    key = splat(lowest);
    for (int j = from; j < to; j++, row += ROWS, key += 1)
        EACH(r, R) {
            const vf apart = key - mean[r];
            square[r] += load(row + r * LANES) * (apart * apart);
        }
    EACH(r, R) {
        const vd block_mass = __builtin_convertvector(mass[r], vd);
        const vd total = sums[r].mass + block_mass, part = block_mass / (total + EMPTY);
        const vd apart = __builtin_convertvector(mean[r], vd) + middle - sums[r].mean;
        sums[r].square += __builtin_convertvector(square[r], vd) + apart * apart * (sums[r].mass * part);
        sums[r].mean += apart * part;
        sums[r].mass = total;
        sums[r].distance += __builtin_convertvector(distance[r], vd);
        sums[r].score += __builtin_convertvector(score[r], vd);
    }
}

/* Sums about a maximum that is `rise` lower, made sums about the new one by `scale` = exp(-rise). */
INLINE void rescale(struct sums *sums, vd rise, vd scale) {
    sums->score = (sums->score - rise * sums->mass) * scale;
    sums->mass *= scale;
    sums->distance *= scale;
    sums->square *= scale;
}

INLINE int any(vi x) {
    uint64_t parts[VECTOR_BYTES / 8], all = 0;
    memcpy(parts, &x, sizeof parts);
    for (int part = 0; part < VECTOR_BYTES / 8; part++) all |= parts[part];
    return all != 0;
}

/* Whether masses on the runs of a column are wanted: those on scaffold always are. */
INLINE int counts(const struct sweep *s, const struct task *t, int column) {
    return column == 0 || (s->content && s->turn_offset[t->item + 1] > s->turn_offset[t->item]);
}

/* Sums of e over keys [from, to) of one block, for each run among them. */
INLINE void add_pieces(const struct sweep *s, struct task *t, int R, const float *e, int from, int to) {
    const int32_t *run = s->runs + 3 * t->run, *const end = s->runs + 3 * s->run_offset[t->item + 1];
    while (run < end && run[1] <= from) run += 3;
    t->run = (int)((run - s->runs) / 3);
    for (; run < end && run[0] < to; run += 3) {
        if (!counts(s, t, run[2])) continue;
        const int low = run[0] > from ? run[0] : from, high = run[1] < to ? run[1] : to;
        vf sum[ROW_VECTORS];
        EACH(r, R) sum[r] = splat(0);
        const float *row = e + (low - from) * ROWS;
        for (int j = low; j < high; j++, row += ROWS) EACH(r, R) sum[r] += load(row + r * LANES);
        EACH(r, R) t->masses[t->pieces * ROW_VECTORS + r] = sum[r];
        t->pieces++;
    }
}

/* One block of keys, which begins at `base`, for all queries of a task. */
INLINE void sweep_block(const struct sweep *s, struct task *t, const struct scratch *w, int R, int base) {
    const int from = t->first > base ? t->first : base;
    const int to = t->last < base + KEY_BLOCK ? t->last : base + KEY_BLOCK;
    float *const scores = t->scores + (t->keeps ? (int64_t)(base - t->base) * ROWS : 0);
    vf *const weights = t->weights + (base - t->base) / KEY_BLOCK * ROW_VECTORS;
    vf highest[ROW_VECTORS];
    EACH(r, R) highest[r] = t->highest[r];
    for (int n = (from - base) / GROUP * GROUP; base + n < to; n += GROUP)
        score_group(s, t, R, w->keys + n * s->width, scores + n * ROWS, base + n, highest);
    EACH(r, R) {
        if (any(highest[r] > t->highest[r])) {
            const vf rise = highest[r] - t->highest[r], scale = exponential(-rise);
            const vd wide_rise = __builtin_convertvector(rise, vd), wide_scale = __builtin_convertvector(scale, vd);
            rescale(&t->first_key[r], wide_rise, wide_scale);
            rescale(&t->rest[r], wide_rise, wide_scale);
            float *o = t->output + r * LANES;
            for (int d = 0; d < s->value_width; d++, o += ROWS) store(o, load(o) * scale);
        }
        t->highest[r] = weights[r] = highest[r];
    }
    float *const e = scores + (from - base) * ROWS;
    const int rest = from == 0;
    if (from == 0) weigh(t, R, e, 0, 1, t->first_key);
    if (from + rest < to) weigh(t, R, e + rest * ROWS, from + rest, to, t->rest);
    add_pieces(s, t, R, e, from, to);
    for (int d = 0; d < s->value_width; d += GROUP)
        mix_group(R, e, w->values + d * KEY_BLOCK + (from - base) * GROUP, t->output + d * ROWS, to - from);
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
INLINE void row_statistics(const struct sweep *s, const struct task *t, int r, int64_t at, vf *weight, vf *scale) {
    const struct sums *rest = &t->rest[r], *first = &t->first_key[r];
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

/* mass = the weights of keys [from, to) of one run, by the sums from `piece` on. Returns where the next run's begin. */
INLINE const vf *piece_masses(const struct task *t, int R, int from, int to, const vf *piece, vf *mass) {
    EACH(r, R) mass[r] = splat(0);
    const vf *weight = t->weights + (from - t->base) / KEY_BLOCK * ROW_VECTORS;
    for (int block = (from - t->base) / KEY_BLOCK; t->base + block * KEY_BLOCK < to; block++) {
        EACH(r, R) mass[r] += piece[r] * weight[r];
        piece += ROW_VECTORS;
        weight += ROW_VECTORS;
    }
    return piece;
}

/* Rows' masses by group of keys, and the sums over rows by distance, by key and by turn. */
INLINE void fold(const struct sweep *s, const struct task *t, int R, int64_t at, int64_t head_at) {
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
    int64_t *flow = s->flow;
    if (flow && s->flow_heads)
        flow += (int64_t)s->flow_offset[item] * s->heads + (int64_t)t->head * turns * (turns + 1);
    else if (flow)
        flow += s->flow_offset[item];

    const vf *piece = t->masses;
    for (int run = s->run_offset[item]; run < s->run_offset[item + 1]; run++) {
        int from = s->runs[3 * run], to = s->runs[3 * run + 1];
        const int column = s->runs[3 * run + 2];
        if (from < t->first) from = t->first;
        if (to > t->last) to = t->last;
        if (from >= to || !counts(s, t, column)) continue;
        vf mass[ROW_VECTORS];
        piece = piece_masses(t, R, from, to, piece, mass);
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
            const float *e = t->scores + (int64_t)(j - t->base) * ROWS;
            const vf *weight = t->weights + (j - t->base) / KEY_BLOCK * ROW_VECTORS;
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
   offset that leaves it is complete. CHAINS stretches of keys go side by side, as each key waits for the one before. */
#define CHAINS 2

INLINE void slide(const struct task *t, int R, int chains, const int *last, int keys, vf (*window)[ROW_VECTORS],
                  float *const *sums) {
    for (int x = 0, steps; x < keys; x += steps) {
        vf weight[CHAINS][ROW_VECTORS];
        const float *e[CHAINS];
        steps = keys - x;
        EACH(c, chains) {
            const int key = last[c] - 1 - x - t->base, block = key / KEY_BLOCK, left = key - block * KEY_BLOCK + 1;
            if (left < steps) steps = left;
            e[c] = t->scores + (int64_t)key * ROWS;
            EACH(r, R) weight[c][r] = t->weights[block * ROW_VECTORS + r];
        }
        for (int y = x; y < x + steps; y++)
            EACH(c, chains) {
                EACH(r, R) window[c][r] += load(e[c] + r * LANES) * weight[c][r];
                e[c] -= ROWS;
                sums[c][y] = window[c][0][0];
                EACH(r, R - 1) window[c][r] = SHIFTED(window[c][r], window[c][r + 1]);
                window[c][R - 1] = SHIFTED(window[c][R - 1], splat(0));
            }
    }
}

/* Adds to `offsets`, whose entry 0 is of offset -(tokens + ROWS). */
INLINE void fold_diagonals(const struct sweep *s, const struct task *t, const struct scratch *w, int R) {
    const int keys = t->last - t->first, part = keys / CHAINS;
    vf window[CHAINS][ROW_VECTORS];
    int last[CHAINS];
    float *sums[CHAINS]; /* entry x of `diagonals` is of offset low - last + 1 + x */
    EACH(c, CHAINS) {
        EACH(r, R) window[c][r] = splat(0);
        last[c] = t->last - c * part;
        sums[c] = w->diagonals + c * part;
    }
    slide(t, R, CHAINS, last, part, window, sums);
    const int rest_last = last[CHAINS - 1] - part;
    float *const rest_sums = sums[CHAINS - 1] + part;
    slide(t, R, 1, &rest_last, rest_last - t->first, &window[CHAINS - 1], &rest_sums);
    EACH(r, R) *(vfu *)(w->diagonals + keys + r * LANES) = (vfu)window[CHAINS - 1][r];
    *(vfu *)(w->diagonals + keys + R * LANES) = (vfu)splat(0); /* so that whole vectors can be added up */
    EACH(c, CHAINS - 1) EACH(r, R) {
        vfu *const tail = (vfu *)(sums[c] + part + r * LANES);
        *tail = (vfu)((vf)*tail + window[c][r]);
    }
    int64_t *const offsets = w->offsets + s->tokens + ROWS + t->low - t->last + 1;
    for (int x = 0; x < keys + R * LANES; x += LANES) {
        vlu *const sum = (vlu *)(offsets + x);
        *sum = (vlu)((vl)*sum + fixed_lanes((vf) * (const vfu *)(w->diagonals + x)));
    }
}

/* The sums of one head by offset -> those of the call by distance. */
static void add_offsets(const struct sweep *s, const struct scratch *w, int item, int head) {
    int64_t *const by_distance = s->by_distance + ((int64_t)item * s->heads + head) * s->tokens;
    const int64_t *const middle = w->offsets + s->tokens + ROWS;
    for (int distance = 0; distance < s->length[item]; distance++) {
        const int64_t sum = middle[distance] + (distance ? middle[-distance] : 0);
        if (sum) __atomic_fetch_add(by_distance + distance, sum, __ATOMIC_RELAXED);
    }
}

/* What is known of a task's rows once all keys have gone by. */
INLINE void finish_task(const struct sweep *s, const struct task *t, const struct scratch *w, const int R) {
    const int item = t->item;
    const int64_t start = s->start[item], head_at = ((int64_t)item * s->heads + t->head) * s->tokens;
    vf weight[ROW_VECTORS], scale[ROW_VECTORS];
    EACH(r, R) row_statistics(s, t, r, head_at + t->low, &weight[r], &scale[r]);
    for (int block = 0; block * KEY_BLOCK < t->last - t->base; block++) {
        vf *const m = t->weights + block * ROW_VECTORS;
        EACH(r, R) m[r] = exponential(m[r] - t->highest[r]) * weight[r];
    }
    fold(s, t, R, head_at + t->low, head_at);
    if (s->by_distance && s->turn_offset[item + 1] > s->turn_offset[item]) fold_diagonals(s, t, w, R);

    float *output = s->output + ((item * (int64_t)s->tokens + start + t->low) * s->heads + t->head) * s->value_width;
    const int64_t row_step = (int64_t)s->heads * s->value_width;
    for (int d = 0; d < s->value_width; d++) EACH(r, R) {
        float *o = t->output + d * ROWS + r * LANES;
        store(o, load(o) * scale[r]);
    }
    turn_rows(t->output, ROWS, s->value_width, t->count, 1, s->value_width, output, row_step);
}

/* Whether weights are asked for once more when all keys have gone by. */
INLINE int keeps_scores(const struct sweep *s, int item) {
    return s->received || (s->by_distance && s->turn_offset[item + 1] > s->turn_offset[item]);
}

static void begin_task(const struct sweep *s, struct task *t, int item, int head, int low) {
    t->item = item;
    t->head = head;
    t->low = low;
    t->count = s->length[item] - low < ROWS ? s->length[item] - low : ROWS;
    t->first = t->clear_last = s->length[item];
    t->last = t->clear_first = 0;
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
    t->base = t->first / KEY_BLOCK * KEY_BLOCK;
    t->keeps = keeps_scores(s, item);
    t->run = s->run_offset[item];
    t->pieces = 0;
    const int vectors = (t->count + LANES - 1) / LANES;
    turn_rows(s->query + item * s->query_strides[0] + head * s->query_strides[1] +
                  (s->start[item] + low) * s->query_strides[2],
              s->query_strides[2], t->count, s->width, s->scaling, vectors * LANES, t->query, ROWS);
    memset(t->output, 0, sizeof(float) * ROWS * padded(s->value_width));
    memset(t->first_key, 0, sizeof t->first_key);
    memset(t->rest, 0, sizeof t->rest);
    for (int r = 0; r < ROW_VECTORS; r++) t->highest[r] = splat(HIDDEN);
}

#if ROW_VECTORS == 2
#define WITH_VECTORS(count, CALL) \
    switch (count) { \
    case 1: CALL(1); break; \
    default: CALL(2); \
    }
#else
#define WITH_VECTORS(count, CALL) \
    switch (count) { \
    case 1: CALL(1); break; \
    case 2: CALL(2); break; \
    default: CALL(3); \
    }
#endif

/* A band is up to BAND tasks that share each block of keys and values while it is in the cache: neighbouring queries of
   neighbouring heads on one key head. Which tasks share a band changes none of their numbers. */
struct band {
    int32_t item, head, low, heads, rows; /* heads [head, head + heads), tasks of queries [low, low + rows * ROWS) */
};

static void sweep_band(const struct sweep *s, const struct scratch *w, const struct band *band) {
    const int item = band->item, key_head = band->head / (s->heads / s->key_heads);
    const int64_t start = s->start[item], key_step = s->key_strides[2], value_step = s->value_strides[2];
    const float *keys = s->key + item * s->key_strides[0] + key_head * s->key_strides[1] + start * key_step;
    const float *values = s->value + item * s->value_strides[0] + key_head * s->value_strides[1] + start * value_step;
    int first = s->length[item], last = 0, tasks = 0;
    for (int low = band->low; low < band->low + band->rows * ROWS && low < s->length[item]; low += ROWS)
        for (int head = band->head; head < band->head + band->heads; head++) {
            struct task *t = &w->tasks[tasks];
            begin_task(s, t, item, head, low);
            if (t->first >= t->last) continue; /* none of these queries sees a key: all stays 0 */
            if (t->first < first) first = t->first;
            if (t->last > last) last = t->last;
            tasks++;
        }
    for (int base = first / KEY_BLOCK * KEY_BLOCK; base < last; base += KEY_BLOCK) {
        const int count = last - base < KEY_BLOCK ? last - base : KEY_BLOCK;
        pack_keys(keys + base * key_step, key_step, count, s->width, w->keys);
        pack_values(values + base * value_step, value_step, count, s->value_width, w->values);
        for (int index = 0; index < tasks; index++) {
            struct task *t = &w->tasks[index];
            if (t->last <= base || t->first >= base + KEY_BLOCK) continue;
#define SWEEP_BLOCK(R) sweep_block(s, t, w, R, base)
            WITH_VECTORS((t->count + LANES - 1) / LANES, SWEEP_BLOCK)
        }
    }
    for (int head = band->head; head < band->head + band->heads; head++) {
        const int by_distance = s->by_distance && s->turn_offset[item + 1] > s->turn_offset[item];
        if (by_distance) memset(w->offsets, 0, sizeof(int64_t) * 2 * ((size_t)s->tokens + ROWS));
        for (int index = 0; index < tasks; index++) {
            struct task *t = &w->tasks[index];
            if (t->head != head) continue;
#define FINISH_TASK(R) finish_task(s, t, w, R)
            WITH_VECTORS((t->count + LANES - 1) / LANES, FINISH_TASK)
        }
        if (by_distance) add_offsets(s, w, item, head);
    }
}

/* One shared list of bands; threads take the next until none is left. */
struct queue {
    const struct sweep *sweep;
    struct band *bands; /* longest first */
    int64_t count;
    int tasks; /* of a band at most */
    atomic_llong next;
    atomic_int failed;
};

static void *take(void *argument) {
    struct queue *queue = argument;
    const struct sweep *s = queue->sweep;
    const size_t row = sizeof(float) * ROWS, blocks = s->tokens / KEY_BLOCK + 2;
    size_t runs = 0, kept = 1;
    for (int item = 0; item < s->batch; item++) {
        const size_t count = s->run_offset[item + 1] - s->run_offset[item];
        if (count > runs) runs = count;
        if (keeps_scores(s, item)) kept = blocks;
    }
    const size_t sizes[9] = {row * s->width,
                             row * padded(s->value_width),
                             row * kept * KEY_BLOCK,
                             row * blocks,
                             row * (runs + blocks),
                             sizeof(float) * KEY_BLOCK * s->width,
                             sizeof(float) * KEY_BLOCK * padded(s->value_width),
                             sizeof(float) * ((size_t)s->tokens + 2 * ROWS),
                             sizeof(int64_t) * 2 * ((size_t)s->tokens + 2 * ROWS)};
    size_t total = 0;
    for (int part = 0; part < 9; part++) total += (sizes[part] + 63) / 64 * 64 * (part < 5 ? queue->tasks : 1);
    char *memory = aligned_alloc(64, total), *next = memory;
    if (!memory) {
        atomic_store(&queue->failed, 1);
        return NULL;
    }
    struct task tasks[BAND];
    float *begins[9];
    for (int index = 0; index < queue->tasks; index++) {
        for (int part = 0; part < 5; part++, next += (sizes[part - 1] + 63) / 64 * 64) begins[part] = (float *)next;
        tasks[index].query = begins[0];
        tasks[index].output = begins[1];
        tasks[index].scores = begins[2];
        tasks[index].weights = (vf *)begins[3];
        tasks[index].masses = (vf *)begins[4];
    }
    for (int part = 5; part < 9; part++, next += (sizes[part - 1] + 63) / 64 * 64) begins[part] = (float *)next;
    const struct scratch w = {.tasks = tasks,
                              .keys = begins[5],
                              .values = begins[6],
                              .diagonals = begins[7],
                              .offsets = (int64_t *)begins[8]};
    for (int64_t index; (index = atomic_fetch_add(&queue->next, 1)) < queue->count;)
        sweep_band(s, &w, &queue->bands[index]);
    free(memory);
    return NULL;
}

/* How many heads and how many tasks of queries make a band, heads first: few enough that all threads have work. */
static struct band band_shape(const struct sweep *s, int64_t tasks) {
    const int64_t share = tasks / (4 * (int64_t)s->threads);
    const int group = s->heads / s->key_heads;
    int64_t most = BAND;
    for (int item = 0; item < s->batch; item++)
        if (keeps_scores(s, item)) most = KEPT_BYTES / (ROWS * sizeof(float) * s->tokens);
    if (most > BAND) most = BAND;
    if (most > share) most = share;
    if (most < 1) most = 1;
    struct band band = {.heads = group < most ? group : (int)most};
    while (group % band.heads) band.heads--;
    band.rows = (int)most / band.heads;
    return band;
}

/* Returns 0, or 1 where memory ran out (then the results are incomplete and must be thrown away). */
__attribute__((visibility("default"))) int hearken_sweep(const struct sweep *s) {
    struct queue queue = {.sweep = s};
    int64_t tasks = 0;
    for (int item = 0; item < s->batch; item++) tasks += (s->length[item] + ROWS - 1) / ROWS * (int64_t)s->heads;
    queue.bands = malloc(sizeof(struct band) * (size_t)(tasks + 1));
    if (!queue.bands) return 1;
    struct band band = band_shape(s, tasks);
    queue.tasks = band.heads * band.rows;
    const int step = band.rows * ROWS;
    for (band.item = 0; band.item < s->batch; band.item++)
        for (band.low = (s->length[band.item] + step - 1) / step * step - step; band.low >= 0; band.low -= step)
            for (band.head = 0; band.head < s->heads; band.head += band.heads) queue.bands[queue.count++] = band;
    const int64_t threads = s->threads < queue.count ? s->threads : queue.count;
    run_threads(take, &queue, (int)threads);
    free(queue.bands);
    return atomic_load(&queue.failed);
}
