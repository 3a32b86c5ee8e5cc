"""The admin's pages of posting: importing them registers them."""

from posting.admin import mail, posts

__all__ = ["mail", "posts"]
