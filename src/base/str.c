/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing strings and small text checks. */
#include "base/str.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

/* Make room for @more bytes and the NUL. */
static bool reserve(struct pn_str *s, size_t more)
{
    size_t need;
    if (s->failed || !pn_size_add(s->len, more, &need) || !pn_size_add(need, 1, &need))
        goto fail;
    if (need <= s->capacity)
        return true;
    size_t doubled = s->capacity <= SIZE_MAX / 2 ? s->capacity * 2 : SIZE_MAX;
    size_t capacity = doubled > FIRST_CAPACITY ? doubled : FIRST_CAPACITY;
    if (capacity < need)
        capacity = need;
    char *grown = pn_realloc(s->data, capacity, 1);
    if (!grown)
        goto fail;
    s->data = grown;
    s->capacity = capacity;
    return true;
fail:
    s->failed = true;
    return false;
}

void pn_str_add(struct pn_str *s, const char *text, size_t len)
{
    if (!reserve(s, len))
        return;
    if (len)
        memcpy(s->data + s->len, text, len);
    s->len += len;
    s->data[s->len] = '\0';
}

void pn_str_printf(struct pn_str *s, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        s->failed = true;
    else if (reserve(s, (size_t)len)) {
        vsnprintf(s->data + s->len, (size_t)len + 1, fmt, again);
        s->len += (size_t)len;
    }
    va_end(again);
}

void pn_str_fini(struct pn_str *s)
{
    pn_free(s->data);
    *s = (struct pn_str){0};
}

/* Length of the UTF-8 sequence at @p of at most @left bytes; 0 when it is not valid.
 * Source: The Unicode Standard, table 3-7, "Well-Formed UTF-8 Byte Sequences". */
static size_t utf8_len(const unsigned char *p, size_t left)
{
    unsigned char lead = p[0], low = 0x80, high = 0xBF;
    size_t len;
    if (lead < 0x80)
        return lead ? 1 : 0;
    if (lead >= 0xC2 && lead <= 0xDF)
        len = 2;
    else if (lead >= 0xE0 && lead <= 0xEF)
        len = 3;
    else if (lead >= 0xF0 && lead <= 0xF4)
        len = 4;
    else
        return 0;
    if (lead == 0xE0)
        low = 0xA0;
    else if (lead == 0xED)
        high = 0x9F;
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F;
    if (left < len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (p[i] < 0x80 || p[i] > 0xBF)
            return 0;
    return len;
}

bool pn_text_valid(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    while (len) {
        size_t step = utf8_len(p, len);
        if (!step)
            return false;
        p += step;
        len -= step;
    }
    return true;
}

/* Read the digits at *@text, moving behind them. False without a digit or on overflow. */
static bool digits(const char **text, uint64_t *out)
{
    const char *p = *text;
    uint64_t value = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
        if (__builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return false;
    }
    if (p == *text)
        return false;
    *text = p;
    *out = value;
    return true;
}

bool pn_text_to_i64(const char *text, int64_t min, int64_t max, int64_t *out)
{
    bool negative = *text == '-';
    if (negative)
        text++;
    uint64_t size;
    if (!digits(&text, &size) || *text)
        return false;
    if (size > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    int64_t value = negative ? (int64_t)(0 - size) : (int64_t)size;
    if (value < min || value > max)
        return false;
    *out = value;
    return true;
}

bool pn_text_to_bytes(const char *text, size_t *out)
{
    static const struct {
        const char *suffix;
        size_t factor;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"KiB", (size_t)1 << 10},
        {"MiB", (size_t)1 << 20},
        {"GiB", (size_t)1 << 30},
        {"TiB", (size_t)1 << 40},
        {"Ki", (size_t)1 << 10}, /* Kubernetes' words */
        {"Mi", (size_t)1 << 20},
        {"Gi", (size_t)1 << 30},
        {"Ti", (size_t)1 << 40},
        {"kB", 1000},
        {"KB", 1000},
        {"MB", 1000 * 1000},
        {"GB", 1000 * 1000 * 1000},
        {"TB", (size_t)1000 * 1000 * 1000 * 1000},
    };
    uint64_t value;
    if (!digits(&text, &value) || value > SIZE_MAX)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (!strcmp(text, units[i].suffix))
            return pn_size_mul((size_t)value, units[i].factor, out);
    return false;
}
