"""Natures: whether what arrived reports a failure or a delay, or is no report at all: a vacation reply, a receipt, a challenge."""

from chamberlist import parsing
from chamberlist.parsing import Parsed
from posting.feedback import phrases
from posting.feedback.notices import STATUS_KINDS, Notice

OPENING = 4_000  # Characters of a text that say what it is.

DAEMON = phrases.any_of(
    r"mailer[-_ ]?daemon",
    r"post-?master",
    r"mdaemon",
    r"mail[ -]?delivery",
    r"maildaemon",
    r"mail ?system",
    r"system administrator",
    r"administrat(?:or|eur)",
    r"mail ?router",
    r"mailer@",
    r"bounce",
    r"daemon@",
    r"smtp[-_ ]?(?:gateway|server)",
    r"mail ?server",
    r"mail ?administrator",
    r"undeliver",
    r"delivery (?:subsystem|agent|notification)",
    r"^\W*$",
)
FAILURE = phrases.any_of(
    r"undeliver",
    r"un-deliver",
    r"non[- ]?deliver",
    r"not (?:be )?deliver",
    r"(?:un|not )successful",
    r"deliver\w* (?:has )?(?:fail\w*|error|problem|status|notification|report|incomplete)",
    r"fail\w*[- ](?:mail|deliver|notice|message|permanently|report)",
    r"failure",
    r"returned (?:mail|e-?mail|message|to sender)",
    r"mail (?:system )?(?:error|fail)",
    r"(?:message|mail) (?:status|error|reject|block|bounce)",
    r"bounce",
    r"rejected",
    r"could ?n.t (?:be )?(?:deliver|send|sent)",
    r"returning (?:message|mail)",
    r"user unknown",
    r"unknown (?:user|recipient|address)",
    r"mailbox (?:full|unavailable)",
    r"permanent(?:ly)? (?:fatal )?(?:error|fail)",
    (
        r"(?:could|did|can|was|were|has|have|is)(?: ?n.t| not|not) (?:yet )?(?:be |been "
        r"|reach|get )?(?:deliver|sent|arrive|reach|accepted)"
    ),
    r"nicht (?:zugestellt|zustellbar|ausgeliefert|gesendet)",
    r"unzustellbar",
    r"zustell",
    r"fehlgeschlagen",
    r"non (?:remis|delivr|distribu|consegn|recapit|livr)",
    r"echec",
    r"échec",
    r"impossible de",
    r"no (?:se )?(?:ha )?(?:pudo|podido|puede|entreg)",
    r"no entregad",
    r"fall[oó]",
    r"devuelt",
    r"devolvid",
    r"mancat",
    r"impossibile",
    r"n[aã]o (?:foi |p[oô]de )?(?:entreg|possível)",
    r"falha",
    r"недостав",
    r"не (?:может|удалось|было|была|доставлен)",
    r"не достав",
    r"возвра",
    r"退信",
    r"未送达|传递失败|无法送达|未能送达|無法傳遞|未傳遞",
    r"退回",
    r"投递失败",
    r"无法投递",
    r"发送失败",
    r"無法",
    r"系统退信",
    r"配信(?:不能|できま|エラー)",
    r"届けられ",
    r"送信でき",
    r"エラー",
    r"반송",
    r"전송 실패",
    r"niet (?:bezorgd|afgeleverd)",
    r"onbestelbaar",
    r"niedostarcz",
    r"nie (?:został|mo[zż])",
    r"nedoruč",
    r"iletileme",
    r"kunde inte",
    r"kunne ikke",
    r"olevererbar",
)
DELAY = phrases.any_of(
    r"warning: (?:message|could ?n.t|could not|your)",
    r"warning message only",
    r"do(?:es)? not need to resend",
    r"no need to resend",
    r"need not resend",
    r"no action is (?:required|needed)",
    r"still (?:being (?:re)?tried|undelivered|trying|in the queue|attempting)",
    r"not (?:yet )?been (?:able to (?:be )?)?deliver\w*[^.]{0,80}(?:yet|after|more than)",
    r"(?:not|n.t) yet (?:been )?deliver",
    r"deliver\w* (?:has been |was |is |will be |status notification \()?delay",
    r"delay(?:ed)? (?:mail|in deliver|deliver|notification)",
    r"delayed\b[^.]{0,30}hours",
    (
        r"will (?:keep|continue)(?: on)? (?:trying|to (?:try|be (?:re)?tried|attempt|retry"
        r"|deliver))"
    ),
    r"attempts will continue",
    r"will (?:be )?(?:re-?tr(?:y|ied)|retried|retry|try again)",
    r"will be (?:re)?attempted",
    r"temporary (?:problem|delivery|error)[^.]{0,40}(?:deliver|retry)",
    r"delivery incomplete",
    r"only a warning",
    r"retry(?:ing)? for (?:up to |another )?\d",
    r"verz[oö]ger",
    r"wird weiterhin versucht",
    r"weitere zustellversuche",
    r"retard[ée]?\b",
    r"diff[ée]r[ée]",
    r"sera retent",
    r"retrasad",
    r"demorad",
    r"se volver[aá] a intentar",
    r"ritard",
    r"atrasad",
    r"задерж",
    r"повторн\w+ попыт",
    r"延迟",
    r"延遲",
    r"正在重试",
    r"遅延",
    r"遅れ",
    r"지연",
    r"vertraag",
    r"opóźn",
)
# What says that it is over, whatever was tried before.
OVER = phrases.any_of(
    r"giv(?:en|ing) (?:it )?up",
    r"not going to try",
    r"no (?:further|more) (?:attempts|retries|deliver)",
    r"will (?:not|no longer) (?:be )?(?:re-?tr|attempt|try)",
    r"failed permanently",
    r"permanent (?:error|fail|fatal)",
    r"(?:could|was|can)(?: not|not|n.t) (?:be )?deliver\w* (?:for|within|after) \d",
    r"has (?:now )?expired",
    r"been removed from the (?:mail )?queue",
    r"returning message to sender",
    r"retry time(?:out)? exceeded",
)
AWAY = phrases.any_of(
    r"out[- ]of[- ](?:the[- ])?office",
    r"on (?:\w+ )?(?:vacation|holiday|leave)",
    r"vacation (?:reply|notice|message|response)",
    r"auto(?:matic|mated)?[- ]?(?:reply|response|respon|antwort)",
    r"away from (?:my|the) (?:mail|office|desk|e-?mail)",
    (
        r"i(?: am|'m|’m| will be)(?: currently)? (?:away|out|on (?:leave|holiday|vacation"
        r"|annual))"
    ),
    r"abwesen",
    r"nicht im (?:büro|haus)",
    r"im urlaub",
    r"absence",
    r"absent",
    r"en cong[ée]",
    r"r[ée]ponse automatique",
    r"fuera de (?:la )?oficina",
    r"de vacaciones",
    r"respuesta autom",
    r"ausente",
    r"ausência",
    r"f[eé]rias",
    r"resposta autom",
    r"fuori (?:sede|ufficio)",
    r"in ferie",
    r"risposta automatica",
    r"assente",
    r"afwezig",
    r"automatisch antwoord",
    r"нет в офисе",
    r"в отпуске",
    r"автоответ",
    r"автоматический ответ",
    r"自动回复",
    r"自動回覆",
    r"休假",
    r"外出中",
    r"不在",
    r"自動返信",
    r"自動応答",
    r"부재중",
    r"자동 응답",
    r"frånvarande",
    r"fraværende",
    r"urlopie",
    r"nieobecno",
    r"automatická odpověď",
    r"dovolen",
    r"otomatik yanıt",
)
RECEIPT = phrases.any_of(
    (
        r"^(?:read|not read|gelesen|lu|non lu|leído|letto|lido|прочитано|已读|開封済み|return receipt"
        r"|read receipt|empfangsbestätigung)\s*[:(]"
    ),
    (
        r"(?:your message|this is a (?:receipt|return receipt))[^\n]{0,200}(?:was (?:read"
        r"|displayed|deleted without)|has been (?:read|displayed))"
    ),
)
CHALLENGE = phrases.any_of(
    (
        r"(?:confirm|verify)\w* (?:that )?you(?:'re| are)? (?:a |an |not a )?(?:real|human"
        r"|person|spammer|legitimate|robot)"
    ),
    r"challenge[- ]?response",
    (
        r"(?:your|this) (?:message|e-?mail)[^.]{0,60}(?:held|waiting|pending|queued|quarantine)[^.]{0,120}(?:confirm"
        r"|approv|verif|click|reply|moderator)"
    ),
    (
        r"(?:click|reply|respond)[^.]{0,80}(?:to (?:release|deliver|verify|be (?:added"
        r"|approved))|so that (?:it|your))"
    ),
    r"spam ?arrest",
    r"boxbe",
    r"sender verification required",
    r"please (?:reply to|confirm) this (?:message|e-?mail) (?:to|so)",
    r"tmda",
    r"one[- ]time (?:confirmation|verification)",
)
SUCCESS = phrases.any_of(
    r"success(?:ful(?:ly)?)? (?:mail )?deliver",
    r"deliver\w* (?:report: )?(?:success|was successful)",
    (
        r"(?:was|were|been) (?:successfully )?(?:delivered|relayed)\b(?! (?:because|for))[^.]{0,40}(?:success"
        r"|to (?:the )?(?:mailbox|following|destination)|mail ?box)"
    ),
    r"status notification \((?:relay|success)\)",
)


