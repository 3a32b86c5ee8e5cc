"""What a message is, rule by rule, and in which order."""

from dataclasses import replace
from typing import Any

import pytest

from posting.inbound.recognition import RULES, Facts, recognise

PERSON = Facts(
    "reply", "lists.chamber.example", envelope_sender="anne@bakery.example", author="anne@bakery.example", subject="Re: Offers"
)


def kind(**changes: Any) -> str:
    return recognise(replace(PERSON, **changes))[0]


@pytest.mark.parametrize(
    "sign",
    [
        {"headers": {"list-id": "Promotions <promotions.lists.chamber.example>"}},
        {"headers": {"list-id": "<PROMOTIONS.Lists.Chamber.Example>"}},
        {"headers": {"x-loop": "promotions@lists.chamber.example"}},
        {"message_id": "<0123456789abcdef0123456789abcdef@lists.chamber.example>"},
        {"message_id": " 0123456789ABCDEF0123456789abcdef@LISTS.chamber.example"},
        {"is_from_us": True},
        {"hops": 31},
        {"is_our_text": True},
    ],
)
@pytest.mark.parametrize("place", ["list", "reply", "request", "leave", "bounce", "owner", "role", "talk"])
def test_each_sign_of_a_copy_of_ours_is_enough_alone(sign, place):
    assert kind(place=place, **sign) == "own copy"


@pytest.mark.parametrize(
    "sign",
    [
        {"headers": {"list-id": "Promotions <promotions.lists.chamber.example.evil.example>"}},
        {"message_id": "<0123456789abcdef0123456789abcdef@lists.chamber.example.evil.example>"},
        {"message_id": "<lists.chamber.example@bakery.example>"},
        {"message_id": "<4bXyZ71Qq0z9x@lists.chamber.example>"},  # As a mail server at this domain writes it.
        {"hops": 30},
        {"is_our_text": True, "has_password": True, "place": "list"},
    ],
)
def test_what_only_looks_like_a_copy_of_ours_is_none(sign):
    assert kind(**sign) != "own copy"


@pytest.mark.parametrize(
    "sign",
    [
        {"headers": {"auto-submitted": "auto-replied"}},
        {"headers": {"auto-submitted": "auto-replied; owner-email=anne@bakery.example"}},
        {"headers": {"auto-submitted": "auto-generated"}},
        {"headers": {"auto-submitted": "Auto-Notified"}},
        {"headers": {"precedence": "bulk"}},
        {"headers": {"precedence": "auto_reply"}},
        {"headers": {"precedence": "Junk"}},
        {"headers": {"x-auto-response-suppress": "All"}},
        {"headers": {"x-autoreply": "yes"}},
        {"headers": {"x-autorespond": "1"}},
        {"headers": {"list-id": "<news.paper.example>"}},
        {"headers": {"list-unsubscribe": "<mailto:leave@paper.example>"}},
        {"headers": {"mailing-list": "list news@paper.example"}},
        {"envelope_sender": ""},
        {"author": "MAILER-DAEMON@bakery.example"},
        {"author": "no-reply@shop.example"},
        {"report": "disposition-notification"},
        {"subject": "Automatic reply: Spring offers"},
        {"subject": "Out of Office: back on Monday"},
        {"subject": "Abwesenheitsnotiz: Angebote"},
        {"subject": "Réponse automatique : Offres"},
        {"subject": "Automatische Antwort: Angebote"},
    ],
)
@pytest.mark.parametrize("place", ["reply", "list", "request", "owner"])
def test_a_robot_is_known_by_each_of_its_signs(sign, place):
    assert kind(place=place, **sign) == "automatic"


@pytest.mark.parametrize(
    "sign",
    [
        {},
        {"headers": {"auto-submitted": "no"}},
        {"headers": {"precedence": "first-class"}},
        {"headers": {"x-autoreply": "no"}},
        {"subject": "Re: your automatic door"},
        {"subject": "Automatic doors for shops"},
        {"author": "norbert@bakery.example"},
    ],
)
def test_a_person_is_no_robot(sign):
    assert kind(**sign) == "reply"


