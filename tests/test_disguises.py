"""Addresses that only a person reads as one hold a post; ordinary words of business do not."""

import time

import pytest

from posting.delivery import disguises, gate, searching
from posting.models import Post
from posting.moderation import rules
from tests import builders

ANNE = "anne@bakery.example"
DISGUISES = (
    "Ask anne (at) bakery.example.",
    "Ask anne(at)bakery.example, please",
    "anne[at]bakery[dot]example",
    "anne [AT] bakery [DOT] example",
    "anne {at} bakery (punkt) example",
    "anne <at> bakery.example",
    "anne(@)bakery.example",
    "anne AT bakery DOT example",
    "anne at bakery dot example",
    "anne@bakery dot example",
    "anne@bakery[.]example",
    "anne@bakery (dot) example",
    "anne @ bakery . example",
    "anne @ bakery.example",
    "anne  @  bakery  .  example",
    "anne@ bakery.example",
    "anne @bakery.example",
    "anne@bakery . example",
    "Write to anne@\nbakery.example today",
    "Write to anne\n@bakery.example today",
    "Write to anne@bakery.\nexample today",
    "Write to anne@bakery\n.example today",
    "Write to anne@bak\nery.example today",
    "> Write to anne@\n> bakery.example today",
    "anne@\r\nbakery.example",
    "anne＠bakery．example",
    "ａｎｎｅ＠ｂａｋｅｒｙ．ｅｘａｍｐｌｅ",
    "anne@bakery。example",
    "an\u200bne@\u2060bak\u00adery.exa\ufeffmple",
    "anne\u200b (a\u200bt) bakery.example",
    "anne@\ufe0fbakery.example",
    "anne\u00a0@\u00a0bakery\u00a0.\u00a0example",
    "ANNE @ BAKERY . EXAMPLE",
    "anne\uff20\u3000bakery.example",
    "anne(a)bakery.example",
    "anne[a]bakery.example",
    "anne (AT) bakery example",
    "anne [at] bakery  example, please",
    "anne@bakery,example",
    "Write to anne@bakery,example.",
)
ORDINARY = (
    "2 @ £3",
    "Coffee at the Dot Gallery",
    "Coffee at Red Dot Gallery, tea at the red dot there",
    "Exhibition at our Dot Shop",
    "Option (a) bakery.example, option (b) our counter",
    "See paragraph 3(a) and 3(b)",
    "Prices (at cost) exclude delivery",
    "Loaf;2@shop,3@home",
    "Two@£3,four@£5",
    "Two loaves @ £2.50, six @ £6.",
    "10 @ 3.50 each",
    "Rolls: 12 @ 40p . Baps: 6 @ 50p",
    "Follow us @bakery",
    "Find us on Instagram @bakery and on Facebook @bakery.shop",
    "On Bluesky we are @bakery.example",
    "Bluesky: @bakery.example",
    "Follow us @bakery.\nSee you soon",
    "Tag @bakery. We repost the best.",
    "Open at 9.30 at bakery.example",
    "We open at 9.30. At noon we close.",
    "Have a look at bakery.example",
    "Look at www.bakery.example/offers and order at shop.bakery.example",
    "Order online at bakery.example or at our counter.",
    "Find us at 12 High Street.\nParking at the rear.",
    "The fair is at the Town Hall at 7 p.m. on Friday.",
    "Meet us at stand 14 . Free coffee",
    "See you at the bakery.\nBring a friend.",
    "Available at all good shops. Example prices inside.",
    "We are at bakery dot example",
    "Visit us at www dot bakery dot example",
    "Find more at bakery dot example slash offers",
    "Join us @ the Chamber on Monday.",
    "Join us @ bakery.example",
    "Networking breakfast @ 7.30 . Bring cards.",
    "Live @ The Corn Exchange. Doors 8 pm.",
    "Quiz night @ The Plough . All welcome",
    "Polka dot cushions at half price",
    "Dot, our trainee, starts at Bloggs today.",
    "We stand at the red dot on the map",
    "Dot to dot books at £2",
    "The dot com boom was at its height.",
    "Reduced at the till. Ends Sunday.",
    "At Bloggs Ltd. we bake at night.",
    "Tickets at the door; children at half price.",
    "Prices start at 4.99 per dozen.",
    "Bread at its best.\nButter at its finest.",
    "Version 2.0 is at last here.",
    "Now at no. 5, next to the bank",
    "Sign up at the desk. No. 3 is closed.",
    "Call at any time. 01234 567890.",
    "Call 01234 567890 at weekends, e.g. Saturday.",
    "Meeting (at the usual place). All welcome.",
    "Our new shop (at the station) opens.",
    "Two sizes [at no extra cost].",
    "Price list: loaf @2.50, roll @0.40",
    "Loaf;2.50@shop\nRoll;0.40@shop",
    "3 courses @ £25 p.p. incl. wine",
    "Up to 20% off at Bloggs.\nToday only.",
    "B@B: Business at Breakfast. Next one: 3 May.",
    "C@fé Bloggs. Now open.",
    "Gr@b a bargain. Ends today.",
    "#loveloc@l #shop",
    "Hosted at example.com by Bloggs.",
    "Download it at bloggs.example/app.\nIt is free.",
    "Menu at https://bloggs.example/menu . Orders by noon.",
    "https://maps.example/@51.5,-0.12,15z/data",
    "https://social.example/@bloggs/1234",
    "https://social.example/@bloggs . Follow us",
    "Meet the maker @ Bloggs . Free entry.",
    "Rated 4.8 at reviews.example by 300 customers.",
    "We deliver at 6 . Order by 5 .",
    "Contact Joe at the office. Ext. 12.",
    "Wir sind samstags um 9 da. Infos unter bloggs.example",
    "Joe Bloggs at Bloggs Ltd. Bakers since 1906.",
    "Sat. at 10 . Sun. at 11 .",
    "Half price @ weekends . see below",
    "Write to joe@bloggs.example\nand come by.",
    "Write to joe@bloggs.example .\nWe answer by noon.",
    "Write to joe@bloggs.example.\nwe answer by noon.",
    "Write to joe @ bloggs . example or joe (at) bloggs.example.",
    "Write to joe@bloggs.example, or call at 9 . thanks",
)


