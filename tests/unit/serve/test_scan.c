/* SPDX-License-Identifier: Apache-2.0
 *
 * The repository's layout, rule by rule, on trees made here. */
#include "lib/suite.h"
#include "serve/absent.h"
#include "serve/found.h"
#include "unit/serve/tree.h"

static struct pn_scan scan;
static struct pn_error err;

static enum pn_code scan_at(const char *name)
{
    const char *path = tree_path(name);

    err = (struct pn_error){0};
    return pn_scan_paths(&path, 1, &scan, &err);
}

static const struct pn_found_model *model(const char *name)
{
    for (size_t i = 0; i < scan.n_models; i++) {
        if (strcmp(scan.models[i].name, name) == 0)
            return &scan.models[i];
    }
    ck_abort_msg("model %s not found", name);
    return NULL;
}

/* "1,3" of the versions found. */
static const char *versions(const char *name)
{
    static char text[64];
    const struct pn_found_model *m = model(name);
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < m->n_versions; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%lld", i ? "," : "",
            (long long)m->versions[i].number);
    return text;
}

START_TEST(test_file)
{
    tree_open();
    tree_write("ranker.v2.onnx", "ok");
    tree_write("notes.txt", "no");
    ck_assert_int_eq(scan_at("ranker.v2.onnx"), PN_OK);
    ck_assert_uint_eq(scan.n_models, 1);
    ck_assert_str_eq(versions("ranker.v2"), "1");
    ck_assert_str_eq(scan.models[0].versions[0].path, tree_path("ranker.v2.onnx"));
    pn_scan_fini(&scan);
    ck_assert_int_eq(scan_at("notes.txt"), PN_INVALID);
    ck_assert_int_eq(scan_at("absent.onnx"), PN_NOT_FOUND);
    tree_close();
}
END_TEST

START_TEST(test_paths_that_are_not_there)
{
    char expected[512];

    tree_open();
    ck_assert_int_eq(scan_at("models"), PN_NOT_FOUND);
    snprintf(expected, sizeof expected,
        "%s/models: no such file or directory; is the volume mounted?", tree_root);
    ck_assert_str_eq(err.msg, expected);
    ck_assert_int_eq(scan_at("absent.npy"), PN_NOT_FOUND);
    snprintf(
        expected, sizeof expected, "%s/absent.npy: no such file or directory", tree_root);
    ck_assert_str_eq(err.msg, expected);
    ck_assert_int_eq(mkfifo(tree_path("pipe.onnx"), 0600), 0);
    ck_assert_int_eq(scan_at("pipe.onnx"), PN_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "pipe.onnx: expected a file or a directory"));
    tree_close();
}
END_TEST

/* A file that lies elsewhere than it is looked for is named. */
START_TEST(test_folders_without_a_model)
{
    char expected[512];

    tree_open();
    tree_write("empty/README", "");
    ck_assert_int_eq(pn_absent_model(tree_path("empty"), &err), PN_NOT_FOUND);
    snprintf(expected, sizeof expected,
        "no model in %s/empty: expected %s/empty/NAME/VERSION/model.onnx; is the volume "
        "mounted?",
        tree_root, tree_root);
    ck_assert_str_eq(err.msg, expected);
    tree_write("all/items.npy", "ok");
    tree_write("all/items.safetensors", "ok");
    ck_assert_int_eq(scan_at("all"), PN_OK);
    ck_assert_uint_eq(scan.n_models, 0);
    ck_assert_int_eq(pn_absent_model(tree_path("all"), &err), PN_NOT_FOUND);
    snprintf(expected, sizeof expected,
        "no model in %s/all: expected %s/all/NAME/VERSION/model.npy; \"items.npy\" lies "
        "there "
        "by itself: to serve it, give the file as PATH",
        tree_root, tree_root);
    ck_assert_str_eq(err.msg, expected);
    tree_write("all/table/config.pbtxt", "platform: \"pinnace_table\"");
    ck_assert_int_eq(scan_at("all"), PN_OK);
    snprintf(expected, sizeof expected,
        "no version in %s/all/table: expected %s/all/table/1/model.safetensors, or the "
        "parameter \"file\" with the name of a table below %s/all",
        tree_root, tree_root, tree_root);
    ck_assert_str_eq(model("table")->failure.msg, expected);
    pn_scan_fini(&scan);
    tree_close();
}
END_TEST

