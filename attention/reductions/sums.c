/* Rows of attention to sums: of every head, and of every turn, with what attention by distance alone would give.

   A task is up to CHUNK rows of one sequence under all heads: each row's metrics are worked out once, and added to its
   head and, over the heads, to its row; then parts are added up in the order of the chunks, so that neither threads nor
   neighbours change a bit of the result. */

#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/threads.h"

#define CHUNK 128
#define SINK_LIMIT 1e-6f /* of definitions.py */
#define ROUNDING 1e-12   /* masses below this are what is left of rounding errors */
#define FIXED_POINT 1099511627776.0 /* one over FIXED_POINT of rows.py */

/* The statistics of a row, in the order of rows.py, which a test compares. */
enum row {
    DISTANCE, VARIANCE, ENTROPY, SINK, REST, DISTANCE_REST, ENTROPY_REST, NULL_MASS, SCAFFOLD,
    CONTENT, CROSS_TURN, CROSS_SPEAKER, OWN_HISTORY, TURN_STEPS,
};

/* What is summed, in the order of summed.py, which a test compares. */
enum summed {
    SUM_DISTANCE, SUM_DISTANCE_WITHOUT_SINK, SUM_DISTANCE_SPREAD, SUM_ENTROPY, SUM_ENTROPY_WITHOUT_SINK,
    SUM_DISPERSION, SUM_INTERDEPENDENCY, SUM_SINK, SUM_SCAFFOLD, SUM_NULL_MASS,
    SUM_CROSS_TURN, SUM_CROSS_SPEAKER, SUM_OWN_HISTORY, SUM_TURN_DISTANCE,
    SUM_CROSS_TURN_UNIFORM, SUM_CROSS_SPEAKER_UNIFORM, SUM_OWN_HISTORY_UNIFORM,
    SUM_CROSS_TURN_LOCAL, SUM_CROSS_SPEAKER_LOCAL, SUM_OWN_HISTORY_LOCAL, SUM_LEFT_OUT,
    SUMMED,
};
#define ROW_MEANS SUM_CROSS_TURN_UNIFORM /* the first of them are metrics of turns too */

/* Bits of expectation.py. */
enum flag { SEES = 1, SEES_OTHERS = 2, SEES_SEVERAL = 4, SEES_SEVERAL_OTHERS = 8, IS_LATER = 16, IN_LATER_TURN = 32 };

/* The arguments of one call, laid out as in compiled.py, which a test compares. */
struct sums {
    const float *values;                 /* (layers, rows, batch, heads, tokens) */
    const int64_t *by_distance;          /* (layers, batch, heads, tokens) fixed point, or null without turns */
    const int32_t *length;               /* (batch) */
    const int32_t *first, *last;         /* (batch, tokens) keys first <= j < last are seen */
    const int32_t *query_turn;           /* (batch, tokens) turn of a content token, else -1 */
    const int32_t *turn_offset;          /* (batch + 1) into the next two */
    const int32_t *turn_speaker;         /* (turns) */
    const int32_t *turn_rows;            /* (turns, 4) sequence, turn, first row, one past the last */
    const int32_t *content_offset;       /* (batch + 1) into the next */
    const int32_t *content_runs;         /* (runs, 4) first key, one past the last, turn, speaker */
    const int32_t *flags, *pairs;        /* (batch, tokens) */
    const double *factors;               /* (6, batch, tokens) */
    double *head_sums;                   /* (layers, 2, SUMMED, batch, heads) sums, then counts */
    double *turn_sums;                   /* (layers, 2, ROW_MEANS, turns), or null */
    int32_t layers, rows, batch, heads, tokens, turns, speakers;
    int32_t has_reach, before, after;    /* how far every query sees, where that is the same for all */
    int32_t threads;
};

