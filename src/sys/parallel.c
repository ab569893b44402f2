/* SPDX-License-Identifier: Apache-2.0
 *
 * A split: its caller and the workers that join it claim one piece after the other. When none
 * is left the caller takes it off the pool's list and waits for those still inside. Pieces
 * never wait for anything, so that wait ends whoever else splits meanwhile. */
#include "sys/pool_impl.h"

#include <assert.h>

/* A piece that splits again would only cut the same CPUs' work finer. */
static _Thread_local bool in_piece;
static _Thread_local size_t shared;

static void run_piece(const struct split *s, size_t slot, size_t at)
{
    size_t first = at * s->piece, rest = s->n - first;
    s->run(s->ctx, slot, first, rest < s->piece ? rest : s->piece);
}

static bool claim_piece(struct split *s, size_t *at)
{
    *at = atomic_fetch_add_explicit(&s->claimed, 1, memory_order_relaxed);
    return *at < s->n_pieces;
}

struct split *pn_split_find_locked(struct pn_pool *p)
{
    struct split *s = p->splits;
    while (s && (s->slots == s->max_slots ||
                    atomic_load_explicit(&s->claimed, memory_order_relaxed) >= s->n_pieces))
        s = s->next;
    return s;
}

void pn_split_join_locked(struct pn_pool *p, struct split *s)
{
    size_t slot = s->slots++, at;
    s->inside++;
    pthread_mutex_unlock(&p->mu);
    in_piece = true;
    while (!atomic_load_explicit(&p->queued, memory_order_relaxed) && claim_piece(s, &at))
        run_piece(s, slot, at);
    in_piece = false;
    pthread_mutex_lock(&p->mu);
    if (--s->inside == 0)
        pthread_cond_signal(&s->left);
}

static void open_split(struct pn_pool *p, struct split *s, size_t helpers)
{
    pthread_mutex_lock(&p->mu);
    s->next = p->splits;
    p->splits = s;
    pn_pool_wake_locked(p, helpers);
    pthread_mutex_unlock(&p->mu);
}

/* Afterwards no other thread knows of @s. */
static void close_split(struct pn_pool *p, struct split *s)
{
    pthread_mutex_lock(&p->mu);
    struct split **at = &p->splits;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    if (s->inside && p->spin_ns) {
        pthread_mutex_unlock(&p->mu);
        pn_pool_spin_to_zero(p, &s->inside);
        pthread_mutex_lock(&p->mu);
    }
    while (s->inside)
        pthread_cond_wait(&s->left, &p->mu);
    pthread_mutex_unlock(&p->mu);
}

static void run_alone(const struct split *s)
{
    for (size_t at = 0; at < s->n_pieces; at++)
        run_piece(s, 0, at);
}

static void run_together(struct pn_pool *p, struct split *s, size_t helpers)
{
    size_t at;
    shared++;
    pthread_cond_init(&s->left, NULL);
    open_split(p, s, helpers);
    in_piece = true;
    while (claim_piece(s, &at))
        run_piece(s, 0, at);
    in_piece = false;
    close_split(p, s);
    pthread_cond_destroy(&s->left);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

void pn_parallel_for(struct pn_pool *pool, size_t max_slots, size_t n, size_t piece,
    pn_piece_fn *run, void *ctx)
{
    assert(max_slots >= 1 && piece >= 1);
    struct split s = {.run = run,
        .ctx = ctx,
        .n = n,
        .piece = piece,
        .n_pieces = n / piece + (n % piece != 0),
        .max_slots = max_slots,
        .slots = 1};
    size_t helpers = least(pn_parallel_width(pool), max_slots);
    helpers = least(helpers, s.n_pieces);
    if (helpers <= 1)
        run_alone(&s);
    else
        run_together(pool, &s, helpers - 1);
}

size_t pn_parallel_width(const struct pn_pool *pool)
{
    return pool && !in_piece ? 1 + pool->n_idle : 1;
}

size_t pn_parallel_shared(void)
{
    return shared;
}
