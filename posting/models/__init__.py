"""What posting keeps: who may post, what was posted, and what became of each copy."""

from posting.models.delivery import Delivery, DeliveryEvent, Lane
from posting.models.post import Post
from posting.models.sender import Sender

__all__ = ["Delivery", "DeliveryEvent", "Lane", "Post", "Sender"]
