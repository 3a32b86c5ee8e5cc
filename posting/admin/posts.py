"""Senders and posts in the admin: what staff decide is a verb; no state and no text is edited."""

from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_safe

from chamberlist.adminpages import VerbAdmin, opened
from chamberlist.sealed import Unreadable
from posting import filepages
from posting.delivery import copies, gate, ledger
from posting.models import Post, Sender
from posting.moderation import moderation
from posting.submission import lostpasswords, senders
from subscriptions import addresses, known
from subscriptions.addresses import Address, BadAddress


class SenderForm(forms.ModelForm[Sender]):
    """A sender. The contact address is typed once: whoever has it afterwards is a new sender."""

    contact = forms.CharField(label="Contact address", max_length=320, widget=forms.EmailInput(attrs={"class": "vTextField"}))

    class Meta:
        model = Sender
        fields = ("name", "lists", "posts_a_day", "posts_a_month")
        widgets = {"lists": forms.CheckboxSelectMultiple}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            del self.fields["contact"]

    def clean_contact(self) -> Address:
        """A new address, that no other sender has."""
        try:
            contact = addresses.parse(self.cleaned_data["contact"])
        except BadAddress as error:
            raise forms.ValidationError(str(error)) from None
        if Sender.objects.filter(address_hash=contact.hash).exists():
            raise forms.ValidationError("There is a sender with this contact address.")
        return contact


@admin.register(Sender)
class SenderAdmin(VerbAdmin):
    """Approve a business, give it a password, take it away."""

    form = SenderForm
    list_display = ("name", "contact_address", "password_issued_at", "may_post")
    filter_vertical = ()
    change_form_template = "admin/posting/sender/change_form.html"
    verbs = {"revoke": "This sender can post no longer."}
    answering = ("issue",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("posting.add_sender")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request)

    def get_fields(self, request: HttpRequest, obj: Sender | None = None) -> tuple[str, ...]:
        contact = "contact_address" if obj else "contact"
        return ("name", contact, "lists", "posts_a_day", "posts_a_month")

    def get_readonly_fields(self, request: HttpRequest, obj: Sender | None = None) -> tuple[str, ...]:
        return ("contact_address",) if obj else ()

    @admin.display(description="contact address")
    def contact_address(self, sender: Sender) -> str:
        """The published contact of the business."""
        return opened(lambda: sender.address)

    @admin.display(boolean=True)
    def may_post(self, sender: Sender) -> bool:
        """Whether it can sign in."""
        return sender.revoked_at is None and bool(sender.password)

    def save_model(self, request: HttpRequest, obj: Sender, form: forms.ModelForm[Sender], change: bool) -> None:
        if change:
            obj.save(
                update_fields=["name", "posts_a_day", "posts_a_month"]
            )  # Never a password that was issued since the page was opened.
            return
        contact = form.cleaned_data["contact"]
        lists, limits = list(form.cleaned_data["lists"]), {"posts_a_day": obj.posts_a_day, "posts_a_month": obj.posts_a_month}
        sender, _ = senders.approve(contact, name=obj.name, lists=lists, by=request.user.get_username())
        Sender.objects.filter(pk=sender.pk).update(**limits)
        obj.pk = sender.pk
        obj.refresh_from_db()

    def render_change_form(
        self,
        request: HttpRequest,
        context: Any,
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Sender | None = None,
    ) -> HttpResponse:
        context["is_wanted"] = obj is not None and lostpasswords.wanted().filter(pk=obj.pk).exists()
        return super().render_change_form(request, context, add, change, form_url, obj)

    def response_add(self, request: HttpRequest, obj: Sender, post_url_continue: str | None = None) -> HttpResponse:
        return self.issue(request, obj)

    def issue(self, request: HttpRequest, sender: Sender) -> HttpResponse:
        """A new password, on the page that answers: a redirect would keep it in the session, which is in the database."""
        password = senders.issue_password(sender, by=request.user.get_username())
        context = {
            **self.admin_site.each_context(request),
            "title": f"A new password for {sender.name}",
            "opts": self.opts,
            "sender": sender,
            "password": password,
            "lists": sender.lists.all(),
            "sign_in": settings.SITE_URL + reverse("sender_sign_in"),
        }
        return TemplateResponse(request, "admin/posting/sender/password.html", context)

    def revoke(self, request: HttpRequest, sender: Sender) -> str:
        """No password any longer."""
        senders.revoke(sender, by=request.user.get_username())
        return ""


