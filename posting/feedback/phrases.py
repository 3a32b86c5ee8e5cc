"""Phrases: what mail systems say of a copy that did not arrive, and whose fault that is.

Each table is read from its top; the first row that matches decides. The words are compared as ``causes`` prepares them: lower case,
without accents, addresses as ``addr``, host names and links gone, and before them the enhanced status. A provider that says one
thing by its status and means another stands in ``EXCEPTIONS``.
"""

MAILBOX, TRANSIENT, POLICY, CONTENT, UNKNOWN = "mailbox", "transient", "policy", "content", "unknown"

Row = tuple[str, ...]  # A cause, and the patterns that mean it.

# Who or what a mailbox is called, and what may stand between that and what is said of it.
WHO = (
    r"(?:users?(?:name|id)?|recipients?|mail ?box(?:es)?|accounts?|addr(?:ess(?:es)?|essee)?|subscriber|login|alias(?:es)?|member|inbox"
    r"|customer|rcpt|e-?mail(?: (?:address|account|id))?|destination|local[ -]?part|screen ?name|person|employee|student|resolver\.\w+)"
)
GAP = r"(?:[^\w.;]+(?:\w+['’]?\w*[^\w.;]+){0,5}?|[^\w;]{1,6})"
KIND = (
    r"(?:(?:local|virtual|remote|e-?mail|mail|final|original|destination|delivery|recipient'?s?|smtp|to"
    r"|or illegal|or invalid|or unknown|or inactive)[ -]+)*"
)

EXCEPTIONS: tuple[Row, ...] = (
    # Exchange Online, whose 5.4.1 is an edge that knows its recipients; its 5.7.x and 4.4.x names are plain.
    (
        MAILBOX,
        r"5\.4\.1\b.*(?:access denied|as\(20|rejected)",
    ),
    (
        MAILBOX,
        r"resolver\.adr\.(?:ex)?recip\w*notfound",
        r"recipientnotfound",
        r"recipnotfound",
        r"5\.1\.351\b",
        r"5\.4\.310\b",
        r"infodomainnonexistent",
    ),
    (
        TRANSIENT,
        r"quotaexceeded",
        r"mailboxfull",
        r"storedrv\S*full",
    ),
    (
        MAILBOX,
        r"accountdisabled",
        r"mailboxdisabled",
    ),
    (
        CONTENT,
        r"recipsizelimit",
        r"sendsizelimit",
    ),
    (
        TRANSIENT,
        r"recipientthreshold",
        r"mailboxunavailableexception",
        r"storedrv\S*(?:timeout|deadlock|throttl)",
    ),
    (
        POLICY,
        r"resolver\.rst\.",
        r"transport\.rules",
        r"approval\.",
        r"notauthori[sz]ed",
        r"sendernotauthenticated",
        r"5\.7\.(?:5|6|7)\d\d\b",
    ),
    (
        TRANSIENT,
        r"queue\.expired",
        r"5\.4\.(?:300|31[2-9])\b",
        r"hop count",
        r"5\.4\.(?:6|14)\b",
    ),
    # Gmail says with one status that an account is closed, and that it gets too much mail.
    (
        TRANSIENT,
        r"receiving mail (?:at a rate|too quickly)",
        r"rate that prevents",
        r"p=receivingrate",
    ),
    (
        TRANSIENT,
        r"p=overquota",
        r"out of storage space",
    ),
    (
        MAILBOX,
        r"p=(?:nosuchuser|disableduser|nullmx|baddomain)",
    ),
    # Yahoo and AOL: codes in brackets, and rate limits with the words of a passing trouble.
    (
        POLICY,
        r"\[(?:bl|ph|sp|gl|ts|tss|pr|cf|rp|nf|sg|av)\d\d\]",
        r"\((?:rly|rtr|cnt|con|dyn|hvu|dnsbl)[:\w]+\)",
    ),
    (
        POLICY,
        r"user complaints",
        r"unexpected volume",
        r"excessive(?:ly)? (?:\w+ )?volume",
    ),
    # Orange and SFR put a number behind what they say in two languages.
    (
        MAILBOX,
        r"ofr_?(?:\d{3}_)?(?:416|102)\b",
    ),
    (
        TRANSIENT,
        r"ofr_?(?:\d{3}_)?(?:417|103)\b",
    ),
    (
        POLICY,
        r"ofr_?(?:\d{3}_)?(?:5\d\d|99\d|104|10[5-9]|4[0-1]\d)\b",
        r"lpn\d{3}",
    ),
    # 163, 126 and QQ.
    (
        POLICY,
        r"\b(?:mi|dt|rp|im|hl|ct|pd):[a-z]{2,4}\b",
        r"frequency limited",
        r"bounce attack",
    ),
    # Sent to many that are not there, or listed by the recipient: about us, whatever the status.
    (
        POLICY,
        (
            r"(?:too many|many|number of) (?:invalid|unknown|bad|non-?exist\w+|failed|nonexistent) (?:rcpt"
            r"|recipient|user|address)"
        ),
        r"harvest",
        r"dictionary attack",
    ),
    (
        POLICY,
        r"badrecipient",
        r"badmailfrom",
        r"bad ?rcptto",
        r"recipient (?:is )?not authori[sz]ed",
        r"policy rejection",
    ),
    # Amazon's own list of addresses that failed.
    (
        MAILBOX,
        r"suppressed sending to this address",
        r"on the (?:account )?suppression list",
    ),
    # Relaying: either side may have it wrong, and neither says which.
    (
        UNKNOWN,
        r"relay(?:ing)? (?:access )?(?:is |was )?(?:denied|not (?:permitted|allowed)|prohibited)",
        r"unable to relay",
        r"(?:not|n't) relay",
        r"allowed rcpthosts",
        r"relaying mail",
    ),
)

