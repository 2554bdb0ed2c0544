"""A message that begins with what was said before, for longer than a question is looked for, and goes on with something new."""

TOLD = (
    "The spare key of the boathouse hangs behind the third oar from the left. Whoever takes the green canoe signs the "
    "book on the windowsill first. The lifejackets for children lie in the blue chest, and the pump for the dinghy stands "
    "under the workbench beside the paint. Ask Filomena before you light the stove."
)
BESIDES = (
    "On Monday the gardener cuts the hedge along the northern wall and burns what he cut. The accounts for March were late "
    "because the printer had run out of toner again. Our cousin Ludovic moved to Trondheim, where he teaches the violin to "
    "retired sailors. Tomatoes did poorly this summer while the courgettes grew so fast that nobody wanted them any more. "
    "The bakery changed its hours and now opens at half past six. The choir rehearses two requiems and a tango for November."
)
