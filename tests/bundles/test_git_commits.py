"""Whatever a commit says of itself or holds is taken, or refused with the reason: no traceback."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("airflow")

from harness.bundle_fixtures import Repository, files_below
from harness.bundle_fixtures import repo as repo
from harness.bundle_fixtures import storage as storage
from harness.soak import many
from pinwheel.airflow3.bundles.commit import read_commit
from pinwheel.airflow3.bundles.git import GitBundle
from pinwheel.core.bundle_version import VersionInfo
from pinwheel.core.errors import HostError
from pinwheel.core.text import AUTHOR, LABEL, MESSAGE, storable

ADA = b"Ada <ada@example.com>"
DATE = b"1700000000 +0100"


def bundle(repo: Repository, name: str = "code") -> GitBundle:
    return GitBundle(name=name, tracking_ref="main", repo_url=str(repo.path))


def store(repo: Repository, kind: str, raw: bytes) -> str:
    """An object as somebody may push it who does not use git to make it."""
    return repo.git("hash-object", "-t", kind, "-w", "--stdin", "--literally", stdin=raw)


def commit(
    repo: Repository, *, author: bytes = ADA + b" " + DATE, committer: bytes = ADA + b" " + DATE,
    more: bytes = b"", message: bytes = b"Message\n", tree: str = "", parents: tuple[str, ...] = (),
) -> str:  # fmt: skip
    """A commit object of our own making becomes the head of ``main``."""
    lines = [b"tree " + (tree or repo.git("rev-parse", "HEAD^{tree}")).encode()]
    lines += [b"parent " + parent.encode() for parent in parents]
    lines += [b"author " + author] if author else []
    lines += [b"committer " + committer] if committer else []
    sha = store(repo, "commit", b"\n".join(lines) + b"\n" + more + b"\n" + message)
    (repo.path / ".git/refs/heads/main").write_text(f"{sha}\n")
    return sha


def fitted(info: VersionInfo) -> VersionInfo:
    """Every database takes it."""
    for text, most in ((info.author, AUTHOR), (info.message, MESSAGE), (info.label, LABEL)):
        assert text is None or (len(text) <= most and text.encode().decode() == storable(text))
    assert info.committed_at is None or info.committed_at.astimezone(UTC).isoformat()
    return info


def taken(made: GitBundle) -> VersionInfo:
    made.refresh()
    return fitted(made.version_info(made.get_current_version().version))


@pytest.mark.parametrize(
    "date, expected",
    [
        (b"253402300800 +0000", datetime(9999, 12, 30, tzinfo=UTC)),
        (b"-62135596801 +0000", datetime(1, 1, 2, tzinfo=UTC)),
        (b"-1 -0000", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (b"9" * 5000 + b" +0000", datetime(9999, 12, 30, tzinfo=UTC)),
        (b"1700000000 +9999999", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (b"1700000000", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (b"", None),
        (b"yesterday", None),
        ("١٢٣ +0000".encode(), None),
    ],
)
def test_any_date_of_a_commit_is_taken(
    storage: Path, repo: Repository, date: bytes, expected: datetime | None
) -> None:
    sha = commit(repo, committer=ADA + b" " + date)
    info = taken(bundle(repo))
    assert info.committed_at == expected and info.author == ADA.decode()
    assert bundle(repo).manifest(sha)


@pytest.mark.parametrize(
    "more, message, expected",
    [
        (b"encoding ISO-8859-1\n", b"caf\xe9\n", "café"),
        (b"encoding UTF-16\n", "café\n".encode(), "café"),
        (b"encoding UTF-16\n", "café".encode("utf-16"), "café"),
        (b"encoding no-such\n", "café\n".encode(), "café"),
        (b"encoding rot13\n", b"x\n", "x"),
        (b"encoding punycode\n", b"x-\xff\n", "x-�"),
        (b"encoding \xff\0\n", b"x\n", "x"),
        (b"encoding " + b"a" * 5000 + b"\n", b"x\n", "x"),
        (b"", b"caf\xe9 \0 \xed\xa0\x80\n", "caf� ␀ ���"),
        (b"", b"", ""),
        (b"gpgsig -----BEGIN\n author no\n -----END\n", b"signed\n\n\n", "signed"),
    ],
)
def test_any_encoding_and_message_of_a_commit_is_taken(
    storage: Path, repo: Repository, more: bytes, message: bytes, expected: str
) -> None:
    commit(repo, more=more, message=message)
    assert taken(bundle(repo)).message == expected


def test_authors_tags_and_messages_of_any_length_are_fitted(storage: Path, repo: Repository) -> None:
    made = bundle(repo)
    sha = commit(repo, author=b"N" * 600 + b" <a@b> " + DATE, message=b"m" * 3_000_000)
    for tag in ("a" * 120 + "/" + "b" * 200, "v1.9", "0é", "a-" + "x" * 240):
        repo.git("tag", tag, sha)
    info = taken(made)
    assert info.author is not None and info.author.startswith("NNN") and info.author.endswith("…")
    assert info.message is not None and info.message.endswith("m…") and info.label == "v1.9"
    repo.git("tag", "-d", "v1.9")
    assert (taken(made).label or "").endswith("…")
    (repo.path / ".git/refs/tags" / "raw\udcff").write_text(f"{sha}\n")
    assert taken(made).label == "raw�"


def test_commits_without_author_or_with_any_parents_and_trees_are_taken(
    storage: Path, repo: Repository
) -> None:
    made = bundle(repo)
    first = repo.git("rev-parse", "HEAD")
    assert taken(bundle(repo)).author == ADA.decode()
    commit(repo, author=b"", committer=b"")
    assert taken(made) == VersionInfo(author=None, message="Message", committed_at=None)
    for author in (b"no mail " + DATE, b"<> " + DATE, b"a <b <c>> " + DATE, b"\xff\0 <\xff>", b">< " + DATE):
        commit(repo, author=author)
        taken(made)
    commit(repo, parents=(first,) * 20)
    octopus = [
        repo.git("commit-tree", "-p", first, "-m", str(number), f"{first}^{{tree}}") for number in range(40)
    ]
    commit(repo, parents=(first, *octopus))
    taken(made)
    empty = commit(repo, tree=store(repo, "tree", b""))
    taken(made)
    assert made.manifest(empty) == {} and files_below(made.path) == {}


def test_data_files_of_any_name_are_taken(storage: Path, repo: Repository) -> None:
    names = ["-rf", "--", "new\nline", "tab\t", 'quo"te', "back\\slash", " ", "raw\udcff\udcfe", ":(top)",
             "*?[", "e\u0301", "é", "\x01", "a" * 255, "$HOME", "%s{0}", ".gitignore", "@{1}"]  # fmt: skip
    files = {f"{folder}{name}": name.encode("utf-8", "surrogateescape") for name in names
             for folder in ("", "d/", f"{names[7]}/" if name != names[7] else "x/")
             if f"{folder}{name}" != names[7]}  # fmt: skip
    sha = repo.commit(dict(files))
    made = bundle(repo)
    taken(made)
    assert made.manifest(sha).keys() >= files.keys()
    for name, content in files.items():
        assert made.read_file(sha, name) == content == made.path.joinpath(name).read_bytes()


def test_no_bytes_of_a_commit_object_make_its_reading_fail() -> None:
    chance = random.Random(17)
    whole = (
        b"tree " + b"a" * 40 + b"\nauthor " + ADA + b" " + DATE + b"\ncommitter " + ADA + b" " + DATE
        + b"\nencoding UTF-16\n\nMessage\n"
    )  # fmt: skip
    for _ in range(3000):
        raw = bytearray(whole)
        for _ in range(chance.randrange(8)):
            start = chance.randrange(len(raw) + 1)
            raw[start : start + chance.randrange(6)] = bytes(
                chance.choice(b"\0\n <>-+0129\xff\xd8aU") for _ in range(chance.randrange(8))
            )
        fitted(read_commit(bytes(raw)))


# -- a fuzz of whole commits ------------------------------------------------------------------------------

NAMES = [
    b"a.py",
    b"b.py",
    b"-x",
    b"\xff\xfe",
    b"n\nl",
    b"t\tb",
    b'q"',
    b"\\",
    b" ",
    b"x" * 255,
    "é".encode(),
    b".airflowignore",
]
BAD_NAMES = [b"..", b".git", b".GIT", b"."]
TARGETS = [
    b"a.py",
    b"../a.py",
    b"/etc/passwd",
    b"..",
    b".",
    b"-x",
    b"\xff",
    b"loop",
    b"x" * 5000,
    b"a\0b",
    b"a\nb",
]


def odd_tree(repo: Repository, chance: random.Random, depth: int = 0) -> str:
    entries: dict[bytes, tuple[bytes, str]] = {}
    for _ in range(chance.randrange(5)):
        name = chance.choice(BAD_NAMES if chance.random() < 0.04 else NAMES)
        kind = chance.random()
        if kind < 0.2 and depth < 3:
            entries[name] = (b"40000", odd_tree(repo, chance, depth + 1))
        elif kind < 0.4:
            entries[name] = (b"120000", store(repo, "blob", chance.choice(TARGETS)))
        elif kind < 0.5:
            entries[name] = (b"160000", f"{chance.getrandbits(160):040x}")
        else:
            mode = chance.choice([b"100644", b"100755", b"100664", b"100600", b"104755"])
            entries[name] = (mode, store(repo, "blob", chance.randbytes(chance.randrange(40))))
    rows = sorted(entries.items(), key=lambda row: row[0] + (b"/" if row[1][0] == b"40000" else b""))
    if rows and chance.random() < 0.05:
        rows.append(rows[0])
    raw = b"".join(mode + b" " + name + b"\0" + bytes.fromhex(oid) for name, (mode, oid) in rows)
    return store(repo, "tree", raw)


def odd_commit(repo: Repository, chance: random.Random) -> str:
    def noise(most: int) -> bytes:
        raw = chance.randbytes(chance.randrange(most)).replace(b"\n", b" ")
        return raw * chance.choice([1, 1, 100])

    def person() -> bytes:
        date = chance.choice([DATE, b"", b"x", b"-5 +0000", b"%d +0000" % chance.getrandbits(70), noise(9)])
        return chance.choice([ADA, noise(30) + b" <" + noise(30) + b">", noise(9)]) + b" " + date

    encoding = chance.choice(
        [b"", b"", b"encoding %s\n" % chance.choice([b"UTF-16", b"latin1", b"utf-7", noise(9)])]
    )
    # git itself reads no further than a NUL in a header: the tree must come first, and be whole
    sha = commit(
        repo, author=person().replace(b"\0", b""), committer=person().replace(b"\0", b""),
        more=encoding.replace(b"\0", b""), message=noise(200), tree=odd_tree(repo, chance),
    )  # fmt: skip
    if chance.random() < 0.3:
        tag = chance.choice(
            [b"v%d" % chance.getrandbits(16), b"x" * 250, b"\xff" * 9, b"a" * 200 + b"/" + b"b" * 200]
        )
        folder = repo.path / ".git/packed-refs"
        with open(folder, "ab") as file:
            file.write(sha.encode() + b" refs/tags/" + tag + b"%d\n" % chance.getrandbits(30))
    return sha


def test_odd_commits_are_taken_or_refused_and_the_next_good_one_is_taken(
    storage: Path, repo: Repository
) -> None:
    made = bundle(repo)
    good = repo.commit()
    outcome = {"taken": 0, "refused": 0}
    seeds = many(40, 1000, gate=20)
    for seed in seeds:
        sha = odd_commit(repo, random.Random(seed))
        started = time.monotonic()
        try:
            fitted_info = taken(made)
            assert made.get_current_version().version == sha and fitted_info.message is not None
            for path, content in files_below(made.path).items():
                assert path in made.manifest(sha) and made.read_file(sha, path) == content
            outcome["taken"] += 1
        except HostError as error:
            assert error.found, f"seed {seed}: {error}"
            outcome["refused"] += 1
        assert time.monotonic() - started < 60
    repo.git("update-ref", "refs/heads/main", good)
    taken(made)
    assert made.get_current_version().version == good
    assert outcome["taken"] > len(seeds) * 3 // 8 and outcome["refused"] > 0
