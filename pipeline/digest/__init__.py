"""Daily summaries: a day's log, once the day is over, becomes a note of its own."""
