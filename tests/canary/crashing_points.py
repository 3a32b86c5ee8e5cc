"""Which process of the site crashes where; see ``tests.canary.crashing``."""

WEB = ("a view that leaves", "a view that signs in", "a view that asks")
WORKER = ("a task", "a request", "the reader of mail", "a renderer", "a copy")
DOOR = ("the door",)
COMMAND = ("a command",)