struct job {
    const struct sums *s;
    int32_t chunks;
    double *means;     /* (layers, batch, heads, 2 tokens + 1): see run_means */
    double *parts;     /* (layers, batch, chunks, heads, 2, SUMMED) */
    double *row_sums;  /* (layers, 2, ROW_MEANS, batch, tokens), over heads */
    atomic_llong next;
    atomic_int failed;
};

/* Running sums of a head's mean weight by distance: entry tokens + k is what a row gives, by distance alone, to all
   keys at offsets j - i < -k. So the mass of row i on keys [a, b) is entry(i - b) - entry(i - a). Offsets out of reach
   count nothing, so that runs of keys need not be cut to what a row sees. */
static void run_means(const struct sums *s, const int64_t *by_distance, const int32_t *pairs, int length, double *entry) {
    const int tokens = s->tokens;
    double sum = 0;
    entry += tokens;
    entry[tokens] = 0;
    for (int k = tokens - 1; k >= -tokens; k--) { /* offset -(k + 1) joins at entry k */
        const int offset = -(k + 1), distance = offset < 0 ? -offset : offset;
        const int seen = !s->has_reach || (offset >= -s->before && offset <= s->after);
        if (seen && distance < length)
            sum += (double)by_distance[distance] / FIXED_POINT / (pairs[distance] > 1 ? pairs[distance] : 1);
        entry[k] = sum;
    }
}

static void means_task(struct job *job, int64_t index) {
    const struct sums *s = job->s;
    const int64_t item = index / s->heads % s->batch;
    run_means(s, s->by_distance + index * s->tokens, s->pairs + item * s->tokens, s->length[item],
              job->means + index * (2 * (int64_t)s->tokens + 1));
}

/* Masses by distance alone of `count` rows from row `low`, on all content, the own turn's and the own speaker's.
   `by_speaker` (speakers, CHUNK) is room to work in. */
static void local_masses(const struct sums *s, int item, int low, int count, const double *entry, double *by_speaker,
                         double *content, double *same_turn, double *same_speaker) {
    const int32_t *own = s->query_turn + (int64_t)item * s->tokens + low;
    const int32_t *first = s->first + (int64_t)item * s->tokens + low, *last = s->last + (int64_t)item * s->tokens + low;
    memset(by_speaker, 0, sizeof(double) * CHUNK * s->speakers);
    memset(same_turn, 0, sizeof(double) * CHUNK);
    int from = s->tokens, to = 0;
    for (int row = 0; row < count; row++) {
        if (last[row] <= first[row]) continue;
        if (first[row] < from) from = first[row];
        if (last[row] > to) to = last[row];
    }
    for (int run = s->content_offset[item]; run < s->content_offset[item + 1]; run++) {
        const int32_t *keys = s->content_runs + 4 * (int64_t)run;
        const int begin = keys[0], stop = keys[1], turn = keys[2];
        if (begin >= to || stop <= from) continue;
        double *sum = by_speaker + (int64_t)keys[3] * CHUNK;
        const double *at = entry + s->tokens + low;
        int is_own = 0;
        for (int row = 0; row < count; row++) is_own |= own[row] == turn;
        if (s->has_reach) {
            const double *upper = at - stop, *lower = at - begin;
            for (int row = 0; row < count; row++) sum[row] += upper[row] - lower[row];
            if (is_own)
                for (int row = 0; row < count; row++) same_turn[row] += own[row] == turn ? upper[row] - lower[row] : 0;
        } else
            for (int row = 0; row < count; row++) {
                const int a = begin > first[row] ? begin : first[row], b = stop < last[row] ? stop : last[row];
                const double mass = b > a ? at[row - b] - at[row - a] : 0;
                sum[row] += mass;
                if (own[row] == turn) same_turn[row] += mass;
            }
    }
    memset(content, 0, sizeof(double) * CHUNK);
    for (int speaker = 0; speaker < s->speakers; speaker++)
        for (int row = 0; row < count; row++) content[row] += by_speaker[speaker * CHUNK + row];
    const int32_t *turn_speaker = s->turn_speaker + s->turn_offset[item];
    for (int row = 0; row < count; row++)
        same_speaker[row] = own[row] < 0 ? 0 : by_speaker[turn_speaker[own[row]] * CHUNK + row];
}

