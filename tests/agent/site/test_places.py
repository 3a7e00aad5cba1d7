"""Positions found by our own scanner, against tomllib on generated documents."""

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.site.places import Places

BARE = st.text("abcXYZ019_-", min_size=1, max_size=6)
QUOTED = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=6)
SCALAR = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(
        ["true", "false", "inf", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00", "07:32:00", "0xff", "1_000"]
    ),
)


def _word(key):
    return tomllib.loads(f"{key} = 0").popitem()[0]


def basic(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def strings(draw):
    text = draw(QUOTED)
    style = draw(st.sampled_from(["basic", "escaped", "literal", "long", "long-literal", "folded"]))
    if style == "literal" and "'" not in text:
        return f"'{text}'"
    if style == "escaped":
        return '"' + "".join(f"\\U{ord(c):08x}" for c in text) + '"'
    if style == "long":
        return '"""\n' + text.replace("\\", "\\\\").replace('"', '\\"') + '\nend # no comment ""\\"\n"""'
    if style == "long-literal" and "'" not in text:
        return f"'''{text}\n[not.a.table]\nkey = 1'''"
    if style == "folded":
        return f'"""{text.replace(chr(92), "").replace(chr(34), "")}\\\n   \n  x"""'
    return basic(text)


def arrays(values):
    gap = st.sampled_from(["", " ", "\n", " # ] } comment\n", "\n\n  "])

    @st.composite
    def array(draw):
        items = draw(st.lists(values, max_size=3))
        text = "["
        for item in items:
            text += draw(gap) + item + draw(gap) + ","
        return text + draw(gap) + "]"

    return array()


def tables(values):
    @st.composite
    def table(draw):
        keys = draw(st.lists(st.one_of(BARE, QUOTED.map(basic)), max_size=3, unique_by=_word))
        return "{" + ", ".join(f"{key} = {draw(values)}" for key in keys) + "}"

    return table()


VALUE = st.recursive(st.one_of(SCALAR, strings()), lambda inner: st.one_of(arrays(inner), tables(inner)), max_leaves=5)


@st.composite
def documents(draw):
    """A document, and where each of its own keys was put: path -> (line, column)."""
    text, places = "", {}

    def pairs(path):
        nonlocal text
        for key in draw(st.lists(st.one_of(BARE, QUOTED.map(basic)), max_size=3, unique_by=_word)):
            text += draw(st.sampled_from(["", "  ", "# comment = [\n", "\n"]))
            places[*path, _word(key)] = (text.count("\n") + 1, len(text) - text.rfind("\n"))
            text += f"{key} = {draw(VALUE)}" + draw(st.sampled_from(["\n", "  # said\n", "\n\n"]))

    pairs(())
    taken = {path[0] for path in places}
    for number in range(draw(st.integers(0, 4))):
        name = f"table{number}"
        if name in taken:
            continue
        many = draw(st.booleans())
        for element in range(draw(st.integers(1, 3)) if many else 1):
            path = (name, "in.side", element) if many else (name, "in.side")
            places[path] = (text.count("\n") + 1, 1)
            text += f'[[{name}."in.side"]]\n' if many else f"[ {name} . 'in.side' ] # header\n"
            pairs(path)
            if draw(st.booleans()) and not any(p[: len(path) + 1] == (*path, "below") for p in places):
                places[*path, "below"] = (text.count("\n") + 1, 1)
                text += f'[{name}."in.side".below]\n'
                pairs((*path, "below"))
    return text, places


def paths(value, path=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from paths(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield (*path, number)
            yield from paths(item, (*path, number))


@given(documents())
@settings(max_examples=150, deadline=None)
def test_every_key_is_found_where_it_was_put(case):
    text, expected = case
    tree = tomllib.loads(text)
    places = Places(text)
    assert {path: places.key(path) for path in expected} == expected
    assert set(paths(tree)) <= set(places.spans)
    for path, span in places.spans.items():
        assert text[span.value] not in " \t\n,", path


@given(st.text("ab\"\\\n\t'é漢", max_size=20), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_column_inside_a_string_is_the_character_it_names(words, folded):
    written = "".join({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\u0009"}.get(c, c) for c in words)
    fold = "\\\n    " if folded and not words.startswith(("\n", "\t")) else ""
    text = f'# one\nkey = """{fold}{written}."""\n'
    value = tomllib.loads(text)["key"]
    places = Places(text)
    lines = text.split("\n")
    for number, character in enumerate(value):
        line, column = places.inside(("key",), number)
        found = lines[line - 1][column - 1]
        assert found == (character if character not in '"\\\n\t' else "\\")


def test_numbers_have_no_inside_and_unknown_keys_take_the_table_around():
    places = Places('[a]\nb = 3\n[[c]]\nd = "x"\n')
    assert places.inside(("a", "b"), 0) is None
    assert places.key(("a", "missing", "deeper")) == (1, 1)
    assert places.key(("c", 0, "e")) == (3, 1)
    assert places.key(("nowhere",)) == (1, 1)
