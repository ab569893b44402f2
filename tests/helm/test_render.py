# SPDX-License-Identifier: Apache-2.0
"""The charts lint and render with each helm, and what they render is what each Kubernetes
version knows."""
import shlex

import pytest
import yaml

import cases
import charts
import schemas

KUBES = list(schemas.versions())
MATRIX = [(name, kube) for name in cases.CASES for kube in KUBES
          if (name, kube) not in cases.TOO_OLD]


def complaints(manifests, kube):
    return [each for manifest in manifests for each in schemas.complaints(manifest, kube)]


@pytest.mark.parametrize("by", charts.HELMS)
@pytest.mark.parametrize("chart, arguments", [
    (charts.CHART, cases.SIDECAR), (charts.CHART, cases.STANDALONE),
    (charts.LIBRARY, []), (charts.CONSUMER, [])], ids=["sidecar", "standalone", "library", "consumer"])
def test_lints(by, chart, arguments):
    done = charts.helm(by, "lint", "--strict", chart, *arguments)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name, kube", MATRIX)
def test_renders_what_kubernetes_knows(name, kube):
    first = cases.rendered(name, kube=kube)
    assert not complaints(first, kube)
    for by in charts.HELMS[1:]:
        assert cases.rendered(name, by=by, kube=kube) == first


@pytest.mark.parametrize("kube", KUBES)
def test_renders_in_a_chart_of_the_users_own(kube):
    for by in charts.HELMS:
        assert not complaints(charts.render(chart=charts.CONSUMER, by=by, kube=kube), kube)


@pytest.mark.parametrize("by", charts.HELMS)
def test_packages_with_the_library_inside(by, tmp_path):
    done = charts.helm(by, "package", charts.CHART, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    package = next(tmp_path.glob("*.tgz"))
    assert charts.render(*cases.TRIAL, chart=package, by=by) == cases.rendered("trial", by=by)


@pytest.mark.parametrize("path", sorted(charts.MANIFESTS.rglob("*.yaml")), ids=lambda p: p.name)
@pytest.mark.parametrize("kube", KUBES)
def test_plain_manifests_are_known(path, kube):
    assert not complaints(yaml.safe_load_all(path.read_text()), kube)


def test_plain_manifest_is_the_pod_of_the_chart():
    plain = yaml.safe_load_all((charts.MANIFESTS / "sidecar.yaml").read_text())
    assert charts.pod(plain) == charts.pod(cases.rendered("sidecar"))


def test_kserve_runs_the_container_of_the_chart():
    path = charts.MANIFESTS / "kserve" / "clusterservingruntime.yaml"
    runtime = charts.server(yaml.safe_load(path.read_text())["spec"])
    chart = charts.server(charts.pod(cases.rendered("standalone-grpc-probes")))
    for key in ("image", "command", "resources", "securityContext"):
        assert runtime[key] == chart[key], key
    told = runtime["env"][0]["valueFrom"]["resourceFieldRef"]
    assert told == {**chart["env"][0]["valueFrom"]["resourceFieldRef"],
                    "containerName": runtime["name"]}
    theirs = set(chart["args"]) - {"--builtin-models"}
    assert set(runtime["args"]) == theirs | {"--model-repository=/mnt/models"}


def test_commands_of_the_readme_render():
    text = (charts.CHART / "README.md").read_text().replace("\\\n", " ")
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("helm install")]
    assert len(commands) >= 2
    for command in commands:
        assert command[3] == "deploy/helm/pinnace"
        assert not complaints(charts.render(*command[4:]), "1.35")


@pytest.mark.parametrize("by", charts.HELMS)
def test_the_sample_of_the_library_works_as_copied(by, tmp_path):
    """Its files in a folder beside the chart, its commands run there, nothing else."""
    text = (charts.LIBRARY / "README.md").read_text()
    (tmp_path / "pinnace-sidecar").symlink_to(charts.LIBRARY)
    copied = tmp_path / "ranker"
    (copied / "templates").mkdir(parents=True)
    for name in ("Chart.yaml", "values.yaml", "templates/deployment.yaml"):
        block = text.split(f"`{name}`", 1)[1].split("```yaml\n", 1)[1].split("```", 1)[0]
        (copied / name).write_text(block)
    commands = text.split("```sh\n", 1)[1].split("```", 1)[0].splitlines()
    assert commands == ["helm dependency update .", "helm install ranker ."]
    done = charts.helm(by, "dependency", "update", copied)
    assert done.returncode == 0, done.stderr
    made = charts.render(chart=copied, by=by)
    assert not complaints(made, "1.35")
    assert made == charts.render(chart=charts.CONSUMER, by=by)
    assert charts.pod(made)["automountServiceAccountToken"] is False
    assert charts.pod(made)["containers"][0]["resources"]["limits"]["cpu"] == "1"


def test_the_validator_is_strict():
    manifests = cases.rendered("sidecar")
    pod = charts.pod(manifests)
    pod["enableServiceLink"] = False
    charts.server(pod)["ports"][0]["containerPort"] = "8002"
    found = complaints(manifests, "1.35")
    assert any("enableServiceLink" in each for each in found)
    assert any("'8002' is not of type 'integer'" in each for each in found)
    assert complaints([{"apiVersion": "v1", "kind": "Sidecar"}], "1.35")