/* One kind of sum of a chunk: its values, 0 where not defined, and where they are. */
struct metric {
    double value[CHUNK];
    int32_t defined[CHUNK];
};

/* All metrics of `count` rows of one head, kind by kind. `row` (rows) are the statistics' rows in the chunk. */
static void metrics(const float *const *row, const int32_t *flags, const double *const *factor, int count, int turns,
                    const double *content, const double *same_turn, const double *same_speaker, struct metric *found) {
#define METRIC(kind, condition, formula)                                             \
    for (int i = 0; i < count; i++) {                                                \
        const int32_t bits = flags[i], yes = (condition);                            \
        const double x = (formula);                                                  \
        found[kind].value[i] = yes ? x : 0;                                          \
        found[kind].defined[i] = yes;                                                \
        (void)bits;                                                                  \
    }
#define HAS(bit) ((bits & (bit)) != 0)
#define ENOUGH (HAS(SEES_OTHERS) & (row[REST][i] >= SINK_LIMIT))
    METRIC(SUM_DISTANCE, HAS(SEES), row[DISTANCE][i])
    METRIC(SUM_DISTANCE_WITHOUT_SINK, ENOUGH, row[DISTANCE_REST][i])
    METRIC(SUM_DISTANCE_SPREAD, HAS(SEES), sqrt(row[VARIANCE][i] > 0 ? (double)row[VARIANCE][i] : 0.0))
    METRIC(SUM_ENTROPY, HAS(SEES), row[ENTROPY][i])
    METRIC(SUM_ENTROPY_WITHOUT_SINK, ENOUGH, row[ENTROPY_REST][i])
    METRIC(SUM_DISPERSION, HAS(SEES_SEVERAL), row[ENTROPY][i] * factor[0][i])
    METRIC(SUM_INTERDEPENDENCY, ENOUGH & HAS(SEES_SEVERAL_OTHERS),
           (row[DISTANCE_REST][i] * factor[1][i]) * (row[ENTROPY_REST][i] * factor[2][i]))
    METRIC(SUM_SINK, HAS(SEES) & HAS(IS_LATER), row[SINK][i])
    METRIC(SUM_SCAFFOLD, HAS(SEES), row[SCAFFOLD][i])
    METRIC(SUM_NULL_MASS, HAS(SEES), row[NULL_MASS][i])
    METRIC(SUM_LEFT_OUT, HAS(SEES) & HAS(SEES_OTHERS) & !(row[REST][i] >= SINK_LIMIT), 1)
    if (!turns) return;
    double inverse[CHUNK], local[CHUNK];
    int32_t possible[CHUNK];
    for (int i = 0; i < count; i++) {
        const double mass = row[CONTENT][i];
        inverse[i] = mass > 0 ? 1 / mass : 0;
        possible[i] = content[i] > ROUNDING;
        local[i] = possible[i] ? 1 / content[i] : 0;
    }
#define TALKS (HAS(IN_LATER_TURN) & (row[CONTENT][i] > 0))
#define ABOVE(mass) ((mass) > ROUNDING ? (mass) : 0)
    METRIC(SUM_CROSS_TURN, TALKS, row[CROSS_TURN][i] * inverse[i])
    METRIC(SUM_CROSS_SPEAKER, TALKS, row[CROSS_SPEAKER][i] * inverse[i])
    METRIC(SUM_OWN_HISTORY, TALKS, row[OWN_HISTORY][i] * inverse[i])
    METRIC(SUM_TURN_DISTANCE, TALKS, row[TURN_STEPS][i] * inverse[i])
    METRIC(SUM_CROSS_TURN_UNIFORM, HAS(IN_LATER_TURN), factor[3][i])
    METRIC(SUM_CROSS_SPEAKER_UNIFORM, HAS(IN_LATER_TURN), factor[4][i])
    METRIC(SUM_OWN_HISTORY_UNIFORM, HAS(IN_LATER_TURN), factor[5][i])
    METRIC(SUM_CROSS_TURN_LOCAL, HAS(IN_LATER_TURN) & possible[i], ABOVE(content[i] - same_turn[i]) * local[i])
    METRIC(SUM_CROSS_SPEAKER_LOCAL, HAS(IN_LATER_TURN) & possible[i], ABOVE(content[i] - same_speaker[i]) * local[i])
    METRIC(SUM_OWN_HISTORY_LOCAL, HAS(IN_LATER_TURN) & possible[i], ABOVE(same_speaker[i] - same_turn[i]) * local[i])
}

