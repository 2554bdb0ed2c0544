r"""What a secret looks like: one table. Pure data, read by :mod:`pipeline.source.redaction`.

Anybody's text is tried, so no expression may take the square of its length: spaces are repeated possessively (``\s*+``),
and what repeats does not run over another beginning of itself.

The shapes are the providers' own where they publish them (GitHub: docs.github.com, "GitHub's token formats"; AWS: IAM
User Guide, "unique identifiers"; GitLab: docs.gitlab.com, "token overview"; Slack: api.slack.com/concepts/token-types;
Stripe: docs.stripe.com/keys), and those of the rules of gitleaks and detect-secrets elsewhere. detect-secrets itself
is not used: it reads single lines of code, and brings six packages for what this table says.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of secret.

    Args:
        group: what the setting ``REDACT`` calls it and its like.
        name: what stands in its place.
        hints: the pattern is tried only where the text holds one of these, in any case.
        pattern: matches it; a group called ``secret`` is the part that is replaced, without one all is.
        random: the match counts only if it has a digit, a letter and six different characters.
        free: it may be of any shape, so that what looks like a placeholder, a path or an address does not count.
    """

    group: str
    name: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    random: bool = True
    free: bool = False


def _rule(  # noqa: PLR0913  # a row of the table
    group: str,
    name: str,
    hints: str,
    pattern: str,
    *,
    flags: int = 0,
    random: bool = True,
    free: bool = False,
) -> Rule:
    return Rule(
        group, name, tuple(hints.lower().split()), re.compile(pattern, flags | re.ASCII), random, free
    )


_B, _E = r"(?<![A-Za-z0-9_-])", r"(?![A-Za-z0-9])"  # neither end of the key continues
_ANY = re.IGNORECASE
_VALUE = r"(?P<secret>(?!\$[{(A-Z_])[!#-&*-+./0-:=?-Z^_a-z|~\\-]{6,256})"  # printable ASCII without quotes and brackets
_WORDS = (
    r"pass(?:word|wd|phrase|code)?|pwd|pw|secret(?:[_ -]?(?:access[_ -]?)?key)?|client[_ -]?secret|api[_ -]?key|apikey"
    r"|access[_ -]?key|auth[_ -]?token|access[_ -]?token|refresh[_ -]?token|bot[_ -]?token|(?<!next_)(?<!page_)(?<!nextpage)token"
    r"|private[_ -]?key|encryption[_ -]?key|account[_ -]?key|signing[_ -]?key|webhook[_ -]?secret|credential"
    r"|パスワード|パスコード|パスフレーズ|暗証番号|シークレット(?:キー)?|秘密鍵|アクセスキー|アクセストークン|トークン|APIキー|合言葉"
)
_MARKS = r"[\"'“”「」『』*_`\\]{0,6}+"  # quotes, Markdown's marks, and escaped quotes of JSON within JSON
_IS = (
    r"(?:"
    + _MARKS
    + r"\s*+(?:=>|:=|[:=→])"
    + _MARKS
    + r"\s*+|\s++(?:is|was|=)(?:\s*+:)?\s++|\s*+は\s*+[、:「]?\s*+"
    r"|>(?=[^\s<>]{1,256}</))"
)