START_TEST(test_model_folder)
{
    tree_open();
    tree_write("ranker/1/model.onnx", "ok");
    tree_write("ranker/12/model.onnx", "ok");
    tree_write("ranker/3/model.onnx", "ok");
    ck_assert_int_eq(scan_at("ranker/"), PN_OK);
    ck_assert_uint_eq(scan.n_models, 1);
    ck_assert_str_eq(versions("ranker"), "12");
    pn_scan_fini(&scan);
    tree_close();
}
END_TEST

/* A folder with the model file and no version: version 1, but only as a PATH. */
START_TEST(test_folder_without_version)
{
    tree_open();
    tree_write("all/ranker/model.onnx", "ok");
    tree_write("all/other/2/model.onnx", "ok");
    ck_assert_int_eq(scan_at("all/ranker/"), PN_OK);
    ck_assert_uint_eq(scan.n_models, 1);
    ck_assert_str_eq(versions("ranker"), "1");
    ck_assert_ptr_nonnull(strstr(scan.models[0].versions[0].path, "ranker/model.onnx"));
    pn_scan_fini(&scan);
    ck_assert_int_eq(scan_at("all"), PN_OK);
    ck_assert_uint_eq(scan.n_models, 1);
    ck_assert_str_eq(versions("other"), "2");
    pn_scan_fini(&scan);
    tree_write("all/ranker/config.pbtxt", "version_policy: { specific { versions: [2] } }");
    ck_assert_int_eq(scan_at("all/ranker"), PN_OK);
    ck_assert_int_eq(scan.models[0].failure.code, PN_INVALID);
    pn_scan_fini(&scan);
    tree_write("all/ranker/config.pbtxt", "default_model_filename: \"net.onnx\"");
    tree_write("all/ranker/net.onnx", "ok");
    ck_assert_int_eq(scan_at("all/ranker"), PN_OK);
    ck_assert_str_eq(versions("ranker"), "1");
    ck_assert_ptr_nonnull(strstr(scan.models[0].versions[0].path, "ranker/net.onnx"));
    pn_scan_fini(&scan);
    tree_write("all/ranker/7/model.onnx", "ok");
    tree_write("all/ranker/config.pbtxt", "");
    ck_assert_int_eq(scan_at("all/ranker"), PN_OK);
    ck_assert_str_eq(versions("ranker"), "7");
    pn_scan_fini(&scan);
    tree_close();
}
END_TEST

START_TEST(test_repository)
{
    tree_open();
    tree_write("a/1/model.onnx", "ok");
    tree_write("a/1/model.onnx.data", "weights");
    tree_write("a/02/model.onnx", "not a version");
    tree_write("a/-1/model.onnx", "not a version");
    tree_write("a/99999999999999999999/model.onnx", "beyond 63 bits");
    tree_write("a/3", "a file is no version");
    tree_write("1/7/model.onnx", "a model named 1");
    tree_write(".hidden/1/model.onnx", "not looked at");
    tree_write("lost+found/x", "no version");
    tree_write("README", "no directory");
    ck_assert_int_eq(scan_at(""), PN_OK);
    ck_assert_uint_eq(scan.n_models, 2);
    ck_assert_str_eq(versions("a"), "1");
    ck_assert_str_eq(versions("1"), "7");
    pn_scan_fini(&scan);
    tree_close();
}
END_TEST

/* A ConfigMap: names are links to ..data, which is a link to a dated folder. */
START_TEST(test_links_are_followed)
{
    tree_open();
    tree_write("..2026_11_22/ranker/4/model.onnx", "ok");
    ck_assert_int_eq(symlink("..2026_11_22", tree_path("..data")), 0);
    ck_assert_int_eq(symlink("..data/ranker", tree_path("ranker")), 0);
    ck_assert_int_eq(symlink("nowhere", tree_path("dangling")), 0);
    ck_assert_int_eq(scan_at(""), PN_OK);
    ck_assert_uint_eq(scan.n_models, 1);
    ck_assert_str_eq(versions("ranker"), "4");
    pn_scan_fini(&scan);
    tree_close();
}
END_TEST