static void chunk_task(struct job *job, int64_t index, struct metric *found, double *by_speaker) {
    const struct sums *s = job->s;
    const int chunk = index % job->chunks, item = index / job->chunks % s->batch, layer = index / job->chunks / s->batch;
    const int low = chunk * CHUNK, count = s->length[item] - low < CHUNK ? s->length[item] - low : CHUNK;
    double *parts = job->parts + index * s->heads * 2 * SUMMED;
    if (count <= 0) return; /* the parts are 0 */
    const int turns = s->turn_offset[item + 1] - s->turn_offset[item];
    const int64_t plane = (int64_t)s->batch * s->tokens, at = (int64_t)item * s->tokens + low;
    const int32_t *flags = s->flags + at;
    const double *factor[6];
    for (int each = 0; each < 6; each++) factor[each] = s->factors + each * plane + at;
    int talks = 0;
    if (turns && s->by_distance)
        for (int row = 0; row < count; row++) talks |= flags[row] & IN_LATER_TURN;
    double content[CHUNK], same_turn[CHUNK], same_speaker[CHUNK];
    for (int head = 0; head < s->heads; head++) {
        const int64_t line = ((int64_t)layer * s->batch + item) * s->heads + head;
        const float *row[TURN_STEPS + 1];
        for (int each = 0; each < s->rows; each++)
            row[each] = s->values + (((int64_t)layer * s->rows + each) * s->batch * s->heads + (int64_t)item * s->heads + head) * s->tokens + low;
        if (talks)
            local_masses(s, item, low, count, job->means + line * (2 * (int64_t)s->tokens + 1), by_speaker, content,
                         same_turn, same_speaker);
        metrics(row, flags, factor, count, talks, content, same_turn, same_speaker, found);
        double *part = parts + head * 2 * SUMMED;
        for (int kind = 0; kind < SUMMED; kind++) {
            if (!talks && kind >= SUM_CROSS_TURN && kind != SUM_LEFT_OUT) continue;
            double total = 0;
            int32_t defined = 0;
            for (int i = 0; i < count; i++) total += found[kind].value[i];
            for (int i = 0; i < count; i++) defined += found[kind].defined[i];
            part[kind] = total;
            part[SUMMED + kind] = defined;
            if (!s->turn_sums || !turns || kind >= ROW_MEANS) continue;
            double *sum = job->row_sums + ((int64_t)layer * 2 * ROW_MEANS + kind) * plane + at;
            double *number = sum + ROW_MEANS * plane;
            for (int i = 0; i < count; i++) sum[i] += found[kind].value[i];
            for (int i = 0; i < count; i++) number[i] += found[kind].defined[i];
        }
    }
}

static void join_parts(const struct job *job) {
    const struct sums *s = job->s;
    const int64_t kind_step = (int64_t)s->batch * s->heads;
    for (int layer = 0; layer < s->layers; layer++)
        for (int item = 0; item < s->batch; item++)
            for (int chunk = 0; chunk < job->chunks; chunk++) {
                const double *part = job->parts + (((int64_t)layer * s->batch + item) * job->chunks + chunk) * s->heads * 2 * SUMMED;
                for (int head = 0; head < s->heads; head++)
                    for (int kind = 0; kind < 2 * SUMMED; kind++)
                        s->head_sums[((int64_t)layer * 2 * SUMMED + kind) * kind_step + item * s->heads + head] += *part++;
            }
}

