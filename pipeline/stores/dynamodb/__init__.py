"""DynamoDB alone: vectors in a table that the chat app's own search reads, exact search in the query function."""
