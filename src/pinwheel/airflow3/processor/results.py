"""From what a parser process sent up to what the services take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.models.dagcode import DagCode
from attrs import evolve

from pinwheel.airflow3.parsing import current_runtime, take_facts
from pinwheel.airflow3.parsing.paths import repository_of, subdir_of
from pinwheel.airflow3.processor.head import Head, read_below
from pinwheel.core.build import BuildContent, label_of
from pinwheel.core.digest import PATH_PLACEHOLDER, digest_of, with_placeholder
from pinwheel.core.parse.declared import ANY
from pinwheel.core.parse.facts import BESIDE, WHOLE_TREE, ParseFacts, path_in_repository
from pinwheel.core.parse.inputs import Inputs, InputsSpec, inputs_of
from pinwheel.core.parse.reach import Reach
from pinwheel.services.ingest.builds import ParsedFile

_WARNING = {"dag_id", "warning_type", "message"}
NO_RESULT = (
    "The process that parsed this file ended without a result: it was killed (out of memory?) or crashed.\n"
    "Its log is in the Dag processor's log directory."
)


def parsed_file(head: Head, path: str, proc: Any, seconds: float, *, always: bool = False) -> ParsedFile:
    """Make the registration of one finished parse in the bundle version that *head* names.

    *always*: the file depends on more than can be seen, so it is to be parsed in each other tree.
    """
    result = proc.parsing_result
    if result is None:
        return broken_file(head, path, NO_RESULT)
    facts = take_facts(result)
    inputs = inputs_of(facts, head.manifest) if facts else _everything(head)
    tags: dict[str, Any] = {dag.dag_id: dag.tags or () for dag in result.serialized_dags}
    if result.import_errors or not tags:
        # What else the file should give, nobody knows
        tags[ANY] = ()
    inputs = evolve(inputs, declared=head.declared.answers(tags))
    if always:
        inputs = evolve(inputs, asked={**inputs.asked, WHOLE_TREE: head.tree})
    runtime = current_runtime()
    impure = list(facts.impure) if facts else [{"kind": "unknown", "detail": "the parse was not traced"}]
    texts: dict[str, bytes] = {}
    contents = []
    opted_out = set()
    for dag in result.serialized_dags:
        reach = _reach_of(facts, dag.dag_id)
        content, code_path, code = _content(head, dag, inputs, reach, runtime, seconds, pure=not impure)
        if code is not None:
            texts[code_path] = code
        contents.append(content)
        if dag.data["dag"].get("disable_bundle_versioning"):
            opted_out.add(content.dag_id)
    return ParsedFile(
        bundle_name=head.bundle_name,
        bundle_version=head.version,
        seq=head.seq,
        path=path,
        file_digest=head.manifest.get(path, ""),
        inputs_digest=inputs.digest(),
        inputs=inputs.to_json(),
        contents=contents,
        errors=dict(result.import_errors or {}),
        warnings=[w for w in result.warnings or () if isinstance(w, Mapping) and w.keys() >= _WARNING],
        impure=[dict(item) for item in impure],
        runtime=runtime.fingerprint,
        runtime_details=runtime.details,
        seconds=seconds,
        unversioned_dags=frozenset(opted_out),
        tree=head.tree,
        read_source=lambda name, digest: texts.get(name) or _source(head, name),
    )


def _content(
    head: Head,
    dag: Any,
    inputs: Inputs,
    reach: Reach,
    runtime: Any,
    seconds: float,
    *,
    pure: bool,
) -> tuple[BuildContent, str, bytes | None]:
    relative = dag.relative_fileloc or ""
    declared = head.declared.of(dag.dag_id, dag.tags or ())
    files = {**inputs.content, **declared}
    content_digest = inputs.content_digest(declared)
    decide: Mapping[str, str] = files
    if not reach.unread:
        reached = InputsSpec(files=reach.files).read(head.manifest)
        content_digest, decide = reached.content_digest(declared), {**reached.content, **declared}
    read_at_parse = tuple(sorted(files.keys() - decide.keys()))
    code = None
    if relative not in files:
        # A Dag inside a zip, or in a module that is not the file itself: its code is a text of its own.
        try:
            code = DagCode.get_code_from_file(dag.fileloc).encode()
        except (OSError, KeyError, UnicodeDecodeError):
            code = b""
        files[relative] = digest_of(code.decode())
    content = BuildContent(
        dag_id=dag.dag_id,
        bundle_name=head.bundle_name,
        bundle_version=head.version,
        relative_fileloc=relative,
        serialized=_anywhere(dag.data, head),
        inputs_digest=inputs.digest(),
        content_digest=content_digest,
        used_digest=inputs.content_digest(declared),
        objects_digest=reach.objects,
        unread=reach.unread,
        read_at_parse=read_at_parse,
        files=files,
        label=label_of(dag.tags),
        runtime=runtime.fingerprint,
        parse_seconds=seconds,
        pure=pure,
    )
    return content, relative, code


def _anywhere(serialized: Any, head: Head) -> Any:
    """A serialized Dag without the place of its version: of its folder and of what lies beside that."""
    root = repository_of(str(head.path))
    serialized = with_placeholder(serialized, str(head.path))
    if root == str(head.path):
        return serialized
    up = "/".join([PATH_PLACEHOLDER, *[".."] * len(Path(head.path).relative_to(root).parts)])
    return with_placeholder(serialized, root, up)


def _reach_of(facts: ParseFacts | None, dag_id: str) -> Reach:
    if facts is None:
        return Reach(unread=("the parse was not traced",))
    return facts.reached.get(dag_id, Reach(unread=("its object was not seen",)))


def _source(head: Head, name: str) -> bytes | None:
    try:
        root = repository_of(str(head.path))
        return read_below(Path(root), path_in_repository(name, subdir_of(str(head.path), root)))
    except (OSError, ValueError):
        return None


def _everything(head: Head) -> Inputs:
    """Inputs of a parse that could not be traced: the whole bundle version."""
    files = tuple(sorted(path for path in head.manifest if not path.startswith(BESIDE)))
    return inputs_of(ParseFacts(files=files, asked=(WHOLE_TREE,)), head.manifest)


def broken_file(head: Head, path: str, error: str) -> ParsedFile:
    """A file whose parse gave nothing, with the reason. It is tried again on Airflow's interval."""
    inputs = inputs_of(ParseFacts(files=(path,)), head.manifest)
    inputs = evolve(inputs, declared=head.declared.answers({ANY: ()}))
    runtime = current_runtime()
    return ParsedFile(
        bundle_name=head.bundle_name,
        bundle_version=head.version,
        seq=head.seq,
        path=path,
        file_digest=head.manifest.get(path, ""),
        inputs_digest=inputs.digest(),
        inputs=inputs.to_json(),
        contents=(),
        errors={path: error},
        impure=[{"kind": "unknown", "detail": "the parse did not finish"}],
        tree=head.tree,
        runtime=runtime.fingerprint,
        runtime_details=runtime.details,
    )


def timed_out_file(head: Head, path: str, timeout: float) -> ParsedFile:
    """A file whose parse was killed because it took too long."""
    return broken_file(
        head,
        path,
        f"Parsing took longer than {timeout:g} seconds and was stopped "
        f"([dag_processor] dag_file_processor_timeout).",
    )
