"""By its words a copy is known again."""

import pytest

from posting.delivery import fingerprints

TEXT = "Two loaves for one.\n\nSee https://bloggs.example/offers\n"
KNOWN = fingerprints.of("Spring offers", TEXT)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Spring offers", TEXT.replace("\n", "\r\n")),
        ("Re: Spring offers", TEXT),
        ("AW: [promotions] Fwd: SPRING  offers", "> " + TEXT.replace("\n", "\n> ")),
        ("Spring offers", TEXT.replace("loaves for", "loaves\nfor")),
        ("Spring offers", f"{TEXT}\n-- \nThis mail is confidential."),
        ("Spring offers", TEXT + "\n--\nBloggs Ltd sent you this."),
    ],
)
def test_what_servers_do_to_a_copy_leaves_it_recognisable(subject, text):
    assert fingerprints.of(subject, text) == KNOWN


@pytest.mark.parametrize(
    ("subject", "text"), [("Summer offers", TEXT), ("Spring offers", "I will take two."), ("Spring offers", "")]
)
def test_other_words_are_another_message(subject, text):
    assert fingerprints.of(subject, text) != KNOWN


def test_what_is_added_at_the_end_of_a_long_text_changes_nothing():
    long = "A word and another. " * 50
    assert fingerprints.of("x", long) == fingerprints.of("x", f"{long} Scanned for viruses.")
