# The image of the site, its worker, its clock and its door for mail. Build it with `docker compose build`; docs/production.md says how to run it.

FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements/base.txt /tmp/base.txt
# Every package must be the one that was pinned; none is built from source, so no compiler is needed.
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: --requirement /tmp/base.txt


FROM python:3.12-slim-bookworm AS run
ENV DJANGO_SETTINGS_MODULE=chamberlist.settings \
    PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STATE_DIR=/var/lib/chamberlist
RUN groupadd --system --gid 10001 chamberlist \
    && useradd --system --uid 10001 --gid chamberlist --home-dir /nonexistent --shell /usr/sbin/nologin chamberlist \
    && install --directory --owner chamberlist --group chamberlist --mode 0750 "$STATE_DIR"
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY manage.py ./
COPY chamberlist/ chamberlist/
COPY subscriptions/ subscriptions/
COPY posting/ posting/
COPY templates/ templates/
# The program belongs to root: the process that runs it cannot change it.
RUN python -m compileall -q chamberlist subscriptions posting
USER 10001:10001
# A page that names a missing file breaks the build, not the site. The keys are made for this one command and kept nowhere;
# the other values are never used. `migrate` in docker-compose.yml collects again into the volume that hides this folder.
RUN set -a && eval "$(python -m chamberlist.keys)" \
    && DATABASE_URL=postgres:///none REDIS_URL=redis://localhost/0 SMTP_URL=smtp://build SITE_URL=https://build.example \
       LIST_DOMAIN=build.example CHAMBER_NAME=build CHAMBER_POSTAL_ADDRESS=build CHAMBER_CONTACT=build@build.example \
       python manage.py collectstatic --noinput --verbosity 0
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["python", "-c", "import os; from urllib.parse import urlsplit; from urllib.request import Request, urlopen; urlopen(Request('http://127.0.0.1:8000/healthz', headers={'Host': urlsplit(os.environ['SITE_URL']).netloc}), timeout=5)"]
# One line a request would hold the tokens of members' links: no access log.
CMD ["gunicorn", "chamberlist.wsgi", "--logger-class", "chamberlist.weblog.RedactingLogger", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "4", "--preload", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
