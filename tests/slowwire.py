"""A network with a delay: whatever is sent through it arrives half a round trip later, in order, as on a long line."""

import asyncio
import threading
from contextlib import suppress
from typing import Self

BLOCK = 65536


class SlowWire:
    """Listens on a loopback port and passes everything on to another one, and back."""

    def __init__(self, to: int, *, round_trip: float) -> None:
        """``round_trip`` in seconds."""
        self.to, self.delay = to, round_trip / 2
        self.port = 0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="slow wire")

    def __enter__(self) -> Self:
        self.thread.start()
        self.server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._pass, "127.0.0.1", 0), self.loop).result(10)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _close(self) -> None:
        self.server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to)
        try:
            with suppress(asyncio.CancelledError):  # At the end of the test; Python 3.11 would write it down as a fault.
                await asyncio.gather(self._one_way(reader, far_writer), self._one_way(far_reader, writer))
        finally:
            for end in (writer, far_writer):
                end.transport.abort()

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Each block leaves when it has been under way for the delay, however many are under way."""
        loop = asyncio.get_running_loop()
        while block := await reader.read(BLOCK):
            loop.call_later(self.delay, writer.write, block)
        await asyncio.sleep(self.delay)
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()
