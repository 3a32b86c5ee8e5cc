"""Natures: whether what arrived reports a failure, only a delay, or is no report at all: a vacation reply, a receipt, a challenge."""

import re

from chamberlist import parsing
from chamberlist.parsing import Parsed
from posting.feedback.notices import STATUS_KINDS, Notice

OPENING = 4_000  # Characters of a text that say what it is.

DAEMON = re.compile(
    r"mailer[-_ ]?daemon|post-?master|mdaemon|mail[ -]?delivery|maildaemon|mail ?system|system administrator|administrat(?:or|eur)|mail ?router|mailer@|bounce"
    r"|daemon@|smtp[-_ ]?(?:gateway|server)|mail ?server|mail ?administrator|undeliver|delivery (?:subsystem|agent|notification)|^\W*$",
    re.IGNORECASE,
)
FAILURE = re.compile(
    r"undeliver|un-deliver|non[- ]?deliver|not (?:be )?deliver|(?:un|not )successful|deliver\w* (?:has )?(?:fail\w*|error|problem|status|notification|report|incomplete)"
    r"|fail\w*[- ](?:mail|deliver|notice|message|permanently|report)|failure|returned (?:mail|e-?mail|message|to sender)|mail (?:system )?(?:error|fail)|(?:message|mail) (?:status|error|reject|block|bounce)"
    r"|bounce|rejected|could ?n.t (?:be )?(?:deliver|send|sent)|returning (?:message|mail)|user unknown|unknown (?:user|recipient|address)|mailbox (?:full|unavailable)|permanent(?:ly)? (?:fatal )?(?:error|fail)"
    r"|(?:could|did|can|was|were|has|have|is)(?: ?n.t| not|not) (?:yet )?(?:be |been |reach|get )?(?:deliver|sent|arrive|reach|accepted)|nicht (?:zugestellt|zustellbar|ausgeliefert|gesendet)|unzustellbar|zustell|fehlgeschlagen"
    r"|non (?:remis|delivr|distribu|consegn|recapit|livr)|echec|échec|impossible de|no (?:se )?(?:ha )?(?:pudo|podido|puede|entreg)|no entregad|fall[oó]|devuelt|devolvid|mancat|impossibile|n[aã]o (?:foi |p[oô]de )?(?:entreg|possível)|falha"
    r"|недостав|не (?:может|удалось|было|была|доставлен)|не достав|возвра|退信|退回|投递失败|无法投递|发送失败|無法|系统退信|配信(?:不能|できま|エラー)|届けられ|送信でき|エラー|반송|전송 실패|niet (?:bezorgd|afgeleverd)|onbestelbaar"
    r"|niedostarcz|nie (?:został|mo[zż])|nedoruč|iletileme|kunde inte|kunne ikke|olevererbar",
    re.IGNORECASE,
)
DELAY = re.compile(
    r"warning: (?:message|could ?n.t|could not|your)|warning message only|do(?:es)? not need to resend|no need to resend|need not resend|no action is (?:required|needed)|still (?:being (?:re)?tried|undelivered|trying|in the queue|attempting)"
    r"|not (?:yet )?been (?:able to (?:be )?)?deliver\w*[^.]{0,80}(?:yet|after|more than)|(?:not|n.t) yet (?:been )?deliver|deliver\w* (?:has been |was |is |will be |status notification \()?delay|delay(?:ed)? (?:mail|in deliver|deliver|notification)|delayed\b[^.]{0,30}hours"
    r"|will (?:keep|continue)(?: on)? (?:trying|to (?:try|be (?:re)?tried|attempt|retry|deliver))|attempts will continue|will (?:be )?(?:re-?tr(?:y|ied)|retried|retry|try again)|will be (?:re)?attempted|temporary (?:problem|delivery|error)[^.]{0,40}(?:deliver|retry)"
    r"|delivery incomplete|only a warning|retry(?:ing)? for (?:up to |another )?\d|verz[oö]ger|wird weiterhin versucht|weitere zustellversuche|retard[ée]?\b|diff[ée]r[ée]|sera retent|retrasad|demorad|se volver[aá] a intentar|ritard|atrasad|задерж|повторн\w+ попыт|延迟|延遲|正在重试|遅延|遅れ|지연|vertraag|opóźn",
    re.IGNORECASE,
)
# What says that it is over, whatever was tried before.
OVER = re.compile(
    r"giv(?:en|ing) (?:it )?up|not going to try|no (?:further|more) (?:attempts|retries|deliver)|will (?:not|no longer) (?:be )?(?:re-?tr|attempt|try)|failed permanently|permanent (?:error|fail|fatal)|(?:could|was|can)(?: not|not|n.t) (?:be )?deliver\w* (?:for|within|after) \d|has (?:now )?expired|been removed from the (?:mail )?queue|returning message to sender|retry time(?:out)? exceeded",
    re.IGNORECASE,
)
AWAY = re.compile(
    r"out[- ]of[- ](?:the[- ])?office|on (?:\w+ )?(?:vacation|holiday|leave)|vacation (?:reply|notice|message|response)|auto(?:matic|mated)?[- ]?(?:reply|response|respon|antwort)|away from (?:my|the) (?:mail|office|desk|e-?mail)|i(?: am|'m|’m| will be)(?: currently)? (?:away|out|on (?:leave|holiday|vacation|annual))"
    r"|abwesen|nicht im (?:büro|haus)|im urlaub|absence|absent|en cong[ée]|r[ée]ponse automatique|fuera de (?:la )?oficina|de vacaciones|respuesta autom|ausente|ausência|f[eé]rias|resposta autom|fuori (?:sede|ufficio)|in ferie|risposta automatica|assente|afwezig|automatisch antwoord"
    r"|нет в офисе|в отпуске|автоответ|автоматический ответ|自动回复|自動回覆|休假|外出中|不在|自動返信|自動応答|부재중|자동 응답|frånvarande|fraværende|urlopie|nieobecno|automatická odpověď|dovolen|otomatik yanıt",
    re.IGNORECASE,
)
RECEIPT = re.compile(
    r"^(?:read|not read|gelesen|lu|non lu|leído|letto|lido|прочитано|已读|開封済み|return receipt|read receipt|empfangsbestätigung)\s*[:(]|(?:your message|this is a (?:receipt|return receipt))[^\n]{0,200}(?:was (?:read|displayed|deleted without)|has been (?:read|displayed))",
    re.IGNORECASE,
)
CHALLENGE = re.compile(
    r"(?:confirm|verify)\w* (?:that )?you(?:'re| are)? (?:a |an |not a )?(?:real|human|person|spammer|legitimate|robot)|challenge[- ]?response|(?:your|this) (?:message|e-?mail)[^.]{0,60}(?:held|waiting|pending|queued|quarantine)[^.]{0,120}(?:confirm|approv|verif|click|reply|moderator)"
    r"|(?:click|reply|respond)[^.]{0,80}(?:to (?:release|deliver|verify|be (?:added|approved))|so that (?:it|your))|spam ?arrest|boxbe|sender verification required|please (?:reply to|confirm) this (?:message|e-?mail) (?:to|so)|tmda|one[- ]time (?:confirmation|verification)",
    re.IGNORECASE,
)
SUCCESS = re.compile(
    r"success(?:ful(?:ly)?)? (?:mail )?deliver|deliver\w* (?:report: )?(?:success|was successful)|(?:was|were|been) (?:successfully )?(?:delivered|relayed)\b(?! (?:because|for))[^.]{0,40}(?:success|to (?:the )?(?:mailbox|following|destination)|mail ?box)|status notification \((?:relay|success)\)",
    re.IGNORECASE,
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
