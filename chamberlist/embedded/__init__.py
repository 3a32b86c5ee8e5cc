"""Postgres, Valkey and a mail catcher out of Python packages, for the demo and the tests: never for production."""
