"""What every answer of the site tells a browser, whoever made it; the rest of that stands in the settings."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# What the site never uses is switched off, for its own pages and for whatever they might be made to show.
UNUSED = (
    *("accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "fullscreen", "geolocation", "gyroscope"),
    *("magnetometer", "microphone", "midi", "payment", "picture-in-picture", "publickey-credentials-get", "screen-wake-lock"),
    *("serial", "usb", "xr-spatial-tracking"),
)
PERMISSIONS = ", ".join(f"{name}=()" for name in UNUSED)


def on_every_answer(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware, the outermost: no feature that is not used, and no cache but for what says that it may be kept.

    Where the address is the permission, no other site is told it, and no search engine keeps it, whatever the answer is: an error
    page has links as well, and a token that is forged here may be one in which a letter went wrong.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        response.headers.setdefault("Cache-Control", "no-store")
        if request.resolver_match is not None and "token" in request.resolver_match.kwargs:
            response["Referrer-Policy"] = "no-referrer"
            response["X-Robots-Tag"] = "noindex"
        return response

    return answer
