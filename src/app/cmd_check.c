/* SPDX-License-Identifier: Apache-2.0
 *
 * `pinnace check`: load models, say what they are, run the test data beside them. */
#include "app/command.h"

#include "base/log.h"
#include "model/testdata.h"
#include "serve/absent.h"
#include "serve/found.h"

#include <inttypes.h>
#include <stdio.h>

struct check_options {
    double rtol, atol;
    bool passes;
};

static const struct pn_option options[] = {
    {.name = "rtol",
        .kind = PN_OPTION_NUMBER,
        .offset = offsetof(struct check_options, rtol),
        .fallback = "1e-3",
        .value = "X",
        .help = "relative difference that still agrees"},
    {.name = "atol",
        .kind = PN_OPTION_NUMBER,
        .offset = offsetof(struct check_options, atol),
        .fallback = "1e-5",
        .value = "X",
        .help = "absolute difference that still agrees"},
    {.name = "passes",
        .kind = PN_OPTION_BOOL,
        .offset = offsetof(struct check_options, passes),
        .fallback = "false",
        .help = "print what each pass over the graph did"},
};

static const struct pn_option_table table = {
    .command = "pinnace check",
    .usage = "[options] PATH...",
    .about = "Load the models of PATH (an .onnx, .safetensors or .npy file, a model\n"
             "directory, a repository), print what they are, and run\n"
             "test_data_set_*/{input,output}_N.pb beside them. Exit status: 0 all agrees,\n"
             "1 a result differs, 2 a model cannot be loaded.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
};

static int fail_model(const char *model, const char *reason)
{
    fprintf(stderr, "%s: model \"%s\": %s\n", table.command, model, reason);
    return PN_EXIT_UNUSABLE;
}

/* Run the test data in @dir. Returns the exit status. */
static int compare(const struct check_options *o, const char *name, const char *dir,
    struct pn_model *model)
{
    struct pn_testdata_result result = {0};
    struct pn_error err = {0};
    struct pn_str text = {0};
    enum pn_code code;

    code = pn_model_check_testdata(model, dir, o->rtol, o->atol, &result, &text, &err);
    if (text.data)
        fputs(text.data, stdout);
    pn_str_fini(&text);
    if (code != PN_OK)
        return fail_model(name, err.msg);
    if (result.sets == 0)
        printf("no test_data_set_* beside the model\n");
    if (result.differing == 0)
        return PN_EXIT_OK;
    fprintf(stderr, "%s: model \"%s\": %zu of %zu outputs differ\n", table.command, name,
        result.differing, result.outputs);
    return PN_EXIT_FAILED;
}

/* The most common mistake of an export, which would show with the first request only. */
static void tell_fixed_rows(const struct pn_model *model)
{
    for (size_t i = 0; i < model->n_inputs; i++) {
        const struct pn_tensor_info *input = &model->inputs[i];

        if (input->rank > 0 && input->dims[0] >= 0)
            printf("rows    of input \"%s\" fixed at %" PRId64
                   ": to take any number, export it with a dynamic first dimension\n",
                input->name, input->dims[0]);
    }
}

static void describe(
    const struct check_options *o, struct pn_model *model, const struct pn_str *report)
{
    struct pn_str text = {0};

    model->ops->describe(model, &text);
    if (text.data)
        fputs(text.data, stdout);
    pn_str_fini(&text);
    tell_fixed_rows(model);
    if (o->passes && report->data)
        printf("passes\n%s", report->data);
}

static int check_version(const struct check_options *o, const struct pn_scan *scan,
    const struct pn_found_model *m, const struct pn_found_version *found)
{
    struct pn_str report = {0};
    struct pn_model_options mo = {.report = o->passes ? &report : NULL};
    struct pn_model *model = NULL;
    struct pn_error err = {0};
    enum pn_code code;
    int status;

    code = pn_found_open(scan, m, found, &mo, &model, &err);
    if (code == PN_OK) {
        printf("model   \"%s\" version %" PRId64 ", %s\n", m->name, found->number,
            found->path);
        describe(o, model, &report);
        status = compare(o, m->name, found->dir, model);
    } else
        status = fail_model(m->name, err.msg);
    pn_model_close(model);
    pn_str_fini(&report);
    return status;
}

static int worse(int a, int b)
{
    return a > b ? a : b;
}

static int check_all(const struct check_options *o, const struct pn_scan *scan)
{
    int status = PN_EXIT_OK;

    for (size_t i = 0; i < scan->n_models; i++) {
        const struct pn_found_model *m = &scan->models[i];

        if (m->beside) /* opened with the models that need it */
            continue;
        if (m->failure.code != PN_OK)
            status = worse(status, fail_model(m->name, m->failure.msg));
        for (size_t k = 0; m->failure.code == PN_OK && k < m->n_versions; k++)
            status = worse(status, check_version(o, scan, m, &m->versions[k]));
    }
    return status;
}

static int check_paths(const struct check_options *o, const struct pn_parsed *parsed)
{
    struct pn_error err = {0};
    struct pn_scan scan;
    enum pn_code code;
    int status;

    code = pn_scan_paths(parsed->arguments, parsed->n_arguments, &scan, &err);
    if (code == PN_OK)
        code = pn_found_add_encoders(&scan, &err);
    if (code == PN_OK && scan.n_models == 0)
        code = pn_absent_model(parsed->arguments[0], &err);
    if (code != PN_OK)
        status = pn_command_fail(table.command, PN_EXIT_UNUSABLE, err.msg);
    else
        status = check_all(o, &scan);
    pn_scan_fini(&scan);
    return status;
}

int pn_command_check(int argc, char **argv)
{
    struct check_options o = {0};
    struct pn_error err = {0};
    struct pn_parsed parsed;
    int status;

    if (pn_options_parse(&table, argc, argv, &o, &parsed, &err) != PN_OK)
        status = pn_command_fail(table.command, PN_EXIT_UNUSABLE, err.msg);
    else if (parsed.help)
        status = pn_command_help(&table);
    else if (parsed.n_arguments == 0)
        status = pn_command_fail(table.command, PN_EXIT_UNUSABLE, "expected a PATH");
    else if (!pn_command_blas_usable(table.command))
        status = PN_EXIT_UNUSABLE;
    else
        status = check_paths(&o, &parsed);
    pn_parsed_fini(&parsed);
    return status;
}
