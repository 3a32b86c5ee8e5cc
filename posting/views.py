"""The senders' pages: sign in, write, look at it, submit it, see what became of it."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from chamberlist import pages, throttle
from posting import filepages
from posting.delivery import copies, ledger
from posting.forms import LostPasswordForm, PostForm, SignInForm
from posting.models import Delivery, Post, Sender
from posting.submission import lostpasswords, senders, submission
from posting.submission.reading import MAX_BODY

P = ParamSpec("P")
SESSION_KEY = "sender"
QUARTER, HOUR = timedelta(minutes=15), timedelta(hours=1)
LOST_AN_HOUR, LOST_AROUND, LOST_IN_ALL = 10, 30, 200  # Lost passwords: from one network, from the /48 around it, and from all.
WRONG = "The address and the password do not belong together. Check both, or ask the Chamber for a new password."
TESTS_A_DAY = 10
POSTS_A_PAGE = 20
COUNTS = (
    ("Handed over", (Delivery.State.SENT, Delivery.State.DELIVERED, Delivery.State.COMPLAINED)),
    ("On their way", (Delivery.State.QUEUED, Delivery.State.SENDING, Delivery.State.DEFERRED)),
    ("Not delivered", (Delivery.State.FAILED, Delivery.State.BOUNCED, Delivery.State.IN_DOUBT)),
    ("Not sent", (Delivery.State.CANCELLED, Delivery.State.SUPPRESSED, Delivery.State.EXPIRED)),
)


def signed_in(
    view: Callable[Concatenate[HttpRequest, Sender, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Gives the view its sender; anybody else is asked to sign in. A new password ends older sign-ins."""

    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        pk, mark = request.session.get(SESSION_KEY) or (0, "")
        sender = Sender.objects.filter(pk=pk, revoked_at=None).exclude(password="").first()
        if sender is None or senders.sign_in_mark(sender) != mark:
            request.session.pop(SESSION_KEY, None)
            return redirect("sender_sign_in")
        return view(request, sender, *args, **kwargs)

    return guarded


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The same answer, after the same work, for an unknown sender and for a wrong password."""
    form = SignInForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "posting/sign_in.html", {"form": form}, status=422 if form.errors else 200)
    address, network = form.cleaned_data["address"], throttle.network(request)
    meant = senders.meant_by(address)  # Not the text: a sender's address can be written in a thousand ways.
    tries = (
        ("sign-in/network", network, 30),
        ("sign-in/both", f"{network} {meant}", 6),
        ("sign-in/address", meant, 100),
    )
    # In this order, and no further: beyond its own limit a network counts against nobody else.
    if not all(throttle.hit(kind, key, limit=limit, per=QUARTER) for kind, key, limit in tries):
        return pages.too_many(request, retry_minutes=15)
    sender = senders.authenticate(address, form.cleaned_data["password"])
    if sender is None:
        form.add_error(None, WRONG)
        return render(request, "posting/sign_in.html", {"form": form}, status=422)
    for kind, key, _ in tries:
        throttle.take_back(kind, key)
    request.session.cycle_key()
    request.session[SESSION_KEY] = (sender.pk, senders.sign_in_mark(sender))
    return redirect("sender_posts")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def lost_password(request: HttpRequest) -> HttpResponse:
    """Ask the Chamber for a new password. The answer is the same whoever is a sender; no password comes by mail."""
    form = LostPasswordForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "posting/lost_password.html", {"form": form}, status=422 if form.errors else 200)
    network = throttle.network(request)
    counters = [("lost password/network", network, LOST_AN_HOUR)]
    if around := throttle.around(network):
        counters.append(("lost password/network", around, LOST_AROUND))
    counters.append(("lost password/all", "", LOST_IN_ALL))
    if not all(throttle.hit(kind, key, limit=limit, per=HOUR) for kind, key, limit in counters):
        return pages.too_many(request, retry_minutes=60)
    lostpasswords.receive(form.cleaned_data["address"])
    return redirect("lost_password_sent")


@never_cache
@require_safe
def lost_password_sent(request: HttpRequest) -> HttpResponse:
    """What happens next, for every address."""
    return render(request, "posting/lost_password_sent.html")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Forget the sign-in."""
    request.session.flush()
    return redirect("sender_sign_in")