# What is said of us, so that "unknown" in it is no word about the recipient.
SENDER: tuple[Row, ...] = (
    (
        POLICY,
        (
            r"sender'?s? (?:\w+ ){0,2}(?:rejected|denied|refused|unknown|invalid|verif\w*"
            r"|blocked|not (?!to )\w+|(?:does|could) not|unauthenticated|is )"
        ),
    ),
    (
        POLICY,
        r"(?:unknown|invalid|bad|unverified|forged|spoofed|unauthenticated|blocked|illegal) sender",
        r"domain of (?:the )?sender",
        r"sending domain",
    ),
    (
        POLICY,
        r"sender addr\w* (?:addr )?(?:does not|doesn't|not|rejected)",
        r"(?:verification|verify) failed",
        r"call(?:back|out)",
        r"from addr\w* (?:is|does|has|not)",
    ),
    (
        POLICY,
        r"reverse (?:dns|hostname|lookup|name)",
        r"rdns",
        r"\bptr\b",
        r"\bhelo\b",
        r"\behlo\b",
        r"envelope (?:sender|from)",
        r"return[- ]path",
    ),
)

# It was tried, or may be tried again: whatever else is said, the recipient may well exist.
PASSING: tuple[Row, ...] = (
    (
        TRANSIENT,
        r"gr[ae]y[- ]?list",
        r"gr[ae]ylisting",
        r"postgrey",
        r"come back (?:in|later)",
    ),
    (
        TRANSIENT,
        r"retry time(?:out)?\b",
        r"(?:message|delivery(?: time)?|mail|queue) (?:has )?expired",
        r"message too old",
        r"too long in (?:the )?queue",
        r"been in the queue too long",
    ),
    (
        TRANSIENT,
        r"could not be delivered (?:for|after|within) (?:more than |over )?\d",
        r"(?:unable|not able) to deliver (?:in|after|within|for) \d",
        r"failing for a long time",
    ),
    (
        TRANSIENT,
        r"unverified address",
        r"verification in progress",
        r"address verification (?:failed|is)",
        r"host not found, try",
    ),
    (
        TRANSIENT,
        r"(?:try|retry|again|resend|attempt)\w* (?:it )?(?:\w+ )?(?:later|in a few|in \d)",
        r"please (?:try|retry) later",
    ),
    (
        TRANSIENT,
        r"temporar\w+ (?!block|bann|black|denied by)",
        r"tempfail",
        r"transient",
        r"deferred",
        r"not (?:yet )?ready",
    ),
    (
        TRANSIENT,
        r"loop(?:s|ing|ed)?\b",
        r"too many (?:hops|\"?received)",
        r"delivered-to line",
        r"best-preference mx",
    ),
    (
        TRANSIENT,
        (
            r"(?:connection|connect|network|host|operation|session|read|write|server|conversation)\b[^.;]{0,60}\b(?:timed[ -]?out"
            r"|time-?out|refused|reset|unreachable|dropped|lost)"
        ),
    ),
    (
        TRANSIENT,
        r"lost connection",
        r"connection (?:died|closed|aborted|dropped|was)",
        r"connect to \S* ?:? ",
        r"could not connect",
        r"(?:not|n't) able to establish",
        r"no route to host",
        r"servfail",
    ),
    (
        TRANSIENT,
        (
            r"(?:name ?server|dns|domain name)\b[^.;]{0,40}(?:time-?out|timed out|failure"
            r"|error looking|temporar|query failed)"
        ),
        r"lookup (?:failed|failure|timed out)",
        r"unable to lookup dns",
    ),
    (
        TRANSIENT,
        r"did not accept our requests to connect",
        (
            r"(?:system|server|service|resource)s? (?:is |are )?(?:too )?(?:busy|overload\w*"
            r"|shutting|down)\b"
        ),
    ),
    (
        TRANSIENT,
        r"internal (?:server )?error",
        r"local (?:configuration )?(?:error|problem) in processing",
        r"resources? (?:temporarily )?(?:low|unavailable)",
        r"i/o error",
        r"read-only file system",
    ),
    (
        TRANSIENT,
        r"spater (?:noch ?(?:ein)?mal|erneut|wieder)",
        r"voruberg",
        r"zeituberschreitung",
        r"plus tard",
        r"temporairement",
        r"mas tarde",
        r"temporalmente",
        r"piu tardi",
        r"temporaneamente",
        r"mais tarde",
    ),
    (
        TRANSIENT,
        r"позже",
        r"временно",
        r"稍后",
        r"稍後",
        r"暂时",
        r"しばらく",
        r"後ほど",
        r"一時的",
        r"나중에",
        r"later opnieuw",
        r"pozdeji",
        r"pozniej",
        r"daha sonra",
    ),
)

