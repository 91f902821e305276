"""``pinwheel policy``: rules and policies, by which it is decided when new builds are released."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options, policy_rights
from pinwheel.cli.context import Context
from pinwheel.cli.output import (
    Column,
    as_json,
    counted,
    names,
    short_time,
    short_version,
    show_table,
    text,
    time_and_zone,
)
from pinwheel.cli.parser import Parser, add_command, add_examples
from pinwheel.core.errors import InvalidInput, NotFound
from pinwheel.core.parse.lined_yaml import MOST_BYTES
from pinwheel.core.request import Selection
from pinwheel.core.rule_request import DocumentRequest, TrialRequest
from pinwheel.core.selector import Selector

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"added": "green", "changed": "yellow", "removed": "red"}
_SOURCES = {
    "locked": "locked by the platform",
    "repository": "of the repository",
    "platform": "of the platform",
    "built-in": "built in",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(
        dest="policy_verb", metavar="COMMAND", required=True, parser_class=type(parser)
    )
    _verb(verbs, "list", "all rules and policies that are in force", "pinwheel policy list")
    shown = _verb(
        verbs,
        "show",
        "what a document of the platform says, or a bundle's repository",
        "pinwheel policy show bank",
        "pinwheel policy show dags --repository --output yaml",
    )
    shown.add_argument("name", metavar="NAME", help="the document")
    shown.add_argument("--repository", action="store_true", help="NAME is a bundle: what its repository has")
    saved = _verb(
        verbs,
        "set",
        "let a document of the platform say what a file says; an empty file takes it away",
        "pinwheel policy set bank.yaml --plan",
        "pinwheel policy set bank.yaml --reason 'two approvals for finance'",
    )
    _add_file(saved)
    saved.add_argument(
        "--name", metavar="DOCUMENT", help="the document (default: the file's name, without .yaml)"
    )
    saved.add_argument("--plan", action="store_true", help="show what would change, change nothing")
    saved.add_argument("-m", "--reason", metavar="TEXT", help="why; kept with the rules and the event")
    explained = _verb(
        verbs,
        "explain",
        "by which policy and rules a Dag is judged, and why",
        "pinwheel policy explain orders_daily",
    )
    options.add_dag_id(explained)
    tried = _verb(
        verbs,
        "test",
        "say what a file would mean for Dags, or what is wrong with it; change nothing",
        "pinwheel policy test bank.yaml",
        "pinwheel policy test pinwheel.yaml --bundle dags --dag 'sales_*'",
    )
    _add_file(tried)
    tried.add_argument("--bundle", metavar="NAME", help="it is the pinwheel.yaml of this bundle's repository")
    tried.add_argument(
        "--name", metavar="DOCUMENT", help="the document that it would be (default: the file's name)"
    )
    tried.add_argument(
        "--dag", action="append", metavar="GLOB", help="only Dags whose id matches; may be repeated"
    )
    schema = verbs.add_parser("schema", help="print the JSON schema of the platform's file, for editors")
    schema.add_argument("--repository", action="store_true", help="that of pinwheel.yaml")
    add_examples(schema, "pinwheel policy schema", "pinwheel policy schema --repository")
    options.add_output(schema)
    says = "make rights known to the auth manager: who may approve, override, check and change policies"
    policy_rights.add_arguments(add_command(verbs, "rights", says))


def _verb(verbs: Any, name: str, summary: str, *examples: str) -> Parser:
    parser = add_command(verbs, name, summary, *examples)
    options.add_common(parser)
    return parser


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="rules and policies, in YAML")


def run(context: Context) -> None:
    _RUN[context.args.policy_verb](context)


def _list(context: Context) -> None:
    found = context.backend.policies()
    context.emit(found, lambda console: render_list(console, found))


def _show(context: Context) -> None:
    found = context.backend.policy_document(context.args.name, repository=context.args.repository)
    context.emit(found, lambda console: render_document(console, found))


def _set(context: Context) -> None:
    args = context.args
    said = read_file(Path(args.file))
    request = DocumentRequest(document=_name(args), text=said, reason=args.reason, plan=args.plan)
    found = context.backend.save_policies(request)
    context.emit(found, lambda console: render_saved(console, found, plan=args.plan))


def _test(context: Context) -> None:
    args = context.args
    selector = Selector.of((), globs=args.dag)
    request = TrialRequest(
        text=read_file(Path(args.file)),
        document=_name(args),
        bundle=args.bundle,
        selection=Selection(selector=selector),
    )
    found = context.backend.try_policies(request)
    context.emit(found, lambda console: render_tried(console, found))


def _explain(context: Context) -> None:
    found = context.backend.explain_policy(context.args.dag_id)
    context.emit(found, lambda console: render_explained(console, found))


def _schema(context: Context) -> None:
    from pinwheel.core.parse.pinwheel_yaml import schema
    from pinwheel.core.parse.policy_yaml import platform_schema

    made = schema() if context.args.repository else platform_schema()
    context.stream.write(as_json(made, indent=2) + "\n")


_RUN = {
    "list": _list,
    "show": _show,
    "set": _set,
    "explain": _explain,
    "test": _test,
    "schema": _schema,
    "rights": policy_rights.run,
}


def _name(args: argparse.Namespace) -> str:
    return str(args.name or Path(args.file).stem)


def read_file(path: Path) -> str:
    """:raises NotFound: it can not be read.
    :raises InvalidInput: it is no text.
    """
    try:
        with path.open("rb") as opened:
            # One byte more than is taken, so that what reads it says so
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise NotFound(
            f"Cannot read {path}",
            found=error.strerror or str(error),
            remedy="Name a file with rules and policies",
        ) from None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidInput(
            f"Cannot use {path}", found=f"line {line} is not UTF-8", remedy="Save the file as UTF-8"
        ) from None


# Drawn


def render_list(console: Console, found: dict[str, Any]) -> None:
    if found["problem"] is not None:
        console.print(text(found["problem"], "bold red", keep="\n"), soft_wrap=True)
    if not found["documents"] and not found["by_hand"]:
        console.print("No rules or policies: each new build is released when it arrives.")
        return
    rows = [
        (
            text(each["name"], "bold"),
            text(each["source"]),
            text(names([rule["name"] for rule in each["rules"]]) or "-"),
            text(names([policy["name"] for policy in each["policies"]]) or "-"),
            text(short_time(each["changed_at"])),
            text(each["changed_by"]),
        )
        for each in found["documents"]
    ]
    if rows:
        columns = [
            Column("Document"),
            Column("Of"),
            Column("Rules", cut=True),
            Column("Policies", cut=True),
            Column("Changed", time=True, spare=2),
            Column("By", cut=True, spare=1),
        ]
        show_table(console, columns, rows)
    for rule in found["by_hand"]:
        _rule(console, rule, f", by {rule['actor']}")


def render_document(console: Console, found: dict[str, Any]) -> None:
    whose = "Repository of bundle" if found["source"] == "repository" else "Document"
    when = time_and_zone(found["changed_at"])
    console.print(text(f"{whose} {found['name']}, changed {when} by {found['changed_by']}", "bold"))
    for rule in found["rules"]:
        _rule(console, rule)
    for policy in found["policies"]:
        of = [f"revision {policy['revision']}"]
        of += ["locked"] if policy["locked"] else []
        of += [f"newer: {policy['newer']}"] if policy["newer"] != "supersede" else []
        of += ["follow"] if policy["follow"] else []
        of += [short_version(policy["bundle_version"])] if policy["bundle_version"] else []
        console.print(text(f"Policy {policy['name']} ({', '.join(of)}): {policy['dags']}"), soft_wrap=True)
        _steps(console, policy["says"])


def render_saved(console: Console, found: dict[str, Any], *, plan: bool) -> None:
    if not found["changed"]:
        console.print(text(f"Document {found['document']} says this already: nothing to change."))
        return
    for what, parts in (("rule", found["rules"]), ("policy", found["policies"])):
        for part in parts:
            console.print(
                text(part["what"], _STYLES[part["what"]]) + text(f" {what} {part['name']}: {part['dags']}"),
                soft_wrap=True,
            )
            _steps(console, part["says"])
            for less in part["loosened"]:
                console.print(text(f"     holds less: {less}", "yellow"), soft_wrap=True)
    done = "would be saved" if plan else "is saved"
    console.print(text(f"Document {found['document']} {done}."))


def render_tried(console: Console, found: dict[str, Any]) -> None:
    for dag in found["dags"]:
        said = (
            dag["policy"] if dag["policy"] == dag["policy_now"] else f"{dag['policy_now']} → {dag['policy']}"
        )
        console.print(
            text(dag["dag_id"], "bold")
            + text(f": {said} ({_SOURCES[dag['source']]})")
            + text("" if dag["changed"] else ", as now", "dim")
            + text(", closed now" if dag["closed"] else "", "yellow")
            + text(f"; bound by {names(dag['rules'])}" if dag["rules"] else ""),
            soft_wrap=True,
        )
        _steps(console, dag["steps"])
        for less in dag["loosened"]:
            until = ", so it waits for the next release" if dag["waits"] else ""
            console.print(text(f"     holds less: {less}{until}", "yellow"), soft_wrap=True)
    policies = "1 policy" if found["policies"] == 1 else f"{found['policies']} policies"
    bound = sum(bool(dag["rules"]) for dag in found["dags"])
    console.print(
        text(
            f"It is right: {counted(found['rules'], 'rule')}, {policies}; "
            f"the steps of {sum(dag['changed'] for dag in found['dags'])} of "
            f"{counted(len(found['dags']), 'Dag')} would change, rules would bind {bound}."
        )
    )


def render_explained(console: Console, found: dict[str, Any]) -> None:
    revision = f", revision {found['revision']}" if found["revision"] is not None else ""
    console.print(
        text(found["dag_id"], "bold")
        + text(f": policy {found['policy']} ({_SOURCES[found['source']]}{revision}): {found['why']}"),
        soft_wrap=True,
    )
    for number, step in enumerate(found["steps"], 1):
        rule = text("  (a rule requires it)", "dim") if step["required"] else text("")
        console.print(text(f"  {number}. {step['says']}") + rule, soft_wrap=True)
    if found["back"]:
        console.print(text(f"A release that is worse: {found['back']}"), soft_wrap=True)
    for less in found["loosened"]:
        console.print(
            text(f"Waits for the next release: {found['waits']}, which holds less: {less}", "yellow"),
            soft_wrap=True,
        )
    for hold in found["closed"]:
        until = f" until {time_and_zone(hold['until'])}" if hold["until"] else ""
        console.print(text(f"Closed now{until}: {hold['reason']}", "yellow"), soft_wrap=True)
    for rule in found["rules"]:
        _rule(console, rule)
    for each in found["considered"]:
        if not each["chosen"]:
            console.print(
                text(f"Not {each['name']} ({_SOURCES[each['source']]}): {each['why']}", "dim"), soft_wrap=True
            )


def _rule(console: Console, rule: dict[str, Any], more: str = "") -> None:
    persons = f" (override: {names(rule['override'])})" if rule["override"] else ""
    console.print(text(f"Rule {rule['name']}: {rule['dags']}: {rule['says']}{persons}{more}"), soft_wrap=True)


def _steps(console: Console, says: list[str]) -> None:
    for number, said in enumerate(says, 1):
        console.print(text(f"  {number}. {said}"), soft_wrap=True)
