"""Lambda bundles: what each carries, how they are put together, and whether they stand on their own."""
