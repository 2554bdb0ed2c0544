"""What an operator does: looks at what went wrong, sends it again, or lets it go."""
