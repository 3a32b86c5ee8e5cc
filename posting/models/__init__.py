"""What posting keeps: who may post, what was posted, what became of each copy, and what came back."""

from posting.models.attachment import Attachment
from posting.models.conversation import Conversation, PassedMail
from posting.models.delivery import Delivery, DeliveryEvent, Lane
from posting.models.inbound import InboundMail
from posting.models.pace import Pace
from posting.models.post import Post
from posting.models.refusal import GateRefusal
from posting.models.sender import PasswordRequest, Sender

__all__ = [
    "Attachment",
    "Conversation",
    "Delivery",
    "DeliveryEvent",
    "GateRefusal",
    "InboundMail",
    "Lane",
    "Pace",
    "PassedMail",
    "PasswordRequest",
    "Post",
    "Sender",
]
