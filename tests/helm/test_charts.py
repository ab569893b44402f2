# SPDX-License-Identifier: Apache-2.0
"""The charts' own tests run by the helm-unittest plugin, and what must not drift from them."""
import json
import re
import xml.etree.ElementTree as tree

import pytest
import yaml

import charts
import readme
import tools

UNIT_TESTS = sorted((charts.CHART / "tests").glob("*_test.yaml"))


@pytest.mark.parametrize("chart", [charts.CHART, charts.CONSUMER], ids=lambda path: path.name)
def test_the_plugin_passes(chart, tmp_path):
    report = tmp_path / "report.xml"
    done = tools.subprocess.run(
        [tools.CACHE / "bin" / "helm-unittest", chart, "--output-file", report,
         "--output-type", "JUnit"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    suites = list(tree.parse(report).getroot().iter("testsuite"))
    assert sum(int(suite.get("tests")) for suite in suites) >= 8


def leaves(schema, definitions, path=""):
    """The paths of the values that a schema lets people set."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[1]]
    if "properties" not in schema:
        yield path
        return
    for name, each in schema["properties"].items():
        yield from leaves(each, definitions, f"{path}.{name}" if path else name)


def refused():
    """The paths of values that some unit test sees refused by the schema."""
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            if test["it"].startswith("refuses "):
                yield from test["set"]


def test_each_rule_of_the_schemas_refuses_something():
    seen = set(refused())
    for chart, prefix in ((charts.CHART, ""), (charts.LIBRARY, "pinnace.")):
        schema = json.loads((chart / "values.schema.json").read_text())
        for path in leaves(schema, schema["definitions"]):
            # Resources and monitors stand for others of their kind.
            known = path in ("global", "pinnace") or re.search(
                r"(requests|limits)\.|\.requests$|^podMonitor\.|^app\.resources", path)
            assert known or prefix + path in seen, f"no test refuses {prefix + path}"


@pytest.mark.parametrize("chart", [charts.CHART, charts.LIBRARY], ids=lambda path: path.name)
def test_each_value_is_in_the_schema_and_the_table(chart):
    text = (chart / "values.yaml").read_text()
    assert readme.bare(text) == []
    assert readme.refreshed(chart) == (chart / "README.md").read_text()


def test_charts_are_of_one_version():
    chart, library = (yaml.safe_load((each / "Chart.yaml").read_text())
                      for each in (charts.CHART, charts.LIBRARY))
    project = re.search(r"project\(pinnace VERSION (\S+)",
                        (tools.ROOT / "CMakeLists.txt").read_text()).group(1)
    assert {chart["version"], library["version"], chart["appVersion"], library["appVersion"],
            chart["dependencies"][0]["version"]} == {project}
