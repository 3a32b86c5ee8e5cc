"""The form on a subscribe page."""

from django import forms

from subscriptions import addresses
from subscriptions.addresses import Address, BadAddress


class SubscribeForm(forms.Form):
    """One address, and a field that only robots fill in."""

    email = forms.CharField(
        label="Your e-mail address",
        max_length=320,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "inputmode": "email", "spellcheck": "false"}),
        error_messages={"required": "Please type your e-mail address."},
    )
    website = forms.CharField(
        label="Leave this empty",
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "tabindex": "-1"}),
    )

    def clean_email(self) -> Address:
        """The address itself, not its text."""
        try:
            return addresses.parse(self.cleaned_data["email"])
        except BadAddress as error:
            raise forms.ValidationError(str(error)) from None

    @property
    def is_from_a_robot(self) -> bool:
        """Whether the field that people cannot see is filled in."""
        return bool(self.cleaned_data.get("website"))
