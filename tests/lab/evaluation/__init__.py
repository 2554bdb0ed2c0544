"""How well memory finds: question sets, baselines, measures."""
