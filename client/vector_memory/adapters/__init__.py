"""Memory in the shapes of the frameworks that agents are built with. Each module needs its framework, and no other.

All of them read through :class:`vector_memory.client.MemoryClient`, and write into the chat app's DynamoDB table, from where the
pipeline makes memory of it. Whose memory it is was settled when they were made.
"""
