"""English words that say nothing about what a text is about. ``may`` is a month as well, so it is none of them."""

STOP_WORDS = frozenset(
    """
    a about after again against all am an and any are as at be because been before being below between both but by can
    cannot could did do does doing done down during each few for from further had has have having he her here hers herself
    him himself his how i if in into is it its itself just ll me might more most must my myself no nor not now of off on
    once only or other our ours ourselves out over own re same shall shan she should so some such than that the their
    theirs them themselves then there these they this those through to too under until up ve very was we were what when
    where which while who whom whose why will with would you your yours yourself yourselves
    """.split()  # noqa: SIM905  # a paragraph reads better than a hundred quoted words
)