def a_post(subject: str, body: str) -> Post:
    post = Post(sender=builders.a_sender(), mailing_list=builders.a_list())
    post.subject, post.body, post.allowed_addresses = subject, body, []
    return post


@pytest.mark.parametrize("text", DISGUISES)
def test_a_disguised_address_is_found_in_its_plain_form(text: str):
    assert [found.lower() for found in searching.addresses_in(text)] == [ANNE]


@pytest.mark.parametrize("text", ORDINARY)
@pytest.mark.django_db
def test_ordinary_words_of_business_hold_nothing(text: str):
    post = a_post("x", text)
    assert gate.strangers(post) == []


@pytest.mark.django_db
@pytest.mark.parametrize("text", DISGUISES[:3])
def test_a_disguised_address_holds_a_post_and_is_allowed_in_its_plain_form(text: str):
    post = a_post(text, "x")
    assert rules.names_an_address(post) == "It names a mail address that is neither the sender's nor the Chamber's."
    post.allowed_addresses = [ANNE]
    assert gate.strangers(post) == []


def test_ordinary_prose_in_one_piece_hides_nothing():
    assert {found.address for found in disguises.found_in("\n".join(ORDINARY)) if "bloggs" not in found.address} == set()


@pytest.mark.parametrize(
    "text",
    [
        "a @ " * 300_000,
        "at " * 400_000,
        "x at y dot " * 100_000,
        " " * 1_000_000,
        "a@" * 500_000,
        "a@b . " * 200_000,
        "(at)" * 300_000,
    ],
)
def test_a_hostile_text_costs_little(text: str):
    start = time.process_time()
    list(disguises.found_in(text))
    assert time.process_time() - start < 3


def test_what_is_hidden_is_no_longer_there():
    text = "Ask anne (at) bakery.example, or eve@garage dot example today"
    assert disguises.hidden(text, lambda _: "•••") == "Ask •••, or ••• today"