def test_bounces_are_known_by_where_they_come_to_or_by_who_sends_them():
    assert kind(place="bounce", envelope_sender="", is_bounce=True) == "bounce"
    assert kind(place="bounce", envelope_sender="") == "bounce"
    assert kind(place="no-reply", envelope_sender="", is_bounce=True) == "bounce"
    assert kind(place="list", report="delivery-status", is_bounce=True) == "bounce"
    assert kind(place="list", author="postmaster@bakery.example", is_bounce=True) == "bounce"
    assert kind(place="list", is_bounce=True) == "post"  # A person quotes a bounce.


def test_a_bounce_says_that_a_program_sent_it_and_a_vacation_reply_is_no_bounce():
    replied = {"auto-submitted": "auto-replied"}
    assert kind(place="bounce", envelope_sender="", is_bounce=True, headers=replied) == "bounce"
    assert kind(place="bounce", envelope_sender="", headers=replied) == "automatic"
    assert kind(place="bounce", subject="Out of office") == "automatic"


def test_a_complaint_is_one_wherever_it_comes_to():
    assert kind(place="role", is_complaint=True, headers={"auto-submitted": "auto-generated"}) == "complaint"
    assert kind(place="bounce", is_complaint=True) == "complaint"
    assert kind(place="reply", is_complaint=True, report="feedback-report") == "complaint"


def test_words_that_look_like_a_complaint_are_a_person_s_answer():
    assert kind(place="reply", author="complaints@council.example", is_complaint=True) == "reply"
    assert kind(place="list", author="complaints@council.example", is_complaint=True) == "post"


@pytest.mark.parametrize(
    "asked",
    [
        {"place": "leave"},
        {"place": "leave", "headers": {"auto-submitted": "auto-generated"}},
        {"place": "leave", "subject": "Out of office"},
        {"place": "leave", "envelope_sender": ""},
        {"place": "leave", "author": "no-reply@mail.example"},
        {"place": "request", "subject": "unsubscribe"},
        {"place": "request", "subject": "Unsubscribe please."},
        {"place": "request", "subject": "", "first_line": "unsubscribe me"},
        {"place": "list", "subject": "UNSUBSCRIBE"},
        {"place": "list", "subject": "remove me"},
        {"place": "reply", "first_line": "Unsubscribe"},
    ],
)
def test_who_asks_to_leave_is_heard(asked):
    assert kind(**asked) == "leave"


@pytest.mark.parametrize(
    "asked",
    [
        {"place": "leave", "headers": {"auto-submitted": "auto-replied"}},
        {"place": "leave", "report": "disposition-notification"},
        {"place": "request", "subject": "How do I unsubscribe my colleague?"},
        {"place": "reply", "first_line": "Stop by on Monday, please."},
        {"place": "list", "subject": "Stop", "has_password": True},
    ],
)
def test_what_does_not_ask_to_leave_leaves_nothing(asked):
    assert kind(**asked) != "leave"


def test_the_rest_goes_where_it_came_to():
    assert kind(place="list") == "post"
    assert kind(place="talk") == "reply"
    assert kind(place="owner") == kind(place="role") == kind(place="request") == "for staff"
    assert kind(place="no-reply") == kind(place="bounce") == "rest"


def test_the_order_is_fixed():
    order = list(dict.fromkeys(name for name, _ in RULES))
    assert order == ["own copy", "bounce", "complaint", "automatic", "leave", "post", "reply", "for staff"]


def test_a_rule_gives_a_reason_for_staff():
    for facts in (PERSON, replace(PERSON, place="list"), replace(PERSON, is_from_us=True), replace(PERSON, place="no-reply")):
        assert recognise(facts)[1].endswith(".")
