"""Where in a TOML file a value stands: ``tomllib`` gives the values, ``tree-sitter`` their places."""

import tomllib

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

Path = tuple[str | int, ...]
"""Keys and indices from the top: ``("floor", 0, "rooms", 3, "bloc")``."""

_KEYS = ("bare_key", "quoted_key", "dotted_key")


class Lines:
    """The line (1 = first) of every table, key and array element of a TOML text without syntax errors."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {(): 1}
        self._elements: dict[Path, int] = {}
        root = Parser(Language(tree_sitter_toml.language())).parse(text.encode()).root_node
        for node in root.named_children:
            self._statement(node)

    def of(self, path: Path) -> int:
        """The line of this value, or of the nearest thing around it that stands in the file."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def _statement(self, node: Node) -> None:
        if node.type == "pair":
            self._pair((), node)
        elif node.type in ("table", "table_array_element"):
            path = self._header(node)
            self._put(path, node)
            for child in node.named_children:
                if child.type == "pair":
                    self._pair(path, child)

    def _header(self, node: Node) -> Path:
        path: Path = ()
        keys = _keys(next(child for child in node.named_children if child.type in _KEYS))
        for key in keys[:-1]:
            path = self._inside((*path, key))
        path = (*path, keys[-1])
        if node.type == "table":
            return path
        self._elements[path] = self._elements.get(path, -1) + 1
        return self._inside(path)

    def _inside(self, path: Path) -> Path:
        """A header's key that names an array of tables means its last element so far."""
        return (*path, self._elements[path]) if path in self._elements else path

    def _pair(self, path: Path, node: Node) -> None:
        key, value = (child for child in node.named_children if child.type != "comment")
        for part in _keys(key):
            path = (*path, part)
            self._put(path, node)
        self._value(path, value)

    def _value(self, path: Path, node: Node) -> None:
        children = [child for child in node.named_children if child.type != "comment"]
        if node.type == "array":
            for index, child in enumerate(children):
                self._put((*path, index), child)
                self._value((*path, index), child)
        elif node.type == "inline_table":
            for child in children:
                self._pair(path, child)

    def _put(self, path: Path, node: Node) -> None:
        self._lines.setdefault(path, node.start_point.row + 1)


def _keys(node: Node) -> list[str]:
    if node.type == "dotted_key":
        return [key for child in node.named_children for key in _keys(child)]
    text = (node.text or b"").decode()
    return [next(iter(tomllib.loads(f"{text} = 1")))]
