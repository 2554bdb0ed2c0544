"""OpenSearch Serverless, Classic and NextGen: it finds, and the ledger in DynamoDB says what may be shown."""
