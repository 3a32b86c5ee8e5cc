"""The site's addresses."""

import anymail.urls
from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from chamberlist import pages, providers

handler400 = pages.bad_request
handler403 = pages.permission_denied
handler404 = pages.not_found
handler500 = pages.server_error

urlpatterns = [
    path("admin/", admin.site.urls),
    path("brand.css", pages.brand, name="brand"),
    path("favicon.ico", pages.favicon),
    path("healthz", pages.healthz, name="healthz"),
    path("", include("subscriptions.urls")),
    path("", include("posting.urls")),
]
if settings.EMAIL_PROVIDER:  # Its reports and its mail, and nothing else of what django-anymail could receive.
    urlpatterns.append(path("anymail/", include(providers.webhooks(settings.EMAIL_PROVIDER, anymail.urls.urlpatterns))))
if settings.DEMO_MAIL:
    urlpatterns.append(path("dev/mail/", include("chamberlist.embedded.mailpage")))
