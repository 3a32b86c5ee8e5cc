"""An exchange with a provider over HTTP: one request, one response. It owns the moment in which the request begins to leave.

``requests`` connects, encrypts and writes in one call. What may leave is asked between the connecting and the writing, so that a
slow network makes no old permission good; and from then on, until a response is read, the copy is in doubt.
"""

import math
import time
from collections.abc import Callable
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager

IDLE = 5.0  # Seconds after which a provider may hang up: a connection older than that is not written to.


class Stopped(Exception):
    """The copy may not leave. Nothing of the request was written."""


class Exchange(HTTPAdapter):
    """One copy at a time. ``is_written``: its request has begun to leave; ``response``: what came back, if anything did."""

    def __init__(self) -> None:
        self.is_written = False
        self.response: Response | None = None
        self._may_leave: Callable[[], bool] = lambda: False
        self._used_at = -math.inf
        pools = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
        self._pools = {scheme: _asking(pool, self._begin) for scheme, pool in pools.items()}
        super().__init__(max_retries=0)  # A second try would be a second copy.

    def carry(self, session: Session) -> None:
        """Carry all requests of this session, and follow no redirection: it would be a second request."""
        session.mount("http://", self)
        session.mount("https://", self)
        session.max_redirects = 0

    def expect(self, may_leave: Callable[[], bool]) -> None:
        """The next request is for another copy: ``may_leave`` says, or waits until it can say, whether it may leave."""
        if time.monotonic() - self._used_at > IDLE:
            self.close()
        self.is_written, self.response, self._may_leave = False, None, may_leave

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make connections that ask."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> ProxyManager:
        """The same through a proxy."""
        manager: ProxyManager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        """Write the request, and read the head of the response."""
        assert not self.is_written, "one request a copy"
        self.response = super().send(request, *args, **options)
        self._used_at = time.monotonic()
        return self.response

    def _begin(self) -> None:
        if not self._may_leave():
            raise Stopped
        self.is_written = True


def _asking(pool: type[HTTPConnectionPool], begin: Callable[[], None]) -> type[HTTPConnectionPool]:
    """A pool whose connections ask once they are open, just before they write."""

    class Connection(pool.ConnectionCls):  # type: ignore[misc, name-defined]
        def request(self, *args: Any, **options: Any) -> None:
            if self.sock is None:
                self.connect()
            begin()
            super().request(*args, **options)

    class Pool(pool):  # type: ignore[misc, valid-type]
        ConnectionCls = Connection

    return Pool
