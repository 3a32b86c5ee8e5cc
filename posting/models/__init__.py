"""What posting keeps: who may post, what was posted, and what became of each copy."""

from posting.models.delivery import Delivery, DeliveryEvent, Lane
from posting.models.pace import Pace
from posting.models.post import Post
from posting.models.sender import Sender

__all__ = ["Delivery", "DeliveryEvent", "Lane", "Pace", "Post", "Sender"]
