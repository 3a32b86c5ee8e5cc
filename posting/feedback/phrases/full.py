"""Full: a mailbox without room, and a message that is too large for any."""

from posting.feedback.phrases.rows import CONTENT, POLICY, TRANSIENT, Row

TOO_LARGE: tuple[Row, ...] = (
    (
        TRANSIENT,
        r"mail ?(?:file|box|folder) (?:size )?(?:\w+ )?exceed",
        r"too much mail (?:data|in)",
        r"too many messages (?:on|in)\b",
    ),
    (
        CONTENT,
        (
            r"(?:message|mail|content|attachment|file|data|letter)(?:'s)?(?: (?!limit|count"
            r"|rate|file|box|quota|storage)\w+)?(?: size| length)?(?: is| was| of| has)?(?: \(?\d+\)?(?: bytes)?)? (?:too (?:big"
            r"|large|long)|exceed\w*(?![^.;]{0,20} (?:mail ?box|quota|messages)))"
        ),
    ),
    (
        CONTENT,
        r"(?:fixed|maximum|allowed) (?:maximum )?(?:message |mail )?size",
        r"message (?:size|length) (?:limit|exceed)",
        r"message size limits?",
        r"exceed\w* [^.;]{0,30}(?:message|mail) size",
        r"5\.3\.4\b",
    ),
    (
        CONTENT,
        r"(?:nachricht|mail|anhang)\b[^.;]{0,30}zu gro(?:ss|ß)",
        r"(?:message|courriel)\b[^.;]{0,20}(?:trop (?:volumineux|gros|grand|lourd))",
        r"demasiado grande",
        r"troppo grande",
        r"muito grande",
    ),
    (
        CONTENT,
        r"слишком больш",
        r"превышает (?:допустимый|максимальн)\w* размер",
        r"邮件(?:大小|太大|过大|超过)",
        r"サイズ(?:が|を)?[^。]{0,10}(?:大きすぎ|超え)",
    ),
)

FULL: tuple[Row, ...] = (
    (TRANSIENT, r"enough (?:\w+ )?(?:space|storage|room)", r"(?:mail )?system (?:is )?full", r"exceeding (?:\w+ )?limits?"),
    (
        POLICY,
        r"quota (?:of )?(?:messages|emails|mails)",
        r"(?:max|maximum|too many) (?:emails|messages|mails|connections|recipients|rcpt)",
        r"per (?:hour|day|minute|second)",
        r"rate.?limit",
        r"hourly",
    ),
    (
        TRANSIENT,
        r"over[- ]?quota",
        r"\bquota\b",
        r"overdrawn",
        r"exceeded[^.;]{0,20}storage",
        r"storage (?:limit|exceeded|allocation|is full|space)",
    ),
    (
        TRANSIENT,
        (
            r"(?:mail ?box|inbox|account|(?:mail ?)?folder|mail ?drop|maildir|mail file|user"
            r"|recipient|addr|storage|disk|box|store|file ?system)\b[^.;]{0,40}\b(?:full|exhausted"
            r"|too (?:large|big)|over (?:its|the|their|his|allowed|size|limit|maximum|\d)"
            r"|out of (?:storage|space|disk))\b"
        ),
    ),
    (
        TRANSIENT,
        (
            r"(?:mail ?box|inbox|account|folder|mail file|user|recipient)\b[^.;]{0,30}\bexceed\w*[^.;]{0,40}(?:size"
            r"|limit|space|storage|allow\w*|capacity|maximum)"
        ),
    ),
    (
        TRANSIENT,
        (
            r"(?:insufficient|not enough|no|low|lack of|out of|exceeded)(?: \w+){0,2} (?:storage"
            r"|space|room|disk|memory)\b"
        ),
        r"disk (?:is )?full",
        r"space (?:has been )?used up",
        r"no space left",
        r"full mail ?box",
        r"mail ?box size limit",
    ),
    (
        TRANSIENT,
        (
            r"(?:postfach|mailbox|speicher\w*|kontingent)\b[^.;]{0,40}\b(?:voll|uberfullt"
            r"|erreicht|erschopft|uberschritten|uberzogen)"
        ),
        r"nicht genug(?:end)? speicher",
    ),
    (
        TRANSIENT,
        r"(?:boite|messagerie|compte|bal)\b[^.;]{0,50}\b(?:pleine?|saturee?|remplie)",
        r"quota[^.;]{0,20}(?:depasse|atteint)",
        r"espace (?:disque )?insuffisant",
    ),
    (
        TRANSIENT,
        (
            r"(?:buzon|casilla|bandeja|cuenta|correo)\b[^.;]{0,60}\b(?:llen[oa]|excedid\w*"
            r"|supera\w*)"
        ),
        r"(?:cuota|cota|espacio)\b[^.;]{0,30}(?:excedid|superad|agotad|insuficiente)",
        r"sin espacio",
    ),
    (
        TRANSIENT,
        r"(?:casella|mailbox|spazio)\b[^.;]{0,50}\b(?:pien[ao]|esaurit\w+|superat\w+)",
        r"(?:caixa|conta)\b[^.;]{0,50}\b(?:chei[ao]|lotad[ao]|excedid\w+)",
        r"excedeu",
    ),
    (
        TRANSIENT,
        r"переполнен",
        r"превышен\w*[^.;]{0,30}(?:квот|лимит|объем|размер ящика)",
        r"ящик[^.;]{0,30}(?:полон|заполнен)",
        r"нет места",
        r"переповнен",
    ),
    (
        TRANSIENT,
        r"(?:邮箱|郵箱|信箱|空间|空間|容量|邮件箱)[^,。;]{0,10}(?:满|滿|不足|超)",
        r"(?:いっぱい|一杯|満杯)",
        r"容量(?:制限)?(?:を|が)?[^。]{0,6}(?:超|オーバ|不足)",
        r"용량",
        r"가득",
    ),
    (
        TRANSIENT,
        r"(?:postvak|mailbox)\b[^.;]{0,30}\bvol\b",
        r"skrzynk\w*[^.;]{0,40}(?:peln|przepeln|zapeln)",
        r"schrank\w*[^.;]{0,30}pln",
        r"(?:kota|kutusu)\b[^.;]{0,30}(?:dol|asil)",
        r"brevlada\w*[^.;]{0,30}full",
        r"postka\w*[^.;]{0,30}fuld",
        r"taynna",
        r"megtelt",
        r"betelt",
    ),
)
