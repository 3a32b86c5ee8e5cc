"""Gone: the mailbox, its owner or its domain does not exist, in many languages."""

from posting.feedback.phrases.rows import MAILBOX, Row

# Who or what a mailbox is called, and what may stand between that and what is said of it.
WHO = (
    r"(?:users?(?:name|id)?|recipients?|mail ?box(?:es)?|accounts?|addr(?:ess(?:es)?|essee)?|subscriber|login|alias(?:es)?|member"
    r"|inbox|customer|rcpt|e-?mail(?: (?:address|account|id))?|destination|local[ -]?part|screen ?name|person|employee|student"
    r"|resolver\.\w+)"
)
GAP = r"(?:[^\w.;]+(?:\w+(?:'\w+)?[^\w.;]+){0,5}?|[^\w;]{1,6})"
KIND = (
    r"(?:(?:local|virtual|remote|e-?mail|mail|final|original|destination|delivery|recipient'?s?|smtp|to"
    r"|or illegal|or invalid|or unknown|or inactive)[ -]+)*"
)

NOT_THERE = (
    r"(?:un(?:known|recogni[sz]ed|deliverable|assigned)"
    r"|not (?:be )?(?:currently |yet )?(?:a )?(?:found|exist\w*|known|valid|recogni[sz]ed|listed|present|registered|active"
    r"|activated|in use|on this|hosted|local|in (?:the|our)|our|locat\w*|resolved|match\w*)"
    r"|(?:does|do|did)(?: not|n't|nt|n t) (?:\w+ )?(?:exist|appear|have|match)"
    r"|no longer (?:\w+ )?(?:exist\w*|valid|active|available|in (?:use|service)|accept\w*|with|works?|here|at|on|used|monitored"
    r"|receiv\w*)"
    r"|in(?:valid|active|correct|existent)"
    r"|(?:been |is |was |account |mailbox )?(?:disabled|deactivated|deleted|removed|closed|terminated|suspended|cancell?ed"
    r"|discontinued|expired|moved|retired|decommissioned|replaced by)"
    r"|non-?exist[ae]nt|isn't (?:here|valid|known|available|active)|doesn't exist|wasn't found|couldn't be found"
    r"|left (?:the )?(?:company|organi[sz]ation))"
)

GONE: tuple[Row, ...] = (
    (
        MAILBOX,  # What could not be found comes after the verb.
        r"no se (?:ha )?(?:encontr\w+|pudo encontrar|puede encontrar) (?:la direccion|el (?:usuario|buzon|destinatario|dominio))",
        r"impossibile trovare (?:l'indirizzo|l'utente|la casella|il (?:destinatario|dominio))",
        r"impossible de trouver (?:l'adresse|l'utilisateur|le (?:destinataire|domaine)|la boite)",
        r"nao foi possivel (?:encontrar|localizar) o (?:endereco|usuario|destinatario|dominio)",
        r"找不到[^,。;]{0,12}(?:地址|用户|收件人|邮箱|信箱)",
        r"не удалось наити [^.;]{0,30}(?:адрес|пользовател|получател|ящик|домен)",
        r"nie (?:mozna|udalo sie) (?:odnalezc|znalezc) [^.;]{0,30}(?:adres|odbiorc|uzytkownik)",
    ),
    (
        MAILBOX,
        r"non[- ]existent (?:user|mail ?box|recipient|address|account|domain)",
        r"(?:user|recipient|mail ?box|account|addr)\b[^.;]{0,40}\b(?:frozen|archived|suspends?|locked|blocked due to inactivity)",
        r"deactivated (?:mail ?box|account|user)",
        r"(?:currently|been) suspended",
        r"missing home directory",
        r"undeliverable (?:mail )?(?:address|recipient)",
        r"domain must exist",
        r"no \S+ in (?:the )?name directory|no matches? (?:to|in|for) (?:\w+ )?(?:nameserver|directory)",
        r"nessun utente|boite du destinataire archivee|never logged (?:in|on)",
    ),
    (
        MAILBOX,
        (
            rf"(?:unknown|invalid|no such|non-?exist[ae]nt|nonexisting|unrecogni[sz]ed"
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
