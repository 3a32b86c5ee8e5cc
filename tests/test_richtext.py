"""The HTML of a mail: what a person meant stays, what a program added or a stranger hides goes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posting.delivery.allowed import SCHEMES, TAGS
from posting.submission import richtext
from tests.mails import WORDS, both, file, letter, mail, part
from tests.samples import png
from tests.tags import Tags

HTML = "text/html; charset=utf-8"


def rebuilt(html: str, **pictures: str) -> str:
    return richtext.rebuilt(richtext.opened(html), pictures)


@pytest.mark.parametrize(
    "html",
    [
        "<p>One <strong>two</strong> <em>three</em> <u>four</u> <b>five</b> <i>six</i></p>",
        "<h1>A</h1><h2>B</h2><h3>C</h3><p>a<br>b</p><hr><blockquote>c</blockquote>",
        "<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul>",
        '<p><a href="https://bloggs.example/a?b=1&amp;c=2">here</a> <a href="mailto:joe@bloggs.example">or here</a></p>',
        "<table><thead><tr><th>Day</th><th>Open</th></tr></thead><tbody><tr><td>Monday</td><td></td></tr></tbody></table>",
        '<table><tbody><tr><td colspan="2">a</td></tr><tr><td>b</td><td>c</td></tr></tbody></table>',
        "<pre>a\n  b</pre><p><code>c &lt; d</code></p>",
        "<p>Käse für 1 € &amp; mehr</p>",
    ],
)
def test_what_is_allowed_stays_as_it_is(html: str):
    assert rebuilt(html) == html


@pytest.mark.parametrize(
    ("html", "left"),
    [
        ("<p style='x' class='y' id='z' onclick='a()' lang=en>a</p>", "<p>a</p>"),
        ("<div><span>a</span> <font color=red>b</font></div>", "a b"),
        ("<div>a</div><div>b</div>", "a<br>b"),
        ("<div>a</div><div><br></div><div>b</div>", "a<br><br>b"),
        ("<div>a<br></div><div>b</div>", "a<br>b"),
        ("<section><div><div>a</div></div></section>b", "a<br>b"),
        ("<script>a</script><style>b</style><title>c</title><noscript>e</noscript><svg><text>f</text></svg>d", "d"),
        ("<!-- a -->b<!--[if mso]>c<![endif]-->", "b"),
        ("<p>a<o:p></o:p></p><p><o:p>&nbsp;</o:p></p>", "<p>a</p>"),
        ("<p></p><b><i> </i></b><ul><li></li></ul><blockquote><p><br></p></blockquote>a", "a"),
        ("a<b> </b>b<b><br></b>c", "a b<br>c"),
        ("<h5>a</h5>", "<h3>a</h3>"),
        ("<div style='Display : NONE'>a<p>b<br></div><span style='visibility:hidden'>c</span><p hidden>d</p>e", "e"),
        ("<p style='display:block'>a<img src=x style='display:none'><b>b</b></p>", "<p>a<b>b</b></p>"),
        ("<table><tr><td>a</td></tr><tr><td>b</td></tr></table>", "a<br>b"),
        ("<table><tr><td><table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table></td></tr></table>",
         "<table><tbody><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></tbody></table>"),
        ("<td>a</td></table></p></div>b", "a<br>b"),
        ("<p>a<div>b</div>c", "<p>a</p>b<br>c"),
        ("<a href='javascript:a()'>a</a><a href='data:text/html,x'>b</a><a href='/x'>c</a><a>d</a>", "abcd"),
        ("<a href='https://bloggs.example' target=_blank ping=x>a</a>", '<a href="https://bloggs.example">a</a>'),
        ("<a href='https://bloggs.example/a b'>a</a>", '<a href="https://bloggs.example/a%20b">a</a>'),
        ("<form action=x><input value=a><button>b</button></form>", "b"),
        ("<iframe src=x>a</iframe><object>b</object><embed src=x><video src=x>c</video>d", "d"),
        ("a&#x202e;b&#0;c&#x7f;", "ab\ufffdc"),
        ("<b>" * 100 + "a", "<b>" * 40 + "a" + "</b>" * 40),
    ],
)  # fmt: skip
def test_the_rest_goes(html: str, left: str):
    assert rebuilt(html) == left


def test_pictures_stay_if_they_came_with_the_mail():
    html = "<p>a<img src='cid:one@x' alt='A' width=20 height=9px><img src='cid:two'><img src='https://x.example/1.gif'>"
    assert rebuilt(html, **{"one@x": "picture1"}) == '<p>a<img src="cid:picture1" alt="A" width="20"></p>'
    assert rebuilt("<img src='data:image/png;base64,xx'><img src='CID:a%20b'>a", **{"a b": "p"}) == '<img src="cid:p" alt="">a'


def test_a_picture_that_is_shown_goes_with_the_post_under_a_name_of_ours():
    found = letter(
        mail(
            mail(
                part(WORDS), part(f"<p>{WORDS}<img src='cid:logo@bloggs'></p>", HTML), kind="alternative", head="", boundary="inner"
            ),
            file(png(), "image/png", "logo.png", Content_ID="<logo@bloggs>"),
            file(png(), "image/png", "loaf.png", Content_ID="<loaf@bloggs>"),
            kind="related",
        )
    )
    assert found.html == f'<p>{WORDS}<img src="cid:picture1" alt=""></p>'
    assert [(each.name, each.content_id) for each in found.files] == [("logo.png", "picture1"), ("loaf.png", "")]


def test_a_picture_of_another_kind_is_refused_by_name():
    raw = mail(part("<img src='cid:a'>x", HTML), file(b"x", "image/webp", "logo.webp", Content_ID="<a>"), kind="related")
    assert "“logo.webp”" in letter(raw).problem


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a <b>b</b><br>c</p><p>d</p>", "a b\nc\n\nd"),
        ("<ul><li>a</li><li>b</li></ul>", "* a\n  * b"),
        ('<a href="https://bloggs.example/x">our offers</a>', "our offers (https://bloggs.example/x)"),
        ('<a href="https://bloggs.example/">bloggs.example</a>', "bloggs.example"),
        ('<a href="mailto:joe@bloggs.example">joe@bloggs.example</a>', "joe@bloggs.example"),
        ('<p>a <img src="cid:p" alt="a loaf"></p>', "a [a loaf]"),
        ("<table><tr><td>Monday</td><td>9</td></tr><tr><td>Tue</td><td>10</td></tr></table>", "Monday  9\nTue     10"),
        ("", ""),
    ],
)
def test_html_is_read_as_text(html: str, text: str):
    assert richtext.as_text(html) == text


@pytest.mark.parametrize(
    "html",
    [
        "<div dir=ltr>Two loaves for one.</div>",
        "<p>Two loaves</p>\n<p>for one.</p>",
        "<html><head><style>p{}</style></head><body><p class=MsoNormal>Two&nbsp;loaves<br>for one.</p></body></html>",
    ],
)
def test_html_that_says_no_more_than_the_text_is_not_kept(html: str):
    assert letter(both(WORDS, html)).html == ""


def test_bare_links_say_no_more_and_others_do():
    plain = "See https://bloggs.example/x"
    assert letter(both(plain, "See <a href='https://bloggs.example/x'>https://bloggs.example/x</a>")).html == ""
    assert letter(both(plain, "See <a href='https://other.example/x'>https://bloggs.example/x</a>")).html
    assert letter(both("See the HTML", f"<p>{WORDS}</p>")).html == f"<p>{WORDS}</p>"


def test_an_empty_text_beside_html_is_made_from_it():
    found = letter(both(" ", f"<h1>Bread</h1><p>{WORDS}</p>"))
    assert (found.body, found.html) == (f"Bread\n\n{WORDS}", f"<h1>Bread</h1><p>{WORDS}</p>")


def test_words_around_html_are_in_both():
    found = letter(mail(part("<p><b>One</b></p>", HTML), part("a < b\nc"), part("<p>Two</p>", HTML)))
    assert found.body == "One\n\na < b\nc\n\nTwo"
    assert found.html == "<p><b>One</b></p><p>a &lt; b<br>c</p><p>Two</p>"


@pytest.mark.parametrize("html", ["<p>" * 16_001, "x" * 1_000_001])
def test_html_beyond_the_bounds_is_refused(html: str):
    assert "formatting is too large" in letter(mail(part(html, HTML))).problem


def is_clean(html: str) -> None:
    """As ``html.parser`` reads it, and not only as the library that wrote it."""
    tags = Tags()
    tags.feed(html)
    tags.close()
    for tag, attributes in tags.found:
        assert set(attributes) <= TAGS[tag]
        assert (attributes.get("href") or "http").partition(":")[0].lower() in SCHEMES
        assert (attributes.get("src") or "cid:").startswith("cid:")
    assert not tags.comments
    assert not tags.left_open
    assert rebuilt(html, picture1="picture1") == html or "<pre>" in html


OTHER_TAGS = ("div", "span", "script", "style", "svg", "math", "title", "template", "caption", "select")
ODD = [
    "<a href='", "javascript:", "https://x.example", "'>", '"', ">", "<img src=cid:picture1 alt='<b>'>", "<img src=x onerror=y>",
    "<!--", "-->", "<![CDATA[", "]]>", "&lt;", "&", "&#", "\0", " ", "\n", "a", "<td colspan=2 style=x>", "<p onclick=", "\u202e",
]  # fmt: skip
PIECES = st.sampled_from([f"<{end}{tag}>" for tag in (*TAGS, *OTHER_TAGS) for end in ("", "/")] + ODD)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=40))
def test_whatever_comes_only_allowed_tags_leave(pieces: list[str]):
    is_clean(rebuilt("".join(pieces), picture1="picture1"))
