"""Letters: what people write to the people who run the lists, and how these are told of it."""

from chamberlist import systemmail
from posting.inbound import room


def tell_staff() -> None:
    """That something new waits for them, once an hour; and that there is no room for more."""
    systemmail.alert(
        "mail for you",
        "A message waits to be read by you",
        "Somebody has written to an address that the people who run the lists read, such as postmaster or a list’s owner. On the "
        "staff pages, under “Inbound mail”, you can read it; it is kept for two weeks. There may be more than one: this is said "
        "once an hour.",
    )
    if room.has_no_room_for_letters():
        systemmail.alert(
            "no room for mail",
            "There is no room for more messages to you",
            "So many messages wait to be read by you that no more are taken: whoever writes is told to try again later, and mail "
            "servers do so for some days. On the staff pages, under “Inbound mail”, choose “For you to read”; if they are nothing "
            "but junk, discard them all.",
        )