static void turn_task(const struct job *job, int64_t index) {
    const struct sums *s = job->s;
    const int64_t plane = (int64_t)s->batch * s->tokens;
    const int turn = index % s->turns, layer = index / s->turns;
    const int32_t *rows = s->turn_rows + 4 * (int64_t)turn;
    const int32_t *own = s->query_turn + (int64_t)rows[0] * s->tokens;
    for (int kind = 0; kind < 2 * ROW_MEANS; kind++) {
        const double *sum = job->row_sums + ((int64_t)layer * 2 * ROW_MEANS + kind) * plane + (int64_t)rows[0] * s->tokens;
        double total = 0;
        for (int row = rows[2]; row < rows[3]; row++) total += own[row] == rows[1] ? sum[row] : 0;
        s->turn_sums[((int64_t)layer * 2 * ROW_MEANS + kind) * s->turns + turn] = total;
    }
}

enum stage { MEANS, CHUNKS, TURNS };

struct queue {
    struct job *job;
    enum stage stage;
    int64_t count;
};

static void *take(void *argument) {
    struct queue *queue = argument;
    struct job *job = queue->job;
    struct metric *found = NULL;
    double *by_speaker = NULL;
    if (queue->stage == CHUNKS) {
        found = calloc(SUMMED, sizeof *found);
        by_speaker = malloc(sizeof(double) * CHUNK * (job->s->speakers + 1));
        if (!found || !by_speaker) atomic_store(&job->failed, 1);
    }
    for (int64_t index; !atomic_load(&job->failed) && (index = atomic_fetch_add(&job->next, 1)) < queue->count;) {
        if (queue->stage == MEANS) means_task(job, index);
        if (queue->stage == CHUNKS) chunk_task(job, index, found, by_speaker);
        if (queue->stage == TURNS) turn_task(job, index);
    }
    free(found);
    free(by_speaker);
    return NULL;
}

static void run_stage(struct job *job, enum stage stage, int64_t count) {
    struct queue queue = {job, stage, count};
    atomic_store(&job->next, 0);
    run_threads(take, &queue, (int)(job->s->threads < count ? job->s->threads : count));
}

/* Returns 0, or 1 where memory ran out (then the results are incomplete and must be thrown away). The sums that are
   given are all zero at the beginning. */
__attribute__((visibility("default"))) int hearken_sums(const struct sums *s) {
    struct job job = {.s = s, .chunks = (s->tokens + CHUNK - 1) / CHUNK};
    const int64_t lines = (int64_t)s->layers * s->batch * s->heads, items = (int64_t)s->layers * s->batch;
    job.parts = calloc((size_t)(lines * job.chunks * 2 * SUMMED + 1), sizeof(double));
    job.means = s->by_distance ? malloc(sizeof(double) * (size_t)(lines * (2 * (int64_t)s->tokens + 1))) : NULL;
    job.row_sums = s->turn_sums ? calloc((size_t)(items * 2 * ROW_MEANS * s->tokens + 1), sizeof(double)) : NULL;
    if (!job.parts || (s->by_distance && !job.means) || (s->turn_sums && !job.row_sums)) atomic_store(&job.failed, 1);
    if (!atomic_load(&job.failed)) {
        if (s->by_distance) run_stage(&job, MEANS, lines);
        run_stage(&job, CHUNKS, items * job.chunks);
        join_parts(&job);
        if (s->turn_sums) run_stage(&job, TURNS, (int64_t)s->layers * s->turns);
    }
    free(job.parts);
    free(job.means);
    free(job.row_sums);
    return atomic_load(&job.failed);
}
