"""``pinwheel inputs``: look at a repository's ``pinwheel.yaml`` where it is written: in an editor, in CI."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import Column, as_json, counted, show_table, text
from pinwheel.cli.parser import add_examples
from pinwheel.core.errors import InvalidInput, NotFound
from pinwheel.core.parse.declared import FILE, Rule, declare, matching, too_many, too_much
from pinwheel.core.parse.lined_yaml import MOST_BYTES, Wrong

if TYPE_CHECKING:
    from rich.console import Console

_SKIPPED = {".git", "__pycache__"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(
        dest="inputs_verb", metavar="COMMAND", required=True, parser_class=type(parser)
    )
    check = verbs.add_parser(
        "check",
        help=f"say what is wrong with a {FILE}, and how many files each pattern means; needs no Airflow",
        description=f"Say what is wrong with a {FILE}, and how many files each pattern means. Whether there "
        "is a Dag of each id is known to the Dag processor only.",
    )
    check.add_argument(
        "path",
        nargs="?",
        default=".",
        metavar="PATH",
        help=f"the file, or the folder that has it, which is taken for the repository's root "
        f"(default: {FILE} of this folder)",
    )
    add_examples(check, "pinwheel inputs check", "pinwheel inputs check ~/work/dags --output json")
    options.add_output(check)
    schema = verbs.add_parser("schema", help="print the file's JSON schema, for editors")
    add_examples(schema, "pinwheel inputs schema")
    options.add_output(schema)


def run(context: Context) -> None:
    if context.args.inputs_verb == "schema":
        from pinwheel.core.parse.pinwheel_yaml import schema

        context.stream.write(as_json(schema(), indent=2) + "\n")
        return
    found = check(Path(context.args.path))
    context.emit(found, lambda console: render(console, found))


def check(path: Path) -> dict[str, Any]:
    """The rules of a file, what their patterns mean among the files around it, and names of its policies.

    :raises NotFound: there is none.
    :raises InvalidInput: something is wrong with it; all that is found, by line.
    """
    from pinwheel.core.parse.pinwheel_yaml import read

    file = path / FILE if path.is_dir() else path
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise NotFound(
            f"Cannot read {file}", found=f"{error.strerror or error}", remedy=f"Name a {FILE}, or its folder"
        ) from None
    told = read(data)
    paths = sorted(_files(file.parent)) if told.rules else []
    if all_wrong := [*told.wrong, *_too_much(told.rules, dict.fromkeys(paths, ""))]:
        wrong = [{"line": one.line, "found": one.found, "remedy": one.remedy} for one in all_wrong]
        lines = "".join(f"\n{file}:{one.line}: {one.found}. {one.remedy}".rstrip() for one in all_wrong)
        raise InvalidInput(
            f"Cannot use {file}",
            found=lines,
            remedy="Until it is right, the rules of before stay in force",
            wrong=wrong,
        )
    return {
        "file": str(file),
        "rules": [_shown(rule, paths) for rule in told.rules],
        "policies": [policy.name for policy in told.policies],
    }


def _too_much(rules: Sequence[Rule], repository: Mapping[str, str]) -> list[Wrong]:
    if why := too_much(rules, repository):
        return [Wrong(1, why, "Begin them with the names of folders, or declare fewer")]
    return [Wrong(line, why, "Declare fewer") for line, why in too_many(declare(rules, repository)).items()]


def render(console: Console, found: dict[str, Any]) -> None:
    """Draw one line a pattern."""
    rules, policies = found["rules"], found["policies"]
    if not rules:
        also = f" and is right: {_counted_policies(policies)}." if policies else "."
        console.print(f"{found['file']} declares no inputs{also}")
        return
    rows = [
        (
            text(_dags(rule["dags"])),
            text(item["pattern"]),
            text(f"{item['files']:,}", "" if item["files"] else "yellow"),
        )
        for rule in rules
        for item in rule["files"]
    ]
    show_table(console, [Column("Dags", cut=True), Column("Pattern"), Column("Files", right=True)], rows)
    also = f", {_counted_policies(policies)}" if policies else ""
    console.print(f"{found['file']} is right: {counted(len(rules), 'rule')}{also}.")


def _counted_policies(names: Sequence[str]) -> str:
    return "1 policy" if len(names) == 1 else f"{len(names)} policies"


def _dags(dags: dict[str, list[str]]) -> str:
    named = [*dags.get("ids", ()), *dags.get("globs", ())]
    tags = f"tagged {' or '.join(dags['tags'])}" if dags.get("tags") else ""
    return " ".join(part for part in (", ".join(named), tags) if part)


def _shown(rule: Rule, paths: Sequence[str]) -> dict[str, Any]:
    files = [{"pattern": pattern, "files": len(matching(pattern, paths))} for pattern in rule.files]
    return {**rule.to_json(), "files": files}


def _files(root: Path) -> Iterator[str]:
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name not in _SKIPPED]
        links = [name for name in names if (Path(folder) / name).is_symlink()]
        for name in (*files, *links):
            yield (Path(folder) / name).relative_to(root).as_posix()