TOO_LARGE: tuple[Row, ...] = (
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

NOT_THERE = (
    r"(?:un(?:known|recogni[sz]ed|deliverable|assigned)"
    r"|not (?:be )?(?:currently |yet )?(?:a )?(?:found|exist\w*|known|valid|recogni[sz]ed|listed|present|registered|active|activated|in use"
    r"|on this|hosted|local|in (?:the|our)|our|locat\w*|resolved|match\w*)"
    r"|(?:does|do|did)(?: not|n't|nt|n t) (?:\w+ )?(?:exist|appear|have|match)"
    r"|no longer (?:\w+ )?(?:exist\w*|valid|active|available|in (?:use|service)|accept\w*|with|works?|here|at|on|used|monitored|receiv\w*)"
    r"|in(?:valid|active|correct|existent)"
    r"|(?:been |is |was |account |mailbox )?(?:disabled|deactivated|deleted|removed|closed|terminated|suspended|cancell?ed|discontinued"
    r"|expired|moved|retired|decommissioned|replaced by)"
    r"|non-?exist[ae]nt|isn't|doesn't exist|wasn't found|couldn't be found|left (?:the )?(?:company|organi[sz]ation))"
)

GONE: tuple[Row, ...] = (
    (
        MAILBOX,
        (
            rf"(?:unknown|invalid|no such|non-?exist[ae]nt|nonexisting|unrecogni[sz]ed|undeliverable"
            rf"|inactive|disabled|illegal|expired|terminated|closed|deleted|incorrect|wrong"
            rf"|not an? (?:valid|known|existing|active|local)|no valid|no known|bad) {KIND}{WHO}\b(?! error)"
        ),
    ),
    (
        MAILBOX,
        rf"\b{WHO}\b{GAP}{NOT_THERE}\b",
    ),
    (
        MAILBOX,
        (
            r"no (?:\w+ )?(?:mail ?box|account|user|recipient|such (?:\w+ )?(?:user|person"
            r"|one|name|mailbox|address|recipient|account|alias|domain|host))\b(?! (?:verif"
            r"|auth))"
        ),
        r"not our customer",
        r"no one (?:here )?by that name",
        r"does(?:n't| not) have an? [^.;]{0,40}account",
    ),
    (
        MAILBOX,
        r"user not local",
        r"user (?:has )?moved",
        r"mailbox has moved",
        r"never logged",
        r"has not been activated",
        r"no longer accepts? mail",
        r"there is no",
        r"nobody here",
        r"address (?:you )?(?:entered|typed)[^.;]{0,40}(?:found|exist)",
    ),
    (
        MAILBOX,
        r"unrout(?:e)?able (?:mail )?(?:address|addr|domain)",
        r"unrouteable",
        r"cannot be found in",
        (
            r"(?:could not|couldn't|cannot|can't|unable to) find (?:the |your |a |any )?(?:user"
            r"|recipient|mail ?box|account|addr|domain|host|mail exchanger)"
        ),
    ),
    (
        MAILBOX,
        (
            r"(?:unknown|no such|bad|illegal|invalid|non-?exist[ae]nt) (?:host|domain|destination"
            r"|system)(?! error)"
        ),
        (
            r"(?:host|domain)\b[^.;]{0,40}(?:unknown|(?:not|n't) (?:be )?(?:found|exist\w*"
            r"|known|accept \w*mail)|name not found|does ?n.?o?t exist|invalid|non-?exist[ae]nt)"
        ),
    ),
    (
        MAILBOX,
        r"nxdomain",
        r"name or service not known",
        r"null ?mx",
        r"no smtp service",
        r"does not accept mail",
        r"non-?existent hosts",
        r"no (?:valid |usable )?mx",
        r"had no relevant answers",
        r"no mail server",
        r"host has no",
        r"mx (?:record )?\(?points? to (?:localhost|127)",
    ),
    (
        MAILBOX,
        (
            r"(?:benutzer|empfanger\w*|adresse|nutzer|postfach|konto|teilnehmer|mailadresse"
            r"|anwender|kunde|e-mail-adresse)\b[^.;]{0,60}(?:unbekannt|existier\w* nicht|nicht (?:\w+ )?(?:bekannt"
            r"|gefunden|vorhanden|existier\w*|gultig|mehr|verfugbar|vergeben|erreichbar|ermittelt)"
            r"|ungultig|deaktiviert|geloscht|gesperrt|stillgelegt|falsch)"
        ),
        r"(?:unbekannter?|ungultiger?|kein) (?:benutzer|empfanger|adresse|nutzer|postfach)",
        r"gibt es nicht",
    ),
    (
        MAILBOX,
        (
            r"(?:utilisateur|destinataire|adresse|boite|compte|abonne|messagerie)\b[^.;]{0,60}(?:inconnue?"
            r"|inexistante?|invalide|introuvable|n.? ?existe|desactivee?|fermee?|supprimee?"
            r"|cloturee?|resiliee?|erronee?|non trouvee?|n.a pas ete trouve|suspendue?|bloquee?)"
        ),
        r"aucun (?:utilisateur|destinataire|abonne)",
    ),
    (
        MAILBOX,
        (
            r"(?:usuari[oa]|destinatari[oa]|buzon|casilla|cuenta|direccion|correo|cuentas?"
            r"|contas?|caixa|endereco|e-?mail|mailbox|recebedor)\b[^.;]{0,60}(?:desconocid\w*"
            r"|desconhecid\w*|inexistente|inval(?:id[oa])|no (?:\w+ )?(?:exist\w*|encontrad\w*"
            r"|valid[oa]|se encontro|encontro|es valid\w*|registrad\w*)|nao (?:\w+ )?(?:exist\w*"
            r"|encontrad\w*|localizad\w*|valid\w*)|deshabilitad\w*|desactivad\w*|desativad\w*"
            r"|inactiv[oa]|inativ[oa]|cancelad\w*|bloquead\w*|eliminad\w*|suspens\w*|suspendid\w*)"
        ),
        r"no existe",
        r"nao existe",
    ),
    (
        MAILBOX,
        (
            r"(?:utente|casella|indirizzo|destinatario|account|mailbox)\b[^.;]{0,60}(?:sconosciut\w*"
            r"|inesistente|non (?:\w+ )?(?:esiste|trovat\w*|valid\w*|attiv\w*|disponibile"
            r"|riconosciut\w*)|disabilitat\w*|disattivat\w*|sospes\w*|chius\w*|scadut\w*|cessat\w*"
            r"|errat\w*)"
        ),
        r"dominio (?:inesistente|no encontrado|non trovato|nao encontrado|no existe)",
    ),
    (
        MAILBOX,
        (
            r"(?:пользовател\w*|получател\w*|адресат\w*|адрес\w*|ящик\w*|аккаунт\w*|учетн\w*"
            r"|користувач\w*|скринь\w*|домен\w*)[^.;]{0,50}(?:не (?:\w+ )?(?:наиден\w*|существует"
            r"|зарегистрирован\w*|обнаружен\w*|знаид\w*|iснує|існує|активен)|нет\b|неизвест\w*"
            r"|невiдом|отключен|заблокирован|удален|неактивен|недоступен)"
        ),
        r"нет так(?:ого|ои)",
        r"такого (?:пользователя|адреса|ящика)",
        r"неизвестн\w+ (?:пользовател|получател|адрес)",
    ),
    (
        MAILBOX,
        (
            r"(?:用户|用戶|收件人|邮箱|郵箱|信箱|地址|账户|帐户|账号|帐号|帳號|域名|邮件地址|使用者)[^,。;]{0,12}(?:不存在|无效|無效"
            r"|未找到|找不到|不正确|错误|停用|禁用|冻结|注销|未激活|不可用)"
        ),
        r"(?:不存在|没有|沒有|无此|無此|找不到|无效的?|未知)(?:该|的|此|这个|該)*(?:用户|用戶|收件人|邮箱|地址|账户|帐号|使用者)",
        r"查无此",
    ),
    (
        MAILBOX,
        (
            r"(?:ユーザー?|宛先|あて先|受信者|アドレス|メールボックス|アカウント|ドメイン)[^。]{0,20}(?:存在(?:し|せ|い)|見つか(?:り"
            r"|ら)|不明|無効|ありません|間違|誤|停止|使われて)"
        ),
        r"宛先不明",
        r"あて先不明",
        r"(?:사용자|수신자|주소|메일함|계정)[^.]{0,15}(?:존재하지|찾을 수 없|없습니다|없는)",
    ),
    (
        MAILBOX,
        (
            r"(?:gebruiker|ontvanger|adres|postvak|geadresseerde|mailbox|mottagar\w*|anvandar\w*"
            r"|adress\w*|modtager\w*|bruger\w*|bruker\w*|mottaker\w*)\b[^.;]{0,50}(?:bestaat niet"
            r"|niet (?:gevonden|bekend|bestaa\w*)|onbekend\w*|ongeldig|finns inte|findes ikke"
            r"|finnes ikke|okand|ukendt|ukjent|hittades inte|eksisterer ikke|ogiltig|ugyldig)"
        ),
        r"onbekende (?:gebruiker|ontvanger)",
        r"okand (?:anvandare|mottagare)",
    ),
    (
        MAILBOX,
        r"nie (?:istnieje|znaleziono)",
        r"nieznany (?:uzytkownik|adresat|odbiorca)",
        r"brak takie\w*",
        r"neexistuje",
        r"neznam\w* (?:uzivatel|prijemce|adresat)",
        r"uzivatel\w* [^.;]{0,20}nenalezen",
        r"bulunamadi",
        r"mevcut degil",
        r"gecersiz (?:alici|adres|kullanici)",
        r"nem letezik",
        r"ismeretlen",
        r"ei ole olemassa",
        r"tuntematon",
        r"nu exista",
        r"ne postoji",
        r"δεν υπαρχει",
        r"αγνωστος",
        r"לא קיים",
        r"غير موجود",
        r"khong ton tai",
        r"tidak (?:ditemukan|ada|dikenal)",
    ),
)

REFUSED: tuple[Row, ...] = (
    (
        CONTENT,
        r"(?<!for )virus(?:es)? (?!scan|free)",
        r"virus\W*$",
        r"malware",
        r"infected",
        r"trojan",
        r"phish\w*[^.;]{0,10}(?:link|url)",
    ),
    (
        CONTENT,
        (
            r"(?:illegal|blocked|banned|forbidden|prohibited|dangerous|executable|unsafe|restricted"
            r"|encrypted) (?:\w+ )?(?:attachment|file)"
        ),
        r"(?:illegal|banned|forbidden|prohibited) content",
        (
            r"attachments?(?: \S+){0,3} (?:is |are |was |were )?(?:not|blocked|rejected|banned"
            r"|type|removed|extension|name)"
        ),
        r"blocked the (?:file )?attachment",
        r"potential(?:ly)? (?:\w+ )?(?:security issue|executable|dangerous)",
    ),
    (
        CONTENT,
        r"body type",
        r"bare (?:lf|cr)",
        r"malformed",
        r"corrupt",
        r"data format",
        r"invalid (?:header|mime|message)",
        r"8-?bit (?:data|content|mime|char)",
        r"smtputf8",
        r"not (?:rfc|compliant)",
        r"rfc ?(?:2822|5322)",
        r"duplicate header",
        r"conversion (?:required|prohibited|not|fail)",
        r"line too long",
    ),
    (
        POLICY,
        r"spam",
        r"\buce\b",
        r"\bube\b",
        r"unsolicited",
        r"bulk mail",
        r"junk",
        r"black ?list",
        r"block ?list",
        r"\brbl\b",
        r"dnsbl",
        r"\brbl",
        r"spamhaus",
        r"spamcop",
        r"sorbs",
        r"surbl",
        r"barracuda",
        r"cloudmark",
        r"senderscore",
        r"sender ?base",
        r"trustedsource",
        r"reputation",
    ),
    (
        POLICY,
        r"dmarc",
        r"\bspf\b",
        r"dkim",
        r"authenticat",
        r"unauthori[sz]ed",
        r"not authori[sz]ed",
        r"authori[sz]ation",
        r"access (?:is )?denied",
        r"banned",
        r"block(?:ed|ing)?\b",
        r"polic(?:y|ies)",
        r"prohibit",
        r"restrict",
        r"forbidden",
        r"not (?:permitted|accepting mail from)",
        r"complaint",
    ),
    (
        POLICY,
        r"rate limit",
        r"throttl",
        r"too many",
        r"too (?:fast|quickly|much mail)",
        r"slow down",
        r"exceeded[^.;]{0,40}(?:limit|rate|connections|messages)",
        r"frequen",
        r"certificate",
        r"starttls",
        r"encryption",
        r"\btls\b",
    ),
    (
        POLICY,
        r"suspicio",
        r"suspected",
        r"abus(?:e|ive)",
        r"filter",
        r"content (?:rejected|denied|filter|scan)",
        r"administrative",
        r"confirm that you",
        r"whitelist",
        r"white list",
        r"not accept(?:ed)?[^.;]{0,20}(?:traffic|ip)",
        r"permission",
        r"mail(?:s)? (?:from|by) [^.;]{0,30}(?:rejected|refused|not)",
    ),
    (
        POLICY,
        r"wegen spam",
        r"spamverdacht",
        r"richtlinie",
        r"abgelehnt",
        r"gesperrt",
        r"blockiert",
        r"refusee?",
        r"rejetee?",
        r"politique",
        r"indesirable",
        r"rechazad\w+",
        r"bloquead\w+",
        r"politica",
        r"no deseado",
        r"rifiutat\w+",
        r"bloccat\w+",
        r"rejeitad\w+",
        r"спам",
        r"отклонен",
        r"черн\w* спис",
        r"垃圾",
        r"黑名单",
        r"拒绝",
        r"拒絕",
        r"频率",
        r"迷惑メール",
        r"受信拒否",
        r"拒否",
        r"スパム",
        r"스팸",
        r"차단",
        r"geweigerd",
        r"odrzucon\w+",
        r"odmitnut",
        r"reddedildi",
    ),
)

# Weaker signs of a passing trouble than any reason that is given.
LATER: tuple[Row, ...] = (
    (
        TRANSIENT,
        (
            r"(?:system|server|service|resource|recipient)s? (?:is |are )?(?:currently |temporarily )?(?:unavailable"
            r"|not available)"
        ),
        r"currently (?:unavailable|not available|unable)",
    ),
    (
        TRANSIENT,
        r"at (?:present|this time|the moment)",
        r"please (?:try|retry|resend)",
    ),
)

# Only where neither words nor status said more.
WEAK: tuple[Row, ...] = (
    (
        MAILBOX,
        (
            r"(?:mail ?box|recipient|address|user|account)(?: is| was| name)? (?:unavailable"
            r"|not (?:available|allowed))"
        ),
        r"mailbox name",
        r"account not available",
        r"no such",
        r"unknown$",
    ),
    (
        MAILBOX,
        (
            r"(?:address|recipients?|user|addr)>?:? (?:is |was |were |has been )?(?:rejected"
            r"|refused|failed|denied)\W*$"
        ),
    ),
    (
        TRANSIENT,
        r"unavailable",
        r"unable to (?:connect|contact|reach)",
        r"not respond",
        r"unreachable",
        r"shutdown",
        r"out of order",
    ),
)

WORDS = (*EXCEPTIONS, *PASSING, *SENDER, *TOO_LARGE, *FULL, *GONE, *REFUSED, *LATER)

# Enhanced status codes (RFC 3463, RFC 5248, RFC 7505 and the providers' own), by their first words that match.
STATUSES: tuple[Row, ...] = (
    (TRANSIENT, r"4\.", r"5\.2\.2$", r"5\.3\.[12]$", r"5\.4\.(?:[123567]|14|3\d\d)$", r"5\.7\.16$"),
    (MAILBOX, r"5\.1\.(?:[12346]|10)$", r"5\.2\.1$", r"5\.4\.4$"),
    (CONTENT, r"5\.2\.3$", r"5\.3\.[34]$", r"5\.6\."),
    (POLICY, r"5\.1\.[78]$", r"5\.7\."),
)
# What is left when there is no enhanced status: reply codes (RFC 5321 section 4.2.3, RFC 7504).
CODES: tuple[Row, ...] = ((TRANSIENT, r"4", r"552$"), (MAILBOX, r"551$", r"521$", r"556$"), (POLICY, r"541$", r"571$"))
