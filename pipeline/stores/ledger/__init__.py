"""The ledger in DynamoDB, for stores that have no transactions of their own over everything they hold."""