@admin.register(Post)
class PostAdmin(VerbAdmin):
    """What waits for a decision, and what became of the rest."""

    list_display = ("titled", "sender_name", "mailing_list", "state", "submitted_at", "audience")
    list_filter = ("state", "mailing_list")
    list_select_related = ("sender", "mailing_list")
    change_form_template = "admin/posting/post/change_form.html"
    verbs = {
        "accept": "Accepted. You can take it back until the first copy leaves.",
        "reject": "Rejected. The sender gets your reason by mail.",
        "discard": "Discarded, without a word to the sender.",
        "undo": "Taken back: it waits for a decision again.",
        "hurry": "It goes out now.",
        "recall": "Recalled: copies that have not left never will.",
        "thaw": "It goes on.",
        "resend": "The copies in doubt wait to be sent again.",
        "leave": "The copies in doubt stay as they are; that is on record.",
    }

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).exclude(state__in=(Post.State.DRAFT, Post.State.WITHDRAWN))

    def get_urls(self) -> list[URLPattern]:
        file = self.admin_site.admin_view(require_safe(self.file))
        return [path("<int:pk>/files/<int:position>/", file, name="posting_post_file"), *super().get_urls()]

    def file(self, request: HttpRequest, pk: int, position: int) -> HttpResponse:
        """A picture or a file of the post."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return filepages.file(get_object_or_404(self.get_queryset(request), pk=pk), position)

    @admin.display(description="subject")
    def titled(self, post: Post) -> str:
        """What it calls itself."""
        return opened(lambda: post.subject)

    @admin.display(description="sender", ordering="sender__name")
    def sender_name(self, post: Post) -> str:
        """The business."""
        return post.sender.name

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        post = self.get_object(request, object_id)
        context: dict[str, Any] = {**(extra_context or {})}
        if post is not None:
            counts = ledger.counts(post) if post.audience is not None else {}
            context |= {
                "titled": self.titled(post),
                "refusals": [(row, opened(partial(getattr, row, "excerpt"))) for row in post.refusals.all()],
                "counts": [(state.replace("_", " "), number) for state, number in counts.items() if number],
                "doubts": counts.get("in_doubt", 0) if post.state in (Post.State.SENDING, Post.State.DONE) else 0,
                "possible": {to for state, targets in Post.TRANSITIONS.items() if state == post.state for to in targets},
            }
            try:
                context |= self.content(request, post)
            except Unreadable:
                context["is_unreadable"] = True
        return super().change_view(request, object_id, form_url, context)

    def content(self, request: HttpRequest, post: Post) -> dict[str, Any]:
        """What it says, and of whom; raises ``Unreadable``."""

        def address(position: int) -> str:
            return reverse("admin:posting_post_file", args=[post.pk, position])

        strangers = gate.named(post) if post.state == Post.State.HELD else {}
        may_know = request.user.has_perm("posting.view_named_subscribers")
        return {
            "body": post.body,
            "html": post.html,
            "reject_reason": post.reject_reason,
            "body_html": filepages.text(post, address),
            "files": filepages.listed(post, address),
            "author": copies.author_name(post),
            "strangers": strangers,
            "subscribers": known.subscribers_among(strangers) if may_know else None,
        }

    def accept(self, request: HttpRequest, post: Post) -> str:
        """Of the content that was on the page."""
        data = request.POST
        return moderation.accept(
            post, content_hash=data.get("content_hash", ""), by=request.user.get_username(), allow=data.getlist("allow")
        )

    def reject(self, request: HttpRequest, post: Post) -> str:
        """With a reason for the author."""
        return moderation.reject(post, reason=request.POST.get("reason", ""), by=request.user.get_username())

    def discard(self, request: HttpRequest, post: Post) -> str:
        """Silently."""
        return moderation.discard(post, by=request.user.get_username())

    def undo(self, request: HttpRequest, post: Post) -> str:
        """Before the first copy."""
        return moderation.undo(post, by=request.user.get_username())

    def hurry(self, request: HttpRequest, post: Post) -> str:
        """Without the time to undo."""
        return moderation.hurry(post, by=request.user.get_username())

    def recall(self, request: HttpRequest, post: Post) -> str:
        """For good."""
        return moderation.recall(post, by=request.user.get_username(), reason=request.POST.get("reason", ""))

    def thaw(self, request: HttpRequest, post: Post) -> str:
        """After a check."""
        return moderation.thaw(post, by=request.user.get_username(), reason=request.POST.get("reason", ""))

    def resend(self, request: HttpRequest, post: Post) -> str:
        """The copies in doubt, on this person's word."""
        by, reason = request.user.get_username(), request.POST.get("reason", "")
        return moderation.resend_doubts(post, by=by, reason=reason)[1]

    def leave(self, request: HttpRequest, post: Post) -> str:
        """The copies in doubt, as they are."""
        by, reason = request.user.get_username(), request.POST.get("reason", "")
        return moderation.leave_doubts(post, by=by, reason=reason)[1]
