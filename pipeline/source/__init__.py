"""What the chat app wrote: items read as documents, and changes read as facts."""
