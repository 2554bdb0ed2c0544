"""English words whose forms no stemmer brings together: ``went`` and ``go``, ``children`` and ``child``. Pure.

Verbs and plurals only, one form each. Left out is a form that is as often another word (``rose``, ``bit``, ``wound``, ``lives``), and a verb whose
base is a stop word.
"""

_VERBS = """
    arise: arose arisen; awake: awoke awoken; beat: beaten; become: became; begin: began begun; bend: bent; bite: bitten;
    bleed: bled; blow: blew blown; break: broke broken; breed: bred; bring: brought; build: built; burn: burnt; buy: bought;
    catch: caught; choose: chose chosen; cling: clung; come: came; creep: crept; deal: dealt; dig: dug; draw: drew drawn;
    dream: dreamt; drink: drank drunk; drive: drove driven; eat: ate eaten; fall: fell fallen; feed: fed; feel: felt; fight: fought;
    find: found; flee: fled; fly: flew flown; forbid: forbade forbidden; forget: forgot forgotten; forgive: forgave forgiven;
    freeze: froze frozen; get: got gotten; give: gave given; go: went gone goes; grow: grew grown; hang: hung; hear: heard; hide: hid hidden;
    hold: held; keep: kept; kneel: knelt; know: knew known; lay: laid; lead: led; lean: leant; leap: leapt; learn: learnt; leave: left;
    lend: lent; lie: lain; light: lit; lose: lost; make: made; mean: meant; meet: met; mistake: mistook mistaken;
    misunderstand: misunderstood; overcome: overcame; oversee: oversaw overseen; pay: paid; prove: proven; rebuild: rebuilt; rewrite: rewrote rewritten;
    ride: rode ridden; ring: rang rung; rise: risen; run: ran; say: said; see: saw seen; seek: sought; sell: sold; send: sent;
    sew: sewn; shake: shook shaken; shine: shone; shoot: shot; show: shown; shrink: shrank shrunk; sing: sang sung; sink: sank sunk;
    sit: sat; sleep: slept; slide: slid; speak: spoke spoken; spell: spelt; spend: spent; spill: spilt; spin: spun; spit: spat;
    spoil: spoilt; spring: sprang sprung; stand: stood; steal: stole stolen; stick: stuck; sting: stung; strike: struck stricken; strive: strove striven;
    swear: swore sworn; sweep: swept; swell: swollen; swim: swam swum; swing: swung; take: took taken; teach: taught; tear: tore torn;
    tell: told; think: thought; throw: threw thrown; undergo: underwent undergone; understand: understood; undertake: undertook undertaken;
    wake: woke woken; wear: wore worn; weave: wove woven; weep: wept; win: won; withdraw: withdrew withdrawn; write: wrote written
"""
_PLURALS = """
    child: children; foot: feet; goose: geese; half: halves; knife: knives; loaf: loaves; man: men; mouse: mice; person: people;
    shelf: shelves; thief: thieves; tooth: teeth; wife: wives; wolf: wolves; woman: women
"""


def _bases(table: str) -> dict[str, str]:
    rows = (row.split(":") for row in table.split(";"))
    return {form: base.strip() for base, forms in rows for form in forms.split()}


BASE_OF = _bases(_VERBS) | _bases(_PLURALS)
"""Form → base."""
