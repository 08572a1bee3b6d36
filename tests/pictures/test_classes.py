"""Classes: a name is a class, whatever its number in a file."""

import time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nca_zoo.errors import ZooError
from nca_zoo.pictures.classes import MAX_CLASS, Classes, numbered

DIGITS = numbered(tuple("0123456789"))
PETS = Classes({0: "cat", 1: "fox", 2: "Owl", 3: "owl", 7: "7", 8: "salt, pepper"})

names = st.lists(
    st.text("abcAÄ猫🦋019 ,-", min_size=1, max_size=4).map(str.strip).filter(bool), unique=True
)
some = names.flatmap(
    lambda n: st.lists(st.integers(0, 40), min_size=len(n), max_size=len(n), unique=True).map(
        lambda numbers: Classes(dict(zip(numbers, n, strict=True)))
    )
)


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("0-9", tuple(range(10))),
        ("3,5,8", (3, 5, 8)),
        ("0-4,9", (0, 1, 2, 3, 4, 9)),
        (" 8 , 3 - 5,4\t", (3, 4, 5, 8)),
        ("7-7,7", (7,)),
        ("007", (7,)),
    ],
)
def test_numbers_and_ranges(text, classes):
    assert DIGITS.chosen(text) == classes


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("cat", (0,)),
        ("FOX, Cat", (0, 1)),
        ("owl", (3,)),
        ("Owl", (2,)),
        ("2,fox", (1, 2)),
        ("salt, pepper", (8,)),
        ("7", (7,)),
    ],
)
def test_names_go_before_numbers(text, classes):
    assert PETS.chosen(text) == classes


def test_of_a_range_those_count_that_there_are():
    assert PETS.chosen("2-99999") == (2, 3, 7, 8)


def test_digits_are_named_by_what_they_are_whatever_their_numbers():
    moved = Classes({0: "Bag", 1: "0", 2: "1", 3: "2"})
    assert moved.chosen("0-2") == (1, 2, 3)
    assert moved.chosen("3") == (3,)


@pytest.mark.parametrize(
    "text", ["", "3,", "9-0", "-1", "1-2-3", "10-32768", "٣", "3\n4", "dog", "OWL", "9" * 10_000]
)
def test_what_is_no_class_is_named_with_those_there_are(text):
    start = time.perf_counter()
    with pytest.raises(
        ZooError, match=r"no class .* in p\.h5: there are 0 \(cat\), 1 \(fox\)"
    ) as caught:
        PETS.chosen(text, "in p.h5")
    assert time.perf_counter() - start < 0.5
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 250


@given(some, some)
@example(Classes({0: "cat", 1: "fox"}), Classes({0: "dog", 1: "cat"}))
@example(Classes(), Classes({5: "cat"}))
def test_joined_classes_keep_every_name_and_never_share_a_number(mine, theirs):
    joined, numbers = mine.joined(theirs)
    assert set(joined.values()) == {*mine.values(), *theirs.values()}
    assert len(set(joined.values())) == len(joined)
    assert all(joined[number] == name for number, name in mine.items())
    assert {number: joined[there] for number, there in numbers.items()} == dict(theirs)


@given(some)
def test_joining_again_changes_nothing(mine):
    assert mine.joined(mine) == (mine, {number: number for number in mine})


def test_names_of_labels_of_any_shape():
    named = PETS.named(np.array([[0, 1], [-1, 12]]))
    assert named.tolist() == [["cat", "fox"], ["", "12"]]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({0: "cat", 1: "cat"}, "both called cat"),
        ({-1: "cat"}, "numbers of classes are 0 to 32767"),
        ({MAX_CLASS + 1: "cat"}, "numbers of classes are 0 to 32767"),
        ({0: ""}, "expected 1 to 200 letters"),
        ({0: "a" * 201}, "expected 1 to 200 letters"),
        ({0: "a\nb"}, "expected 1 to 200 letters of one line"),
        ({0: "a\u202eb"}, "of one line"),
    ],
)
def test_what_cannot_be_a_class_is_refused(wrong, words):
    with pytest.raises(ZooError, match=words):
        Classes(wrong)


def test_more_classes_than_numbers_are_refused():
    full = Classes({n: f"a{n}" for n in range(MAX_CLASS + 1)})
    with pytest.raises(ZooError, match="32768 classes do not fit"):
        full.joined(Classes({0: "b"}))