START_TEST(test_policies)
{
    static const struct {
        const char *config, *versions;
    } cases[] = {
        {"", "5"},
        {"version_policy: { latest { num_versions: 2 } }", "3,5"},
        {"version_policy: { latest { num_versions: 9 } }", "1,3,5"},
        {"version_policy: { all { } }", "1,3,5"},
        {"version_policy: { specific { versions: [1, 5] } }", "1,5"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tree_open();
        tree_write("m/1/model.onnx", "ok");
        tree_write("m/3/model.onnx", "ok");
        tree_write("m/5/model.onnx", "ok");
        tree_write("m/config.pbtxt", cases[i].config);
        ck_assert_int_eq(scan_at(""), PN_OK);
        ck_assert_msg(model("m")->failure.code == PN_OK, "%s", model("m")->failure.msg);
        ck_assert_str_eq(versions("m"), cases[i].versions);
        pn_scan_fini(&scan);
        tree_close();
    }
}
END_TEST

/* Each of these fails the model, not the scan. */
START_TEST(test_faults_of_a_model)
{
    static const struct {
        const char *config, *said;
    } cases[] = {
        {"name: \"other\"", "expected \"m\" as the directory, got \"other\""},
        {"platform: \"tensorrt_plan\"", "platform"},
        {"backend: \"python\"", "backend"},
        {"default_model_filename: \"../x.onnx\"", "default_model_filename"},
        {"version_policy: { specific { versions: [2] } }", "version 2"},
        {"name: ", "config.pbtxt"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tree_open();
        tree_write("m/1/model.onnx", "ok");
        tree_write("m/config.pbtxt", cases[i].config);
        tree_write("good/1/model.onnx", "ok");
        ck_assert_int_eq(scan_at(""), PN_OK);
        ck_assert_int_eq(model("m")->failure.code, PN_INVALID);
        ck_assert_msg(strstr(model("m")->failure.msg, cases[i].said) != NULL, "%s",
            model("m")->failure.msg);
        ck_assert_int_eq(model("good")->failure.code, PN_OK);
        pn_scan_fini(&scan);
        tree_close();
    }
}
END_TEST

START_TEST(test_configuration_names_the_file)
{
    tree_open();
    tree_write("m/1/ranker.onnx", "ok");
    tree_write(
        "m/config.pbtxt", "default_model_filename: \"ranker.onnx\" max_batch_size: 8");
    tree_write("none/config.pbtxt", "max_batch_size: 8");
    ck_assert_int_eq(scan_at(""), PN_OK);
    ck_assert_str_eq(model("m")->versions[0].path, tree_path("m/1/ranker.onnx"));
    ck_assert_int_eq(model("m")->config.max_batch_size, 8);
    ck_assert_int_eq(model("none")->failure.code, PN_INVALID);
    ck_assert_ptr_nonnull(strstr(model("none")->failure.msg, "no version in"));
    pn_scan_fini(&scan);
    tree_close();
}
END_TEST

START_TEST(test_one_name_in_two_places)
{
    const char *paths[2];

    tree_open();
    tree_write("a/m/1/model.onnx", "ok");
    tree_write("b/m/1/model.onnx", "ok");
    paths[0] = tree_path("a");
    paths[1] = tree_path("b");
    ck_assert_int_eq(pn_scan_paths(paths, 2, &scan, &err), PN_OK);
    ck_assert_uint_eq(scan.n_models, 1);
    ck_assert_ptr_nonnull(strstr(model("m")->failure.msg, "found twice"));
    pn_scan_fini(&scan);
    paths[1] = tree_path("a/m"); /* one place, given twice */
    ck_assert_int_eq(pn_scan_paths(paths, 2, &scan, &err), PN_OK);
    ck_assert_uint_eq(scan.n_models, 1);
    ck_assert_int_eq(model("m")->failure.code, PN_OK);
    ck_assert_uint_eq(model("m")->n_versions, 1);
    pn_scan_fini(&scan);
    tree_close();
}
END_TEST

START_TEST(test_builtin_yields_to_the_users)
{
    tree_open();
    tree_write("simple/3/model.onnx", "ok");
    ck_assert_int_eq(scan_at(""), PN_OK);
    ck_assert_int_eq(pn_scan_add_builtin(&scan, "simple", &err), PN_OK);
    ck_assert_uint_eq(scan.n_models, 1);
    ck_assert(!model("simple")->builtin);
    pn_scan_fini(&scan);
    ck_assert_int_eq(pn_scan_paths(NULL, 0, &scan, &err), PN_OK);
    ck_assert_int_eq(pn_scan_add_builtin(&scan, "simple", &err), PN_OK);
    ck_assert(model("simple")->builtin);
    pn_scan_fini(&scan);
    tree_close();
}
END_TEST

static uint64_t stamp_now(void)
{
    uint64_t stamp;

    ck_assert_int_eq(scan_at(""), PN_OK);
    stamp = scan.models[0].versions[0].stamp;
    pn_scan_fini(&scan);
    return stamp;
}

START_TEST(test_stamps)
{
    uint64_t first, second, third;

    tree_open();
    tree_write("m/1/model.onnx", "ok");
    tree_write("m/1/model.onnx.data", "weights");
    first = stamp_now();
    ck_assert(first == stamp_now());
    tree_write("m/1/model.onnx.data", "weightz");
    second = stamp_now();
    ck_assert(second != first);
    tree_write("m/config.pbtxt", "max_batch_size: 8");
    third = stamp_now();
    ck_assert(third != second);
    tree_close();
}
END_TEST

#define TABLE "platform: \"pinnace_table\" "
#define PARAMETER(key, value)                                                              \
    "parameters { key: \"" key "\" value { string_value: \"" value "\" } } "

START_TEST(test_table_files)
{
    tree_open();
    tree_write("all/a/1/model.npy", "ok");
    tree_write("all/b/1/model.npy", "ok");
    tree_write("all/b/1/model.safetensors", "ok");
    tree_write("all/both/1/model.npy", "ok");
    tree_write("all/both/1/model.onnx", "ok");
    tree_write("all/named/1/rows.npy", "ok");
    tree_write("all/named/config.pbtxt",
        "default_model_filename: \"rows.npy\" " PARAMETER("operation", "topk"));
    tree_write("all/none/1/model.onnx", "ok");
    tree_write("all/none/config.pbtxt", TABLE);
    ck_assert_int_eq(scan_at("all"), PN_OK);
    ck_assert(model("a")->versions[0].is_table);
    ck_assert_ptr_nonnull(strstr(model("b")->versions[0].path, "b/1/model.safetensors"));
    ck_assert(!model("both")->versions[0].is_table);
    ck_assert(model("named")->versions[0].is_table);
    ck_assert_int_eq(model("named")->table.operation, PN_TABLE_TOPK);
    ck_assert_ptr_nonnull(strstr(model("none")->versions[0].path, "1/model.safetensors"));
    pn_scan_fini(&scan);
    ck_assert_int_eq(scan_at("all/a/1/model.npy"), PN_OK);
    ck_assert_str_eq(scan.models[0].name, "model");
    ck_assert(scan.models[0].versions[0].is_table);
    pn_scan_fini(&scan);
    ck_assert_int_eq(scan_at("all/b/1"), PN_OK); /* a folder with the file itself */
    ck_assert_str_eq(versions("1"), "1");
    pn_scan_fini(&scan);
    ck_assert_int_eq(scan_at("absent.npy"), PN_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "no such file"));
    tree_close();
}
END_TEST

START_TEST(test_shared_table)
{
    uint64_t stamp;

    tree_open();
    tree_write("all/rows.npy", "ok");
    tree_write("all/m/config.pbtxt",
        TABLE PARAMETER("file", "rows.npy") PARAMETER("keys", "words"));
    ck_assert_int_eq(scan_at("all"), PN_OK);
    ck_assert_str_eq(versions("m"), "1");
    ck_assert_str_eq(model("m")->root, tree_path("all"));
    ck_assert_str_eq(model("m")->versions[0].path, tree_path("all/rows.npy"));
    pn_scan_fini(&scan);
    ck_assert_int_eq(scan_at("all/m/"), PN_OK); /* its root is the folder above */
    ck_assert_str_eq(model("m")->root, tree_path("all"));
    stamp = model("m")->versions[0].stamp;
    pn_scan_fini(&scan);
    for (int i = 0; i < 3; i++) {
        static const char *const files[] = {"all/words", "all/rows.npy", "all/m/words"};

        tree_write(files[i], "new");
        ck_assert_int_eq(scan_at("all/m/"), PN_OK);
        ck_assert_uint_ne(model("m")->versions[0].stamp, stamp);
        stamp = model("m")->versions[0].stamp;
        pn_scan_fini(&scan);
    }
    tree_write("all/model.npy", "shared, and no model of its own");
    ck_assert_int_eq(scan_at("all"), PN_OK);
    ck_assert_uint_eq(scan.n_models, 1);
    ck_assert_str_eq(scan.models[0].name, "m");
    pn_scan_fini(&scan);
    tree_write("all/m/config.pbtxt", TABLE "backend: \"onnxruntime\"");
    ck_assert_int_eq(scan_at("all"), PN_OK);
    ck_assert_ptr_nonnull(strstr(model("m")->failure.msg, "backend: expected none"));
    pn_scan_fini(&scan);
    tree_close();
}
END_TEST

START_TEST(test_encoders)
{
    tree_open();
    tree_write("tower/1/model.onnx", "ok");
    tree_write("good/config.pbtxt", TABLE PARAMETER("file", "f") PARAMETER(
                                        "operation", "topk") PARAMETER("encoder", "tower"));
    tree_write("deep/config.pbtxt", TABLE PARAMETER("file", "f") PARAMETER(
                                        "operation", "topk") PARAMETER("encoder", "good"));
    tree_write("lost/config.pbtxt", TABLE PARAMETER("file", "f") PARAMETER("operation",
                                        "topk") PARAMETER("encoder", "absent"));
    ck_assert_int_eq(scan_at(""), PN_OK);
    ck_assert_int_eq(pn_found_add_encoders(&scan, &err), PN_OK);
    ck_assert_int_eq(model("good")->failure.code, PN_OK);
    ck_assert_int_eq(model("deep")->failure.code, PN_INVALID);
    ck_assert_str_eq(model("deep")->failure.msg,
        "encoder \"good\": expected a model without an encoder "
        "of its own, it has \"tower\"");
    ck_assert_int_eq(model("lost")->failure.code, PN_NOT_FOUND);
    pn_scan_fini(&scan);
    tree_close();
}
END_TEST

#define ENCODED(name)                                                                      \
    TABLE PARAMETER("file", "f") PARAMETER("operation", "topk") PARAMETER("encoder", name)

static void scan_encoders(const char *first, const char *second)
{
    const char *paths[] = {tree_path(first), second ? tree_path(second) : NULL};

    err = (struct pn_error){0};
    ck_assert_int_eq(pn_scan_paths(paths, second ? 2 : 1, &scan, &err), PN_OK);
    ck_assert_int_eq(pn_found_add_encoders(&scan, &err), PN_OK);
}

static const char *encoder_failure(const char *name)
{
    static char text[PN_ERROR_MSG_BYTES];

    snprintf(text, sizeof text, "%s", model(name)->failure.msg);
    pn_scan_fini(&scan);
    return text;
}

/* A model of a PATH, then one that lies beside; never one that lies beside another's. */
START_TEST(test_encoders_beside)
{
    tree_open();
    tree_write("a/one/config.pbtxt", ENCODED("tower"));
    tree_write("a/tower/1/model.onnx", "ok");
    tree_write("b/two/config.pbtxt", ENCODED("tower"));
    tree_write("c/three/config.pbtxt", ENCODED("tower"));
    tree_write("c/tower/2/model.onnx", "ok");
    tree_write("c/bare/model.onnx", "ok");
    tree_write("c/to_bare/config.pbtxt", ENCODED("bare"));
    tree_write("c/away/config.pbtxt", ENCODED("../a/tower"));
    scan_encoders("a/one", NULL);
    ck_assert_uint_eq(scan.n_models, 2);
    ck_assert(model("tower")->beside && !model("one")->beside);
    ck_assert_str_eq(encoder_failure("one"), "");
    scan_encoders("c/three", "a/tower"); /* the PATH's comes first */
    ck_assert_uint_eq(scan.n_models, 2);
    ck_assert(!model("tower")->beside);
    ck_assert_str_eq(model("tower")->dir, tree_path("a/tower"));
    ck_assert_str_eq(encoder_failure("three"), "");
    scan_encoders("a/one", "b/two");
    ck_assert_int_eq(model("one")->failure.code, PN_OK);
    ck_assert_ptr_nonnull(strstr(encoder_failure("two"), "neither among the models given"));
    scan_encoders("a/one", "c/three");
    ck_assert_ptr_nonnull(strstr(encoder_failure("tower"), "found twice"));
    scan_encoders("c/to_bare", NULL); /* as in a repository, a model has versions */
    ck_assert_ptr_nonnull(strstr(encoder_failure("to_bare"), "nor in "));
    scan_encoders("c/away", NULL);
    ck_assert_ptr_nonnull(
        strstr(encoder_failure("away"), "encoder \"../a/tower\": neither"));
    tree_close();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_file, test_paths_that_are_not_there,
        test_folders_without_a_model, test_model_folder, test_folder_without_version,
        test_repository, test_links_are_followed, test_policies, test_faults_of_a_model,
        test_configuration_names_the_file, test_one_name_in_two_places,
        test_builtin_yields_to_the_users, test_stamps, test_table_files, test_shared_table,
        test_encoders, test_encoders_beside};

    return suite_run("scan", tests, sizeof tests / sizeof tests[0]);
}
