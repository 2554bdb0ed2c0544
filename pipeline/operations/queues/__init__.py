"""SQS queues: taking everything out for a while, and reading what lies in them."""
