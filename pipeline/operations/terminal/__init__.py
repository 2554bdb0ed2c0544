"""What a person types and reads: options that commands share, and the text of answers."""
