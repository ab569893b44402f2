# SPDX-License-Identifier: Apache-2.0
"""What a chart's README.md repeats: the table of values, from the "# --" comments of its
values.yaml (the form that helm-docs reads), and the template of tests/helm/consumer.

  readme.py [--check] CHART…
"""
import json
import pathlib
import re
import sys

import yaml

BEGIN = "<!-- values: made by tests/helm/readme.py -->"
END = "<!-- end of values -->"
TEMPLATE = "<!-- template: tests/helm/consumer -->"
TEMPLATE_END = "<!-- end of template -->"
CONSUMER = pathlib.Path(__file__).parent / "consumer" / "templates" / "deployment.yaml"


def documented(text):
    """(path, default as JSON, description) of each commented key, in the file's order."""
    tree = yaml.safe_load(text)
    stack, comment, rows = [], None, []
    for line in text.splitlines():
        words = re.match(r"( *)# ?(-- )?(.*)", line)
        if words:
            _, begins, rest = words.groups()
            if begins:
                comment = rest
            elif comment is not None:
                comment += " " + rest
            continue
        key = re.match(r"( *)([A-Za-z][\w-]*):", line)
        if not key:
            comment = None
            continue
        depth = len(key.group(1)) // 2
        stack = stack[:depth] + [key.group(2)]
        if comment is None:
            continue
        value = tree
        for name in stack:
            value = value[name]
        rows.append((".".join(stack), json.dumps(value, ensure_ascii=False), comment))
        comment = None
    return rows


def bare(text):
    """Keys without a comment above them or above a key around them."""
    rows = {path for path, _, _ in documented(text)}

    def walk(tree, path):
        for key, value in tree.items():
            here = path + [key]
            if any(".".join(here[:n]) in rows for n in range(1, len(here) + 1)):
                continue
            if isinstance(value, dict) and value:
                yield from walk(value, here)
            else:
                yield ".".join(here)

    return list(walk(yaml.safe_load(text), []))


def table(text):
    lines = ["| value | default | what |", "| --- | --- | --- |"]
    lines += [f"| `{path}` | `{value}` | {what} |"
              for path, value, what in documented(text)]
    return "\n".join(lines)


def between(text, begin, end, content):
    """The text with other content between two marks, if it has them."""
    if begin not in text:
        return text
    before, rest = text.split(begin)
    return f"{before}{begin}\n\n{content}\n\n{end}{rest.split(end)[1]}"


def refreshed(chart):
    """README.md as it should be."""
    text = (chart / "README.md").read_text()
    text = between(text, BEGIN, END, table((chart / "values.yaml").read_text()))
    return between(text, TEMPLATE, TEMPLATE_END, f"```yaml\n{CONSUMER.read_text()}```")


def main(arguments):
    check = "--check" in arguments
    drifted = False
    for name in (each for each in arguments if each != "--check"):
        chart = pathlib.Path(name)
        wanted = refreshed(chart)
        if (chart / "README.md").read_text() == wanted:
            continue
        drifted = True
        if check:
            print(f"{name}/README.md does not say what values.yaml says: run "
                  f"tests/helm/readme.py {name}")
        else:
            (chart / "README.md").write_text(wanted)
    return 1 if check and drifted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
