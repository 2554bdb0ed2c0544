"""The commands of an operator: a folder for each, which is called as the command is.

In a command's folder, ``command.py`` says its name, its help and its options, and ``run.py`` carries it out. What several
commands use stands in folders of its own: ``items``, ``pacing``, ``portable``, ``queues``, ``stack``, ``terminal``.
``costs`` is no command of ``vector-memory``; ``scripts/costs`` runs it.
"""