RULES = (
    _rule(
        "private_keys", "private key", "private PuTTY-User-Key-File",
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|\Z)"
        r"|PuTTY-User-Key-File-\d:.*?(?:Private-MAC: [0-9a-f]+|\Z)",
        flags=re.DOTALL, random=False,
    ),
    _rule("private_keys", "age private key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _rule(
        "passwords", "password", "://",
        r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/@:\"'<>]{0,256}:(?P<secret>(?![\[*<{$])[^\s/@\"'<>]{1,256})@(?=[A-Za-z0-9\[_-])",
        random=False,
    ),
    _rule("private_keys", "one-time password seed", "otpauth://", r"otpauth://(?:(?!otpauth://)[^\s\"'<>])*?secret=(?P<secret>[A-Z2-7]{8,128})",
          flags=_ANY, random=False),
    _rule("cloud_keys", "AWS access key", "AKIA ASIA ABIA ACCA", _B + r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}" + _E, random=False),
    _rule(
        "cloud_keys", "AWS secret key", "secret",
        r"(?:aws|amazon)?_?-?secret_?-?(?:access)?_?-?key(?:_id)?[\"']?(?:\s*+(?:=>|:=|[:=])\s*+|\s++)[\"']?(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])",
        flags=_ANY,
    ),
    _rule("cloud_keys", "AWS session token", "session", r"session_?-?token[\"']?\s*[:=]\s*[\"']?(?P<secret>[A-Za-z0-9/+=]{80,})",
          flags=_ANY),
    _rule("cloud_keys", "AWS Bedrock key", "ABSK bedrock-api-key-", _B + r"(?:ABSK[A-Za-z0-9+/]{60,}={0,2}|bedrock-api-key-[A-Za-z0-9+/=]{40,})"),
    _rule("cloud_keys", "Azure key", "AccountKey SharedAccessKey sig=",
          r"(?:AccountKey|SharedAccessKey)=(?P<secret>[A-Za-z0-9+/]{40,90}={0,2})|[?&]sig=(?P<secret_1>[A-Za-z0-9%+/]{40,}={0,2})"),
    _rule("cloud_keys", "Google API key", "AIza", r"(?<![A-Za-z0-9])AIza[\w-]{35}(?![\w-])"),
    _rule("cloud_keys", "Google OAuth secret", "GOCSPX- ya29. 1//0", r"(?<![A-Za-z0-9])(?:GOCSPX-[\w-]{28}|ya29\.[\w-]{30,}|1//0[\w-]{40,})"),
    _rule("cloud_keys", "DigitalOcean token", "do", _B + r"do[opr]_v1_[0-9a-f]{64}" + _E),
    _rule("cloud_keys", "Databricks token", "dapi", _B + r"dapi[0-9a-f]{32}(?:-\d)?" + _E),
    _rule("cloud_keys", "Vault token", "hvs. hvb. hvr.", _B + r"hv[sbr]\.[\w-]{24,}"),
    _rule("cloud_keys", "Terraform token", ".atlasv1.", _B + r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}"),
    _rule("cloud_keys", "Supabase key", "sbp_ sb_secret_", _B + r"(?:sbp_[0-9a-f]{40}|sb_secret_[\w-]{20,})"),
    _rule("cloud_keys", "Cloudflare token", "cfut_ cfat_ cfk_", _B + r"cf(?:ut|at|k)_[A-Za-z0-9]{40,}" + _E),
    _rule("cloud_keys", "Cloudflare token", "cloudflare CF_API", r"(?:cloudflare|CF)[\w -]{0,20}(?:token|key)[\"']?\s*[:=]\s*[\"']?(?P<secret>[\w-]{37,40})" + _E,
          flags=_ANY),
    _rule("code_hosts", "GitHub token", "gh github_pat_", _B + r"(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{60,255})" + _E),
    _rule("code_hosts", "GitLab token", "gl GR1348941",
          _B + r"(?:gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct)-[\w.-]{20,}|GR1348941[\w-]{20,50})"),
    _rule("code_hosts", "Bitbucket or Atlassian token", "ATATT3 ATBB ATCTT3", _B + r"AT(?:ATT3|CTT3|BB)[\w=-]{24,}"),
    _rule("package_hosts", "npm token", "npm_", _B + r"npm_[A-Za-z0-9]{36}" + _E),
    _rule("package_hosts", "PyPI token", "pypi-", _B + r"pypi-AgE[\w-]{50,}"),
    _rule("package_hosts", "Docker token", "dckr_", _B + r"dckr_(?:pat|oat)_[\w-]{24,}"),
    _rule("package_hosts", "RubyGems token", "rubygems_", _B + r"rubygems_[0-9a-f]{48}" + _E),
    _rule("package_hosts", "Artifactory token", "AKC cmVmdGtu", _B + r"(?:AKC[A-Za-z0-9]{64,}|cmVmdGtu[A-Za-z0-9]{56})" + _E),
    _rule("ai_keys", "Anthropic key", "sk-ant-", _B + r"sk-ant-[\w-]{24,}"),
    _rule("ai_keys", "OpenAI key", "sk-", _B + r"sk-(?:proj|svcacct|admin|None|or-v1|lf)-[\w-]{20,}|" + _B + r"sk-[A-Za-z0-9]{20,}" + _E),
    _rule("ai_keys", "Hugging Face token", "hf_", _B + r"(?:hf_|api_org_)[A-Za-z0-9]{34}" + _E, random=False),
    _rule("ai_keys", "AI provider key", "gsk_ xai- pplx- r8_ tgp_v1_ fw_ csk- nvapi-",
          _B + r"(?:gsk_[A-Za-z0-9]{40,}|xai-[A-Za-z0-9]{60,}|pplx-[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{37}|tgp_v1_[\w-]{40,}|fw_[A-Za-z0-9]{22,}|csk-[a-z0-9]{40,}|nvapi-[\w-]{60,})" + _E),
    _rule("ai_keys", "AI tool key", "lsv2_ tvly- fc-",
          _B + r"(?:lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}|tvly-(?:dev-|prod-)?[A-Za-z0-9]{24,}|fc-[0-9a-f]{32})" + _E),
    _rule("chat_tokens", "Slack token", "xox xapp- xoxe",
          _B + r"(?:xox[abeoprs](?:\.xox[bp])?-(?:\d-)?[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9]+-\d+-[a-z0-9]{20,})"),
    _rule("chat_tokens", "webhook address", "hooks. webhook discord",
          r"https://(?:hooks\.slack\.com/(?:services|workflows|triggers)/|(?:\w+\.)?discord(?:app)?\.com/api/webhooks/|[\w.-]+\.webhook\.office\.com/)(?P<secret>[\w/@.-]{20,})"),
    _rule("chat_tokens", "Telegram bot token", ":AA", r"(?<![A-Za-z0-9])\d{8,10}:AA[\w-]{32,34}(?![\w-])"),
    _rule("chat_tokens", "Discord token", ".", _B + r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}(?![\w-])"),
    _rule("chat_tokens", "LINE token", "line channel", r"(?:LINE|channel)[\w -]{0,24}token[\"']?\s*[:=]\s*[\"']?(?P<secret>[A-Za-z0-9+/]{120,}={0,2})", flags=_ANY),
    _rule("payment_keys", "Stripe key", "k_live_ k_test_ whsec_", _B + r"(?:[srp]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{24,})"),
    _rule("payment_keys", "Square token", "sq0 EAAA", _B + r"(?:sq0[a-z]{3}-[\w-]{22,43}|EAAA[\w-]{56,})" + _E),
    _rule("payment_keys", "PayPal token", "access_token$", r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}"),
    _rule("mail_keys", "SendGrid key", "SG.", _B + r"SG\.[\w-]{16,32}\.[\w-]{16,64}"),
    _rule("mail_keys", "Mailgun key", "key-", _B + r"key-[0-9a-f]{32}" + _E),
    _rule("mail_keys", "Mailchimp key", "-us", r"(?<![A-Za-z0-9])[0-9a-f]{32}-us\d{1,2}" + _E),
    _rule("mail_keys", "Brevo key", "xkeysib-", _B + r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    _rule("mail_keys", "Twilio key", "SK twilio", r"(?<![A-Za-z0-9])SK[0-9a-f]{32}" + _E),
    _rule("app_keys", "Shopify token", "shp", _B + r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}" + _E),
    _rule("app_keys", "Notion token", "secret_ ntn_", _B + r"(?:secret_[A-Za-z0-9]{43}|ntn_[A-Za-z0-9]{40,})" + _E),
    _rule("app_keys", "Linear key", "lin_", _B + r"lin_(?:api|oauth)_[A-Za-z0-9]{40,}"),
    _rule("app_keys", "Airtable token", "pat", _B + r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}" + _E),
    _rule("app_keys", "Figma token", "figd_", _B + r"figd_[\w-]{40,}"),
    _rule("app_keys", "Postman key", "PMAK-", _B + r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    _rule("app_keys", "Grafana token", "glsa_ glc_", _B + r"(?:glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}|glc_[A-Za-z0-9+/=]{32,})"),
    _rule("app_keys", "Sentry token", "sntry", _B + r"sntry[su]_[\w+/=-]{40,}"),
    _rule("app_keys", "New Relic key", "NRAK- NRII-", _B + r"NR(?:AK|II|JS)-[A-Za-z0-9_-]{27,40}"),
    _rule("app_keys", "Dropbox token", "sl.", _B + r"sl\.(?:u\.)?[\w-]{80,}"),
    _rule("app_keys", "Mapbox token", "sk.eyJ", _B + r"sk\.eyJ[\w-]{20,}\.[\w-]{16,}"),
    _rule("app_keys", "Doppler token", "dp.", _B + r"dp\.(?:pt|st|ct|scim|audit)\.(?:[\w-]+\.)?[A-Za-z0-9]{40,}"),
    _rule("app_keys", "Fly token", "FlyV1", r"FlyV1 (?:fm\d_[\w+/=,-]{40,})"),
    _rule("app_keys", "1Password token", "ops_eyJ", _B + r"ops_eyJ[A-Za-z0-9+/]{200,}={0,3}"),
    _rule("app_keys", "Facebook token", "EAA", _B + r"EAA[A-Za-z0-9]{80,}" + _E),
    _rule("tokens", "JSON web token", "eyJ", r"(?<![A-Za-z0-9])eyJ(?:[A-Za-z0-9]|[_-](?!eyJ)){10,}={0,2}\.[\w-]*={0,2}(?:\.[\w-]{8,}={0,2}){1,4}"),
    _rule("tokens", "access token", "bearer", r"(?<![A-Za-z])bearer\s+(?P<secret>[A-Za-z0-9][\w.~+/=-]{15,})", flags=_ANY),
    _rule("tokens", "access token", "authorization",
          r"authorization[\"']?\s*[:=]\s*[\"']?(?:token|api-?key|key)\s+(?P<secret>[A-Za-z0-9][\w.~+/=-]{15,})", flags=_ANY),
    _rule("tokens", "key in an environment", "_KEY", r"(?<![A-Za-z0-9_])[A-Z][A-Z0-9_]*_KEY\s*=\s*[\"']?(?P<secret>[A-Za-z0-9_+=]{20,})(?![\w/:.-])"),
    _rule("passwords", "password", "curl", r"\bcurl\b[^\n|;]{0,200}?\s(?:-u|--user)[ =]?[\"']?[^\s:\"']{1,100}:(?P<secret>[^\s\"'<>$]{4,100})"),
    _rule("passwords", "password", "mysql mariadb", r"\b(?:mysql|mysqldump|mariadb)\b[^\n|;]{0,200}?\s-p(?P<secret>[^\s\"'<>$]{4,100})"),
    _rule("passwords", "password", "basic", r"authorization[\"']?\s*[:=]\s*[\"']?basic\s+(?P<secret>[A-Za-z0-9+/]{8,}={0,2})",
          flags=_ANY, random=False),
    _rule(
        "passwords", "password",
        "pass pwd pw secret key token credential パス 暗証 シークレット 秘密鍵 キー トークン 合言葉",
        r"(?<![A-Za-z])(?:" + _WORDS + r")" + _IS + _MARKS + _VALUE, flags=_ANY, free=True,
    ),
)  # fmt: skip
