"""Texts of many kinds, each a few thousand characters, for measuring how well tokens are estimated."""

import base64
import json
import random
import uuid
from pathlib import Path

_DRAW = random.Random(8)
_ROOT = Path(__file__).parents[2]

_SPOKEN = {
    "Chinese": "我昨天晚上和朋友去了河边散步，天气很好，我们聊了很多关于工作和家庭的事情。他说下个月要搬到上海去，因为公司在那里开了一个新的办公室。"
    "我告诉他我还没有决定是否换工作，不过最近确实收到了几个不错的机会。你能帮我记住下周三下午三点要去看牙医吗？另外，妈妈的生日是五月十二日，别忘了买礼物。",
    "Korean": "어제 저녁에 친구와 함께 강가를 산책했어요. 날씨가 아주 좋아서 오랫동안 이야기를 나눴습니다. 친구는 다음 달에 서울로 이사한다고 하네요. 회사가 그곳에 새로운 "
    "사무실을 열었기 때문이에요. 저는 아직 직장을 옮길지 결정하지 못했지만 최근에 좋은 제안을 몇 가지 받았습니다. 다음 주 수요일 오후 세 시에 치과에 가는 것을 기억해 주세요.",
    "Russian": "Вчера вечером мы с другом гуляли вдоль реки, погода была прекрасная, и мы долго говорили о работе и о семье. Он сказал, что в следующем месяце переезжает в Москву, "
    "потому что компания открыла там новый офис. Я ещё не решил, менять ли мне работу, но недавно получил несколько хороших предложений. Напомни мне, пожалуйста, о визите к врачу в среду.",
    "German and French": "Gestern Abend bin ich mit einer Freundin am Fluss spazieren gegangen, und wir haben lange über die Arbeit und die Familie gesprochen. Donaudampfschifffahrtsgesellschaft. "
    "Elle a dit qu'elle déménagerait à Lyon le mois prochain, parce que l'entreprise y a ouvert un nouveau bureau. Peux-tu me rappeler le rendez-vous chez le dentiste mercredi à quinze heures ?",
    "Arabic and Hebrew": "مساء أمس خرجت مع صديقي للمشي على ضفة النهر، وكان الطقس جميلا وتحدثنا طويلا عن العمل والعائلة. قال إنه سينتقل إلى القاهرة في الشهر القادم لأن الشركة فتحت مكتبا جديدا هناك. "
    "אתמול בערב טיילתי עם חבר לאורך הנהר, מזג האוויר היה נהדר ודיברנו הרבה על העבודה ועל המשפחה. תזכיר לי את התור לרופא השיניים ביום רביעי בשלוש.",
    "Thai and Hindi": "เมื่อวานตอนเย็นฉันไปเดินเล่นริมแม่น้ำกับเพื่อน อากาศดีมาก เราคุยกันนานเรื่องงานและครอบครัว เขาบอกว่าเดือนหน้าจะย้ายไปกรุงเทพ "
    "कल शाम मैं अपने दोस्त के साथ नदी के किनारे टहलने गया था, मौसम बहुत अच्छा था और हमने काम और परिवार के बारे में देर तक बात की। कृपया मुझे बुधवार को दंत चिकित्सक की याद दिलाना।",
}


def kinds() -> dict[str, str]:
    """Return kind → text."""
    english, japanese = _sample(ascii_=True), _sample(ascii_=False)
    return {
        "English chat": english,
        "English prose": (_ROOT / "README.md").read_text("utf-8").replace("|", " ").replace("`", "")[:6_000],
        "Japanese chat": japanese,
        "rare kanji": "".join(_DRAW.choices([chr(code) for code in range(0x4E00, 0x9FA0)], k=1_500)),
        "emoji": " ".join(_DRAW.choices(["😀👍🏽", "🎉", "👨‍👩‍👧‍👦", "❤️🔥", "🇯🇵✈️", "🥲 ok", "(*´▽｀*)", "w w w"], k=400)),
        **{kind: text * 4 for kind, text in _SPOKEN.items()},
        "Python code": (_ROOT / "pipeline/ingest/chunking.py").read_text("utf-8")[2_000:8_000],
        "JSON": json.dumps([_record() for _ in range(40)]),
        "minified JSON": json.dumps([_record() for _ in range(40)], separators=(",", ":")),
        "base64": base64.b64encode(_DRAW.randbytes(3_000)).decode(),
        "hexadecimal": _DRAW.randbytes(2_000).hex(),
        "identifiers": "\n".join(f"{uuid.UUID(int=_DRAW.getrandbits(128))} req_{_DRAW.getrandbits(64):x}" for _ in range(80)),
        "numbers (CSV)": "\n".join(",".join(f"{_DRAW.random() * 10**_DRAW.randrange(6):.{_DRAW.randrange(4)}f}" for _ in range(8)) for _ in range(80)),
        "addresses (URL)": "\n".join(f"https://www.example{_DRAW.randrange(99)}.co.jp/p/{_DRAW.getrandbits(40):x}?utm_source=mail&id={_DRAW.randrange(10**9)}#s{_DRAW.randrange(9)}" for _ in range(60)),
        "log lines": "\n".join(f"2026-11-{_DRAW.randrange(10, 30)}T10:{_DRAW.randrange(10, 60)}:07.{_DRAW.randrange(999):03}Z ERROR [worker-{_DRAW.randrange(9)}] c.e.app.Handler: timeout after {_DRAW.randrange(9999)}ms (attempt {_DRAW.randrange(5)}/5)" for _ in range(60)),
        "Markdown table": "\n".join(f"| {word} | {_DRAW.randrange(9999)} | **{_DRAW.random():.2f}** | [x](#{word.lower()}) |" for word in english.split()[:150]),
    }  # fmt: skip


def _record() -> dict[str, object]:
    return {
        "userId": _DRAW.randrange(10**6),
        "name": _DRAW.choice(["Mika Sato", "Ken Ito", "Ayu Mori"]),
        "active": _DRAW.random() < 0.5,
        "score": round(_DRAW.random(), 4),
        "tags": _DRAW.sample(["a", "beta", "gamma_ray", "x-1"], 2),
        "updatedAt": f"2026-11-{_DRAW.randrange(10, 30)}T10:00:00Z",
    }


def _sample(*, ascii_: bool) -> str:
    texts = []
    for path in sorted((_ROOT / "pipeline/local/sample").glob("*.json")):
        if path.stem == "questions":
            continue
        for session in json.loads(path.read_text("utf-8"))["sessions"]:
            texts += [message["content"] for message in session["messages"]]
    chosen = [text for text in texts if text.isascii() == ascii_ and len(text) > 20]
    return "\n".join(chosen)[:6_000]
