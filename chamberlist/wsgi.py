"""The WSGI entry point (gunicorn chamberlist.wsgi)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chamberlist.settings")

application = get_wsgi_application()
