"""Commits that no one should push: each takes effect or is refused with its reason, and nobody else notices.

The real loop over two repositories: ``hostile`` gets one odd commit after the other, and with each of them
the innocent one gets an ordinary push, which is released within its normal time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from harness import bundles, dags
from harness.gitrepo import GitRepo
from harness.loop import Loop, own_loop
from harness.soak import many

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

NORMAL_TURNS = 30
"""Three where a turn waits for nothing; on a loaded machine a parse outlasts many."""
DAG = "from airflow.sdk import DAG\n"


class Repositories:
    def __init__(self, loop: Loop, hostile: GitRepo, innocent: GitRepo) -> None:
        self.loop, self.hostile, self.innocent = loop, hostile, innocent
        self.base = hostile.git("rev-parse", "HEAD")
        self._pushes = 0

    def push_both(self, commit: Callable[[GitRepo], str]) -> str:
        """An odd commit on top of the good one, and an ordinary one next door, which is released in time."""
        self._pushes += 1
        self.hostile.git("reset", "--quiet", "--hard", self.base)
        self.hostile.git("clean", "-qfdx")
        sha = commit(self.hostile)
        self.hostile.git("push", "--quiet", "--force", "--tags", "origin", "HEAD:main")
        other = self.innocent.commit(dags.dag("innocent", f"push{self._pushes}"))
        self.loop.turn_until(
            lambda: self.loop.released_from("innocent") == other,
            turns=NORMAL_TURNS,
            what="the release of the innocent bundle's push",
        )
        return sha

    def taken(self, sha: str) -> None:
        self.loop.turn_until(lambda: self.loop.settled("hostile", sha), what="that the version is taken")
        assert self.loop.faults("hostile") == {}
        assert self.loop.faults("") == {}
        assert "(refused version)" not in self.loop.import_errors("hostile")

    def refused(self, sha: str, *words: str) -> None:
        before = self.loop.head("hostile")
        self.loop.turn_until(lambda: sha in self.loop.refused("hostile"), what="that the version is refused")
        reason = self.loop.refused("hostile")[sha]
        assert all(word in reason for word in words), reason
        assert reason in self.loop.faults("hostile")[("hostile", "refresh")]
        assert self.loop.import_errors("hostile") == {"(refused version)": reason}
        assert self.loop.head("hostile") == before != sha
        told = len([event for event in self.loop.events("refused") if event["bundle_name"] == "hostile"])
        self.push_both(lambda repo: sha_of_same(repo, sha))
        again = len([event for event in self.loop.events("refused") if event["bundle_name"] == "hostile"])
        assert again == told, "it is told once per version and reason"


def sha_of_same(repo: GitRepo, sha: str) -> str:
    repo.git("reset", "--quiet", "--hard", sha)
    return sha


@pytest.fixture(scope="module")
def repositories(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repositories]:
    root = tmp_path_factory.mktemp("hostile")
    hostile, innocent = GitRepo(root / "hostile"), GitRepo(root / "innocent")
    hostile.commit({**dags.dag("steady"), "real/x.txt": "x"})
    innocent.commit(dags.dag("innocent"))
    with own_loop(
        postgres,
        root,
        bundles.git("hostile", hostile.url, refresh_interval=0),
        bundles.git("innocent", innocent.url, refresh_interval=0),
    ) as loop:
        found = Repositories(loop, hostile, innocent)
        loop.turn_until(lambda: loop.settled("hostile") and loop.settled("innocent"))
        yield found


def raw_commit(repo: GitRepo, headers: str, message: bytes = b"odd\n") -> str:
    """A commit object as no git command would write it."""
    tree = repo.git("rev-parse", "HEAD^{tree}")
    parent = repo.git("rev-parse", "HEAD")
    text = headers.format(tree=tree, parent=parent).encode("utf-8", "surrogateescape") + b"\n" + message
    sha = repo.hash_object(text, "commit")
    repo.git("reset", "--quiet", "--hard", sha)
    return sha


USUAL = "tree {tree}\nparent {parent}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n"

TAKEN: dict[str, Callable[[GitRepo], str]] = {
    "a date of the year 10000": lambda repo: raw_commit(repo, USUAL.replace(" 1 +", " 253402300800 +")),
    "a date before the year 1": lambda repo: raw_commit(repo, USUAL.replace(" 1 +", " -99999999999 +")),
    "no date": lambda repo: raw_commit(repo, USUAL.replace(" 1 +0000", "")),
    "a date that is no number": lambda repo: raw_commit(repo, USUAL.replace(" 1 +0000", " soon ish")),
    "no author": lambda repo: raw_commit(repo, "tree {tree}\nparent {parent}\n"),
    "an author of 700 letters": lambda repo: raw_commit(
        repo, USUAL.replace("author A", "author " + "N" * 700)
    ),
    "an author in Latin-1": lambda repo: raw_commit(repo, USUAL.replace("author A", "author \udce9")),
    "an encoding that nobody knows": lambda repo: raw_commit(repo, USUAL + "encoding no-such\n"),
    "an encoding that its text is not in": lambda repo: raw_commit(repo, USUAL + "encoding UTF-16\n"),
    "a message of a megabyte, with NUL": lambda repo: raw_commit(repo, USUAL, b"m" * 1_000_000 + b"\0end\n"),
    "a tag of 270 letters": lambda repo: tagged(repo, "a" * 120 + "/" + "b" * 150),
    "a tag that is not UTF-8": lambda repo: tagged(repo, "t\udce9"),
    "names of data files that are odd": lambda repo: repo.commit(
        {
            name: "x"
            for name in ("d/\udce9.txt", "d/new\nline", "d/-rf", "d/ta\tb", "d/q'\"\\", "d/" + "l" * 255)
        },
        push=False,
    ),
    "a link that leaves the repository": lambda repo: linked(repo, "out", "../../../outside"),
    "a link to a Dag file outside": lambda repo: linked(repo, "outside.py", "/etc/hostname"),
    "a link to itself": lambda repo: linked(repo, "loop.py", "loop.py"),
    "folders 60 deep": lambda repo: repo.commit({"/".join(["d"] * 60) + "/x": "x"}, push=False),
    "an empty tree": lambda repo: emptied(repo),
}


def tagged(repo: GitRepo, name: str) -> str:
    sha = repo.commit(message="Tag it", push=False)
    repo.git("update-ref", f"refs/tags/{name}", sha)
    return sha


def linked(repo: GitRepo, name: str, target: str) -> str:
    os.symlink(target, repo.work / name)
    return repo.commit(push=False)


def emptied(repo: GitRepo) -> str:
    repo.git("rm", "-rq", ".")
    return repo.commit(push=False)


@pytest.mark.parametrize("what", TAKEN)
def test_a_commit_with_something_odd_that_is_no_matter_is_taken(
    repositories: Repositories, what: str
) -> None:
    repositories.taken(repositories.push_both(TAKEN[what]))


REFUSED: dict[str, tuple[Callable[[GitRepo], str], tuple[str, ...]]] = {
    "a link to a sibling folder": (lambda repo: linked(repo, "link", "real"), ("reached twice", "'real'")),
    "a link to a folder above": (lambda repo: linked(repo, "real/up", ".."), ("reached twice",)),
    "a Dag file whose name is Latin-1": (
        lambda repo: repo.commit({"caf\udce9.py": f"{DAG}# dag\n"}, push=False),
        ("not UTF-8", "caf"),
    ),
    "an ignore file in Latin-1": (
        lambda repo: repo.commit({"sub/.airflowignore": b"caf\xe9\n", "sub/x.py": DAG}, push=False),
        ("sub/.airflowignore", "not UTF-8"),
    ),
    "an ignore file that takes minutes to read": (
        lambda repo: repo.commit({"sub/.airflowignore": b"z" * 2_000_000}, push=False),
        ("sub/.airflowignore has 2,000,000 bytes",),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_commit_that_airflow_can_not_list_is_refused_once_with_its_reason(
    repositories: Repositories, what: str
) -> None:
    commit, words = REFUSED[what]
    repositories.refused(repositories.push_both(commit), *words)


NAMES = [
    *("plain.txt", "sp ace", "caf\udce9.txt", "new\nline", "-rf", "q'\"\\", "ünï.py", "x.py", "l" * 250),
    *(".airflowignore", ".gitattributes", "deep/" * 20 + "x", "__pycache__/x.pyc", "dot.", "\u202e.py"),
]
TARGETS = [
    "real",
    "..",
    "../..",
    ".",
    "/etc/passwd",
    "/",
    "nowhere",
    "steady.py",
    "real/x.txt",
    "self",
    "a\udcffb",
]
TEXTS = [b"", b"x", b"\0", b"\xff\xfe", DAG.encode(), b"raise 1\n", b"*.py\n", b"[\n", b"z" * 2_000_000]


def odd_commit(repo: GitRepo, random: Random) -> str:
    """Many odd things at once: names, modes, links, an author, a date, an encoding, a message, a tag."""
    for name in random.sample(NAMES, 5):
        path = os.fsencode(repo.work) + b"/odd/" + name.encode("utf-8", "surrogateescape")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if random.random() < 0.25:
            os.symlink(random.choice(TARGETS).encode("utf-8", "surrogateescape"), path)
        else:
            with open(path, "wb") as file:
                file.write(random.choice(TEXTS))
            os.chmod(path, random.choice([0o644, 0o755]))
    repo.git("add", "-A", "--force")
    if random.random() < 0.2:
        repo.git("update-index", "--add", "--cacheinfo", f"160000,{repo.git('rev-parse', 'HEAD')},odd/module")
    repo.git("commit", "-qm", "Odd")
    author = random.choice(["A <a@b>", "", "N" * 700 + " <>", "caf\udce9 <x", "\u202e <\u202e>"])
    date = random.choice(["1 +0000", "", "soon", "253402300800 +0000", "-9999999999999 -9999", "1 +99999999"])
    encoding = random.choice(["", "encoding UTF-16\n", "encoding latin1\n", "encoding \udcff\n"])
    headers = (
        f"tree {{tree}}\nparent {{parent}}\nauthor {author} {date}\ncommitter {author} {date}\n{encoding}"
    )
    sha = raw_commit(repo, headers, random.choice([b"", b"m\0m", b"\xff" * 3000, b"ok\n"]))
    if random.random() < 0.5:
        repo.git("update-ref", f"refs/tags/{random.choice(['v1', 't' * 240, 'caf' + chr(0xDCE9)])}", sha)
    return sha


@pytest.mark.parametrize("seed", many(5, 60, gate=2))
def test_whatever_a_commit_holds_it_is_taken_or_refused_and_the_other_bundle_is_released(
    repositories: Repositories, seed: int
) -> None:
    loop = repositories.loop
    sha = repositories.push_both(lambda repo: odd_commit(repo, Random(seed)))
    loop.turn_until(
        lambda: loop.settled("hostile", sha) or sha in loop.refused("hostile"),
        what="that the version is taken or refused",
    )
    # Nothing sticks: the next good one is taken.
    repositories.taken(
        repositories.push_both(lambda repo: repo.commit({"real/x.txt": f"{seed}"}, push=False))
    )


def test_two_processors_refuse_a_version_and_tell_it_once_and_both_take_the_next_one(
    repositories: Repositories,
) -> None:
    first, second = repositories.loop, Loop(repositories.loop.database)
    try:
        second.turn_until(lambda: second.manager.heads.keys() >= {"hostile", "innocent"})
        sha = repositories.push_both(lambda repo: linked(repo, "twice", "real"))
        second.turn_until(lambda: second.manager.intake.refused_version("hostile") == sha)
        first.turn_until(lambda: first.manager.intake.refused_version("hostile") == sha)
        told = [event for event in first.events("refused") if sha in event["reason"]]
        assert len(told) == 1
        good = repositories.push_both(lambda repo: repo.commit({"real/x.txt": "y"}, push=False))
        for loop in (first, second):
            loop.turn_until(lambda loop=loop: loop.manager.version_of("hostile") == good)
        repositories.taken(good)
    finally:
        second.close()


BROKEN: dict[str, tuple[str, str, str]] = {
    "raises with what no database takes": (
        "x.py",
        f"{DAG}raise RuntimeError('a\\x00b\\udc80c')\n",
        "RuntimeError",
    ),
    "leaves its process": ("x.py", f"{DAG}import os\nos._exit(3)\n", "without a result"),
    "kills its process": (
        "x.py",
        f"{DAG}import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
        "without a result",
    ),
    "writes nonsense to its line to the processor": (
        "x.py",
        f"{DAG}import os\nos.write(0, bytes([0, 0, 0, 4]) + b'\\xff' * 4)\n",
        "without a result",
    ),
    "has a Dag with text that has no encoding": (
        "x.py",
        f"{DAG}with DAG('odd', doc_md='a\\udc80b', schedule=None):\n    pass\n",
        "can not be sent",
    ),
    "exits": ("x.py", f"{DAG}raise SystemExit(4)\n", ""),
    "has a name too long for its log": ("n" * 252 + ".py", f"{DAG}# dag\n", "could not be started"),
    "has a Dag with NUL in its text": (
        "x.py",
        f"{DAG}with DAG('nul', doc_md='a\\x00b', schedule=None):\n    pass\n",
        "",
    ),
    "has a display name of 2,500 letters": (
        "x.py",
        f"{DAG}with DAG('long', dag_display_name='n' * 2500, schedule=None):\n    pass\n",
        "",
    ),
    "has a tag of 5,000 letters": (
        "x.py",
        f"{DAG}with DAG('tagged', tags=['t' * 5000], schedule=None):\n    pass\n",
        "",
    ),
    "has an owner link of 600 letters": (
        "x.py",
        f"{DAG}with DAG('owned', schedule=None, owner_links={{'o': 'https://x/' + 'l' * 600}}):\n    pass\n",
        "",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_dag_file_that_can_not_be_used_is_an_import_error_and_the_rest_of_its_bundle_settles(
    repositories: Repositories, what: str
) -> None:
    name, text, words = BROKEN[what]
    sha = repositories.push_both(lambda repo: repo.commit({name: text}, push=False))
    loop = repositories.loop
    error = loop.turn_until(
        lambda: loop.import_errors("hostile").get(name), turns=90, what="the import error"
    )
    assert words in error
    repositories.taken(sha)