@require_safe
@signed_in
def posts(request: HttpRequest, sender: Sender) -> HttpResponse:
    """The sender's posts, newest first."""
    page = Paginator(sender.posts.select_related("mailing_list"), POSTS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "posting/posts.html", {"sender": sender, "posts": page})


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def compose(request: HttpRequest, sender: Sender) -> HttpResponse:
    """Write a new draft. A form that is sent twice is one draft."""
    form = PostForm(request.POST or None, sender=sender, initial={"key": uuid.uuid4()})
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        post = submission.write(sender, data["mailing_list"], subject=data["subject"], body=data["body"], key=data["key"])
        return redirect("sender_post", pk=post.pk)
    return _compose_page(request, sender, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def edit(request: HttpRequest, sender: Sender, pk: int) -> HttpResponse:
    """Change a draft."""
    post = get_object_or_404(sender.posts, pk=pk)
    initial = {
        "mailing_list": post.mailing_list_id,
        "subject": post.subject,
        "body": post.body,
        "key": post.submission_key,
    }
    form = PostForm(request.POST or None, sender=sender, initial=initial)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        problem = submission.rewrite(post, data["mailing_list"], subject=data["subject"], body=data["body"])
        return _answer(request, post, problem, "Your changes are kept.")
    return _compose_page(request, sender, form, post)


@require_safe
@signed_in
def post_page(request: HttpRequest, sender: Sender, pk: int) -> HttpResponse:
    """One post: how it will look, where it is, and what the author can do now."""
    post = get_object_or_404(sender.posts.select_related("mailing_list", "sender"), pk=pk)
    is_draft = post.state == Post.State.DRAFT

    def address(position: int) -> str:
        return reverse("post_file", args=[post.pk, position])

    context = {
        "sender": sender,
        "post": post,
        "preview_from": copies.author_name(post),
        "preview_html": filepages.text(post, address),
        "files": filepages.listed(post, address),
        "reasons": post.reasons if post.state == Post.State.HELD else [],
        "counts": _counts(post),
        "may_edit": is_draft,
        "may_submit": is_draft,
        "may_test": is_draft or post.state == Post.State.HELD,
        "may_withdraw": post.state in Post.states_before(Post.State.WITHDRAWN),
    }
    return render(request, "posting/post.html", context)


@require_safe
@signed_in
def post_file(request: HttpRequest, sender: Sender, pk: int, position: int) -> HttpResponse:
    """A picture or a file of a post of one's own."""
    return filepages.file(get_object_or_404(sender.posts, pk=pk), position)


@require_POST
@signed_in
def submit(request: HttpRequest, sender: Sender, pk: int) -> HttpResponse:
    """Hand the draft to the Chamber."""
    post = get_object_or_404(sender.posts, pk=pk)
    problem = submission.submit(post, content_hash=request.POST.get("content_hash", ""))
    return _answer(request, post, problem and f"{problem} Your text is kept.", "Your message is with the Chamber.")


@require_POST
@signed_in
def withdraw(request: HttpRequest, sender: Sender, pk: int) -> HttpResponse:
    """Take it back."""
    post = get_object_or_404(sender.posts, pk=pk)
    return _answer(request, post, submission.withdraw(post), "Withdrawn. Nobody has received it.")


@require_POST
@signed_in
def test(request: HttpRequest, sender: Sender, pk: int) -> HttpResponse:
    """Mail a copy to the author alone."""
    post = get_object_or_404(sender.posts, pk=pk)
    if not throttle.hit("test copy", str(sender.pk), limit=TESTS_A_DAY, per=timedelta(days=1)):
        return _answer(request, post, f"That was your {TESTS_A_DAY}th test copy today; more tomorrow. Your message is kept.", "")
    submission.send_test_copy(post)
    return _answer(request, post, "", "A test copy is on its way to your contact address, and to nobody else.")


def _compose_page(request: HttpRequest, sender: Sender, form: PostForm, post: Post | None) -> HttpResponse:
    context = {"sender": sender, "form": form, "post": post, "max_length": MAX_BODY, "lists": sender.lists.all()}
    return render(request, "posting/compose.html", context, status=422 if form.errors else 200)


def _answer(request: HttpRequest, post: Post, problem: str, done: str) -> HttpResponse:
    if problem:
        messages.error(request, problem)
    else:
        messages.success(request, done)
    return redirect("sender_post", pk=post.pk)


def _counts(post: Post) -> list[tuple[str, int]]:
    """The copies in four groups; empty before there are any."""
    if post.audience is None:
        return []
    found = ledger.counts(post)
    return [(label, sum(found[state] for state in states)) for label, states in COUNTS]
