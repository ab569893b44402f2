# SPDX-License-Identifier: Apache-2.0
"""Strict validation of manifests, offline: Kubernetes' own OpenAPI files for its objects, the
projects' own CRDs for KServe's and the Prometheus operator's."""
import functools
import json

import jsonschema
import yaml

import tools

SCHEMAS = tools.CACHE / "schemas"
DEFINITIONS = "#/components/schemas/"


def versions():
    """{"1.35": folder} for each Kubernetes version of tools.lock."""
    return {".".join(version.lstrip("v").split(".")[:2]): SCHEMAS / f"kubernetes-{version}"
            for name, version, _, _ in tools.locked("go") if name == "k8s.io/kubernetes"}


def strict(schema):
    """The same schema, without room for fields that it does not name."""
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    for key in ("items", "additionalProperties"):
        if key in made:
            made[key] = strict(made[key])
    for key in ("allOf", "anyOf", "oneOf"):
        if key in made:
            made[key] = [strict(each) for each in made[key]]
    if "properties" in made:
        made["properties"] = {name: strict(each) for name, each in made["properties"].items()}
        if not made.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    return made


@functools.cache
def builtin(folder, api_version):
    """(schemas by kind, all definitions) of one API group and version; None if unknown."""
    name = f"api__{api_version}" if "/" not in api_version else \
        f"apis__{api_version.replace('/', '__')}"
    path = folder / f"{name}_openapi.json"
    if not path.exists():
        return None
    definitions = json.loads(path.read_text())["components"]["schemas"]
    group, _, version = api_version.rpartition("/")
    kinds = {}
    for key, schema in definitions.items():
        for each in schema.get("x-kubernetes-group-version-kind", []):
            if (each["group"], each["version"]) == (group, version):
                kinds[each["kind"]] = key
    return kinds, {key: strict(schema) for key, schema in definitions.items()}


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """One operator of a CRD is called "=", for which YAML 1.1 has a type of its own."""


Loader.add_constructor("tag:yaml.org,2002:value", Loader.construct_yaml_str)


def custom(api_version, kind):
    """The schema in the CRD of a kind; None if none was fetched."""
    group, _, wanted = api_version.rpartition("/")
    paths = list(SCHEMAS.glob(f"*/{group}_{kind.lower()}s.yaml"))
    if not paths:
        return None
    crd = yaml.load(paths[0].read_text(), Loader=Loader)
    for version in crd["spec"]["versions"]:
        if version["name"] == wanted:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            return schema
    return None


@functools.cache
def validator(folder, api_version, kind):
    known = builtin(folder, api_version)
    if known is not None and kind in known[0]:
        schema = {"$ref": DEFINITIONS + known[0][kind], "components": {"schemas": known[1]}}
        return jsonschema.Draft7Validator(schema)
    schema = custom(api_version, kind)
    return schema and jsonschema.Draft7Validator(schema)


def complaints(manifest, version):
    """What the API server of a Kubernetes version would not know, or not take."""
    found = validator(versions()[version], manifest["apiVersion"], manifest["kind"])
    if found is None:
        return [f"no schema for {manifest['apiVersion']} {manifest['kind']}"]
    return [f"{manifest['kind']} {'.'.join(map(str, error.absolute_path))}: {error.message}"
            for error in found.iter_errors(manifest)]
