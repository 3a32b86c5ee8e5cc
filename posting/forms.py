"""The senders' forms."""

from typing import Any

from django import forms

from posting.models import Sender
from posting.submission.reading import MAX_BODY
from subscriptions.models import MailingList


class SignInForm(forms.Form):
    """Contact address and the Chamber's password. What is wrong with either is never said."""

    address = forms.CharField(
        label="Your contact e-mail address",
        max_length=320,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
        error_messages={"required": "Please type your contact address."},
    )
    password = forms.CharField(
        label="Password from the Chamber",
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={"required": "Please type the password that the Chamber gave you."},
    )


class LostPasswordForm(forms.Form):
    """Whatever is typed is taken: what is wrong with it is never said."""

    address = forms.CharField(
        label="Your contact e-mail address",
        max_length=320,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
        error_messages={"required": "Please type your contact address."},
    )


class PostForm(forms.Form):
    """Subject and text of a post, to one of the sender's lists."""

    mailing_list = forms.ModelChoiceField(label="List", queryset=MailingList.objects.none(), empty_label=None)
    subject = forms.CharField(
        label="Subject",
        max_length=200,
        help_text="One line that says what it is about.",
        error_messages={"required": "Please write a subject."},
    )
    body = forms.CharField(
        label="Your message",
        max_length=MAX_BODY,
        widget=forms.Textarea(attrs={"rows": 14}),
        help_text="Plain text. Leave an empty line between paragraphs; web addresses become links.",
        error_messages={
            "required": "Please write your message.",
            "max_length": f"This is longer than {MAX_BODY:,} characters. Please shorten it; what you wrote is still here.",
        },
    )
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, sender: Sender, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lists = self.fields["mailing_list"]
        assert isinstance(lists, forms.ModelChoiceField)
        lists.queryset = sender.lists.all()
