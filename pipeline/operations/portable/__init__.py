"""The file that ``export`` writes and ``import`` reads."""