def is_report(message: Parsed, notice: Notice) -> bool:
    """Whether it says of a message of somebody's that it did not arrive."""
    if is_something_else(message, notice):
        return False
    if any(kind in notice.kinds for kind in STATUS_KINDS) or notice.fields or parsing.header(message, "X-Failed-Recipients"):
        return True
    subject, opening = parsing.header(message, "Subject"), notice.said[:OPENING]
    signs = (_is_from_daemon(message), _is_failure(subject), _is_failure(opening), bool(notice.returned))
    return sum(signs) >= 2


def is_something_else(message: Parsed, notice: Notice) -> bool:
    """Whether it is plainly no such report, wherever it was sent to: a receipt, a complaint, a vacation reply, a challenge."""
    if {
        "message/disposition-notification",
        "disposition-notification",
        "message/feedback-report",
        "feedback-report",
    } & notice.kinds:
        return True
    if notice.fields:
        return False
    subject, opening = parsing.header(message, "Subject"), notice.said[:OPENING]
    if parsing.header(message, "X-Failed-Recipients") and not AWAY.search(subject):
        return False
    if AWAY.search(subject) or RECEIPT.search(subject):
        return True
    is_plain = not _is_from_daemon(message) or not (_is_failure(subject) or _is_failure(opening))
    says_another = any(kind.search(opening) for kind in (AWAY, RECEIPT, CHALLENGE)) or CHALLENGE.search(subject)
    return is_plain and (bool(says_another) or _answers_by_itself(message))


def action(message: Parsed, notice: Notice) -> str:
    """What a report without fields for programs says was done (RFC 3464 section 2.3.3)."""
    subject, opening = parsing.header(message, "Subject"), notice.said[:OPENING]
    if SUCCESS.search(subject) or (SUCCESS.search(opening) and not _is_failure(opening)):
        return "delivered"
    if DELAY.search(subject) or (DELAY.search(opening) and not OVER.search(f"{subject}\n{opening}")):
        return "delayed"
    return "failed"


def _is_failure(text: str) -> bool:
    return FAILURE.search(text) is not None or DELAY.search(text) is not None


def _is_from_daemon(message: Parsed) -> bool:
    return DAEMON.search(parsing.header(message, "From")) is not None or parsing.header(message, "Return-Path") == "<>"


def _answers_by_itself(message: Parsed) -> bool:
    """RFC 3834, and what was used before it."""
    if _is_from_daemon(message):
        return False
    names = ("X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Auto-Response", "X-Vacation")
    submitted = parsing.header(message, "Auto-Submitted").lower()
    return submitted.startswith("auto-replied") or any(parsing.header(message, name) for name in names)
