"""Which folders, and which files beside a file, does code name? From its syntax tree, without running it.

A folder that code names is read whole by whoever gets it: a task that joins a computed name to it, a program
that works in it. Not so where the code only joins literal names to it, or only searches it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

BY_NAME = "import:"
"""Among names: what follows is imported by a name that is computed."""
STEM = "{stem}"
"""In a name: that of the file which the name is written in, without its suffix."""

_LONGEST_OPTION = 60
_PIECE = re.compile(r"[\w\-./+@]+")
_FOLDER_FOLLOWS = re.compile(
    r"(?:(?:^|[\s;&|(])(?:cd|pushd)\s+|(?:^|\s)-C\s*|--[\w-]*(?:dirs?|path|folder|root|directory)[ =])[\"']?$"
)
_TAKES_A_FOLDER = re.compile(
    r"cwd|workdir|dir|directory|folder|root|searchpath|\w*_(?:dirs?|directory|folders?|root|paths?)"
)
"""Keyword arguments, and names of constants, that hold folders."""
_PLACE = re.compile(r"(?i)dir|path|folder|root|home|base|sql|quer|templ|conf|model|script|resource|data")
"""Attributes worth remembering for files that assign them."""
_SEARCHES = frozenset({"template_searchpath", "py_files", "pythonpath"})
_SEARCH_CALLS = frozenset({"sys.path.insert", "sys.path.append", "sys.path.extend", "site.addsitedir"})
_FOLDER_CALLS = frozenset(
    {
        "chdir",
        "listdir",
        "scandir",
        "walk",
        "fwalk",
        "copytree",
        "make_archive",
        "FileSystemLoader",
        "fdopendir",
    }
)
_JOINS = frozenset({"join", "joinpath", "Path", "PurePath", "PosixPath", "with_segments"})
_WRAPPERS = frozenset({"str", "fspath", "abspath", "realpath", "normpath", "expanduser", "Traversable"})
_SAME_PLACE = frozenset({"resolve", "absolute", "as_posix", "expanduser", "__str__", "__fspath__"})
_HARMLESS_METHODS = frozenset(
    {"exists", "is_dir", "is_file", "mkdir", "relative_to", "as_uri", "is_absolute"}
)
_RESOURCES = frozenset(
    {"get_data", "read_text", "read_binary", "open_text", "open_binary", "path", "is_resource", "contents"}
)
_SUFFIX = re.compile(r"\.[A-Za-z]\w{0,9}(?:\.\w{1,9})?")


def is_search(dotted: str) -> bool:
    """Whether a call only adds to a path that is searched."""
    return dotted in _SEARCH_CALLS


def keyword_searches(name: str | None) -> bool:
    return name in _SEARCHES


def folder_pieces(text: str, *, follows: bool = False, continues: bool = False) -> Iterator[str]:
    """What may be folders in a text, with a slash at the end where nothing but a folder can be meant.

    *follows*: something that is not known comes directly before the text; *continues*: after it, so that the
    name of what is in the last folder is not known: ``/*`` is at its end then.
    """
    if "/" not in text and "cd " not in text and "-" not in text:
        return
    for match in _PIECE.finditer(text):
        piece, start = match[0], match.start()
        before = text[start - 1] if start else "}" if follows else ""
        if before == "%" and piece[:2] in ("s/", "d/", "r/"):
            piece, before = piece[1:], "}"
        if piece.startswith("//") or (before and before in "$:~%"):
            continue
        if piece.startswith("/") and before != "}":
            continue  # an absolute path lies outside of the version
        named = bool(_FOLDER_FOLLOWS.search(text[max(0, start - _LONGEST_OPTION) : start]))
        unfinished = continues and match.end() == len(text)
        if piece.endswith("/"):
            if piece.strip("./"):
                yield piece.strip("/") + ("/*" if unfinished else "/")
        elif unfinished:
            if folder := piece.rpartition("/")[0].strip("/"):
                yield folder + "/*"
        elif named:
            yield piece.strip("/") + "/"
        elif "/" in piece:
            yield piece.strip("/")


class Places:
    """Tells what a file names while its tree is read, there where it does.

    *name* gets names of files, *folder* those of folders: with a slash at the end, or with ``/*`` where a
    computed name in it is meant. ``{SQL_DIR}/`` is the folder that some file's ``SQL_DIR`` holds.
    """

    def __init__(self, name: Callable[[str], object], folder: Callable[[str], object]) -> None:
        self._name = name
        self._folder = folder
        self.holders: dict[str, str] = {}
        """Names of variables to the folder that each holds."""
        self.searching = 0
        self._chained: set[int] = set()

    # What the reader tells

    def assigned(self, target: ast.expr, value: ast.expr) -> bool:
        """Whether the value is a place that the target holds from now on, so that nobody uses it yet."""
        key = _key(target)
        if key is None or self.searching:
            return False
        parts = self._parts(value)
        literals = [_text(part) for part in parts]
        text = None
        if len(parts) > 1 or _is_path_call(value):
            if literals[-1] is not None:
                text = _trailing(literals)
        elif literals[0] is not None:
            if (
                "/" in literals[0] and not literals[0].startswith("/") and " " not in literals[0].strip()
            ) or _TAKES_A_FOLDER.fullmatch(key.lower()):
                text = literals[0]
        elif isinstance(value, ast.JoinedStr) and value.values:
            last = _text(value.values[-1])
            if last is not None and re.fullmatch(r"/[\w\-./+@]+", last):
                text = last
        if not text or not text.strip("/.") or "://" in text or text.startswith("//"):
            return False
        text = text.strip("/")
        known = self.holders.setdefault(key, text)
        if known != text:
            self._folder(f"{known}/")
            self._folder(f"{text}/")
        self._name(text)
        return True

    def loaded(self, name: str) -> None:
        """A variable's value goes where nobody can tell what is done with it."""
        if not self.searching and (name in self.holders or name.isupper() or _PLACE.search(name)):
            self._folder(f"{{{name}}}/")

    def loaded_attribute(self, name: str) -> None:
        if not self.searching and (name in self.holders or _PLACE.search(name)):
            self._folder(f"{{{name}}}/")

    def joined(self, parts: Sequence[ast.expr]) -> list[ast.expr]:
        """Take in a path that is joined of parts; what of them the reader has still to visit."""
        for part, after in zip(parts, (*parts[1:], None), strict=True):
            # A place to which only literal names are joined is not used as a whole
            if self._literal(part) is None and (after is None or self._literal(after) is None):
                if isinstance(part, ast.Name):
                    self.loaded(part.id)
                elif isinstance(part, ast.Attribute):
                    self.loaded_attribute(part.attr)
        others: list[ast.expr] = []
        run: list[str] = []
        absolute = bool(parts) and (_text(parts[0]) or "").startswith("/")
        for index, part in enumerate(parts):
            text = self._literal(part)
            if text is not None:
                run.append(text.strip("/"))
                continue
            if not (absolute and len(run) == index):
                self._run(run, "/*")
            run = []
            if not isinstance(part, ast.Constant):
                others.append(part)
        if not (absolute and len(run) == len(parts)):
            self._run(run, "/")
        return others

    def formatted(self, node: ast.JoinedStr) -> None:
        values = node.values
        for index, value in enumerate(values):
            text = _text(value)
            if text is None:
                continue
            self.text(text, follows=index > 0, continues=index + 1 < len(values))
            before = values[index - 1] if index else None
            if isinstance(before, ast.FormattedValue) and _is_stem(before.value) and _SUFFIX.fullmatch(text):
                self._name(STEM + text)

    def text(self, text: str, *, follows: bool = False, continues: bool = False) -> None:
        if not self.searching:
            for piece in folder_pieces(text, follows=follows, continues=continues):
                self._folder(piece if piece.endswith(("/", "/*")) else f"{piece}/")

    def added(self, node: ast.BinOp) -> None:
        """``HERE + "/sql/" + name``, ``stem + ".sql"``."""
        if id(node) in self._chained:
            return  # seen as a part of the whole
        inner = node.left
        while isinstance(inner, ast.BinOp):
            self._chained.add(id(inner))
            inner = inner.left
        parts = _chain(node, ast.Add)
        for index, part in enumerate(parts):
            text = _text(part)
            if text is not None:
                self.text(text, follows=index > 0, continues=index + 1 < len(parts))
                if index and _SUFFIX.fullmatch(text) and _is_stem(parts[index - 1]):
                    self._name(STEM + text)

    def called_of(self, dotted: str) -> None:
        """A method of a place: what it does with that is not known, but for some."""
        owner, _, method = dotted.rpartition(".")
        if owner and method not in _HARMLESS_METHODS:
            if "." in owner:
                self.loaded_attribute(owner.rpartition(".")[2])
            else:
                self.loaded(owner)

    def called(self, name: str, node: ast.Call) -> None:
        first = node.args[0] if node.args else None
        text = _text(first) if first is not None else None
        if name == "with_suffix" and text:
            self._name(STEM + text)
        elif name == "replace" and len(node.args) == 2 and text == ".py" and (to := _text(node.args[1])):
            self._name(STEM + to)
        elif name in _RESOURCES and text and all(part.isidentifier() for part in text.split(".")):
            second = _text(node.args[1]) if len(node.args) > 1 else None
            package = text.replace(".", "/")
            if second:
                self._name(f"{package}/{second}")
            elif name != "read_text":
                self.folder(package)
        elif name in _FOLDER_CALLS and text:
            self.folder(text)
        elif name == "PackageLoader" and text:
            inside = (_text(node.args[1]) if len(node.args) > 1 else None) or "templates"
            self.folder(f"{text.replace('.', '/')}/{inside}")

    def keyword(self, name: str | None, value: ast.expr) -> None:
        text = _text(value)
        if name and text and _TAKES_A_FOLDER.fullmatch(name) and not text.startswith("/"):
            self.folder(text)

    def folder(self, text: str) -> None:
        if not self.searching and text.strip("/."):
            self._folder(text.strip("/") + "/")

    # Inside

    def _run(self, run: list[str], end: str) -> None:
        text = "/".join(part for part in run if part)
        if not text.strip("/."):
            return
        self._name(text)
        if not self.searching:
            self._folder(text + end)

    def _literal(self, part: ast.expr) -> str | None:
        text = _text(part)
        if text is not None:
            return text
        key = _key(part)
        return self.holders.get(key) if key is not None else None

    def _parts(self, value: ast.expr) -> list[ast.expr]:
        return [
            ast.Constant(held) if (held := self._literal(part)) is not None else part
            for part in path_parts(value)
        ]


def path_parts(node: ast.expr, calls: list[ast.Call] | None = None) -> list[ast.expr]:
    """The parts of a path: of ``here / "sql" / name``, ``join(here, "sql")``, ``files("package")``.

    *calls* gets the calls that are looked through.
    """
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return [*path_parts(node.left, calls), *path_parts(node.right, calls)]
    if isinstance(node, ast.Call):
        inner = _looked_through(node)
        if inner is not None:
            if calls is not None:
                calls.append(node)
            return [part for one in inner for part in path_parts(one, calls)]
    return [node]


def _looked_through(node: ast.Call) -> list[ast.expr] | None:
    name = _name_of(node.func)
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    if name in _SAME_PLACE and owner is not None and not node.args:
        return [owner]
    if name in _WRAPPERS and len(node.args) == 1:
        return [node.args[0]]
    if name == "files" and len(node.args) == 1 and (package := _text(node.args[0])):
        return [ast.Constant(package.replace(".", "/"))]
    if name == "with_name" and owner is not None and len(node.args) == 1:
        return [owner, node.args[0]]
    if name == "joinpath" and owner is not None:
        return [owner, *node.args]
    if name in _JOINS and node.args and (owner is None or _text(owner) is None):
        return list(node.args)
    return None


def is_path(node: ast.expr) -> bool:
    """Whether an expression joins a path."""
    return (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)) or _is_path_call(node)


def _is_path_call(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _looked_through(node) is not None


def leading_text(node: ast.expr) -> str:
    """What a text that is put together begins with; empty where that is not known."""
    if isinstance(node, ast.JoinedStr) and node.values:
        return _text(node.values[0]) or ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mod)):
        return leading_text(node.left).partition("%")[0]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return leading_text(node.func.value).partition("{")[0]
    return _text(node) or ""


def _trailing(literals: Iterable[str | None]) -> str:
    run: list[str] = []
    for text in literals:
        run = [] if text is None else [*run, text.strip("/")]
    return "/".join(part for part in run if part)


def _chain(node: ast.expr, kind: type[ast.operator]) -> list[ast.expr]:
    parts: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, kind):
        parts.append(node.right)
        node = node.left
    parts.append(node)
    return parts[::-1]


def _is_stem(node: ast.expr) -> bool:
    """``path.stem``, or ``splitext(path)[0]``."""
    if isinstance(node, ast.Attribute):
        return node.attr == "stem"
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Call)
        and _name_of(node.value.func) == "splitext"
    )


def _key(node: ast.expr) -> str | None:
    return _name_of(node) or None


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
