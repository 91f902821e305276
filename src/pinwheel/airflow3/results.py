"""From what a parser process sent up to what the services take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.models.dagcode import DagCode

from pinwheel.airflow3.heads import Head, read_below
from pinwheel.airflow3.parsing import current_runtime, take_facts
from pinwheel.core.build import BuildContent, digest_of, label_of, with_placeholder
from pinwheel.core.facts import ParseFacts
from pinwheel.core.inputs import Inputs, InputsSpec, inputs_of
from pinwheel.core.reach import Reach
from pinwheel.services.making import ParsedFile

_WARNING = {"dag_id", "warning_type", "message"}
NO_RESULT = (
    "The process that parsed this file ended without a result: it was killed (out of memory?) or crashed.\n"
    "Its log is in the Dag processor's log directory."
)


def parsed_file(head: Head, path: str, proc: Any, seconds: float) -> ParsedFile:
    """Make the registration of one finished parse in the bundle version that *head* names."""
    result = proc.parsing_result
    if result is None:
        return broken_file(head, path, NO_RESULT)
    facts = take_facts(result)
    inputs = inputs_of(facts, head.manifest) if facts else _everything(head)
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
    files = inputs.content
    content_digest = inputs.content_digest()
    decide = files
    if not reach.unread:
        reached = InputsSpec(files=reach.files).read(head.manifest)
        content_digest, decide = reached.content_digest(), reached.content
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
        serialized=with_placeholder(dag.data, str(head.path)),
        inputs_digest=inputs.digest(),
        content_digest=content_digest,
        used_digest=inputs.content_digest(),
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


def _reach_of(facts: ParseFacts | None, dag_id: str) -> Reach:
    if facts is None:
        return Reach(unread=("the parse was not traced",))
    return facts.reached.get(dag_id, Reach(unread=("its object was not seen",)))


def _source(head: Head, name: str) -> bytes | None:
    try:
        return read_below(head.path, name)
    except (OSError, ValueError):
        return None


def _everything(head: Head) -> Inputs:
    """Inputs of a parse that could not be traced: the whole bundle version."""
    return inputs_of(ParseFacts(files=tuple(sorted(head.manifest))), head.manifest)


def broken_file(head: Head, path: str, error: str) -> ParsedFile:
    """A file whose parse gave nothing, with the reason. It is tried again on Airflow's interval."""
    inputs = inputs_of(ParseFacts(files=(path,)), head.manifest)
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
